/**
 * `floe get`: prints a key's value.
 *
 * @module
 */

import { RAW_MEDIA_TYPE } from "../http/kv.ts";
import { readKeyValue } from "./answers.ts";
import type { CommandContext, OutputStream, Program } from "./command.ts";
import { printJson } from "./output.ts";
import { openSession, pathOfKey } from "./session.ts";

const NEWLINE = 0x0a;

/** Adds `floe get`. */
export function registerGet(program: Program, context: CommandContext): void {
  program
    .command("get")
    .summary("print a key's value")
    .description(
      "Prints a key's value, byte for byte; on a terminal, a newline is added where the value does " +
        "not end in one. With -o json: the value with its revisions. Exit code 3: no such key.",
    )
    .argument("<key>", "the key")
    .option("--stale", "take what the first node that answers has, even if it is behind")
    .action(async (key: string, options: GetFlags, command: Program) => {
      const path = pathOfKey(key);
      const { client, flags } = await openSession(command, context);
      const wantsJson = flags.output === "json";
      const answer = await client.send({
        method: "GET",
        path,
        takesTimeout: true,
        ...(options.stale === true ? { query: { consistency: "stale" } } : {}),
        accept: wantsJson ? "application/json" : RAW_MEDIA_TYPE,
      });
      if (wantsJson) return printJson(context.stdout, readKeyValue(answer));
      printValue(context.stdout, answer.body);
    });
}

interface GetFlags {
  readonly stale?: boolean;
}

function printValue(stream: OutputStream, value: Uint8Array): void {
  stream.write(value);
  if (stream.isTerminal && value.at(-1) !== NEWLINE) stream.write("\n");
}
