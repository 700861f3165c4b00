/**
 * `floe put`: sets a key.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import { VALUE_BYTES_MAX } from "../kv/command.ts";
import { readPut } from "./answers.ts";
import type { CommandContext, Program } from "./command.ts";
import { CommandError, ExitCode } from "./exit_code.ts";
import { readInput, STDIN_NAME } from "./input.ts";
import { printJson, printTable } from "./output.ts";
import { openSession, pathOfKey } from "./session.ts";
import {
  idempotencyKeyOption,
  ifAbsentOption,
  ifRevisionOption,
  type WriteFlags,
  writeRequest,
} from "./write.ts";

/** Adds `floe put`. */
export function registerPut(program: Program, context: CommandContext): void {
  program
    .command("put")
    .summary("set a key")
    .description(
      "Sets a key and prints its revision. It is sent to one node after the other, until one answers " +
        "or --timeout has passed, and takes effect once. Exit code 4: the key is not as " +
        "--if-revision or --if-absent asks. Exit code 5: no node could do it in time, or tell " +
        "whether it was done.",
    )
    .argument("<key>", "the key; slashes are part of it")
    .argument("[value]", "the value as text, or - to read its bytes from standard input")
    .option("--file <path>", "read the value's bytes from a file")
    .addOption(ifRevisionOption())
    .addOption(ifAbsentOption())
    .addOption(idempotencyKeyOption())
    .action(async (key: string, value: string | undefined, options: PutFlags, command: Program) => {
      const path = pathOfKey(key);
      const body = await readValue({ value, file: options.file }, context);
      const { client, flags } = await openSession(command, context);
      const answer = await client.send({ method: "PUT", path, body, ...writeRequest(options) });
      const put = readPut(answer);
      if (flags.output === "json") return printJson(context.stdout, put);
      printTable(context.stdout, ["KEY", "REVISION", "VERSION"], [
        [put.key, put.modRevision, put.version],
      ]);
    });
}

interface PutFlags extends WriteFlags {
  readonly file?: string;
}

async function readValue(
  source: { readonly value: string | undefined; readonly file: string | undefined },
  context: CommandContext,
): Promise<Uint8Array<ArrayBuffer>> {
  const { value, file } = source;
  if ((value === undefined) === (file === undefined)) {
    throw new CommandError(
      ExitCode.usage,
      "Cannot put: give the value once, as VALUE, as - (standard input) or with --file PATH",
    );
  }
  if (value !== undefined && value !== STDIN_NAME) return checkLength(encodeUtf8(value));
  return await readInput(file ?? STDIN_NAME, context, { bytesMax: VALUE_BYTES_MAX });
}

function checkLength(value: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (value.length <= VALUE_BYTES_MAX) return value;
  throw new CommandError(
    ExitCode.usage,
    `Cannot put: the value's ${value.length} bytes are above ${VALUE_BYTES_MAX}`,
  );
}
