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

/** Adds `floe put`. */
export function registerPut(program: Program, context: CommandContext): void {
  program
    .command("put")
    .summary("set a key")
    .description(
      "Sets a key and prints its revision. A write that may already have been applied is never " +
        "sent again: the command ends with exit code 5 and says so.",
    )
    .argument("<key>", "the key; slashes are part of it")
    .argument("[value]", "the value as text, or - to read its bytes from standard input")
    .option("--file <path>", "read the value's bytes from a file")
    .action(async (key: string, value: string | undefined, options: PutFlags, command: Program) => {
      const path = pathOfKey(key);
      const body = await readValue({ value, file: options.file }, context);
      const { client, flags } = await openSession(command, context);
      const answer = await client.send({ method: "PUT", path, body, takesTimeout: true });
      const put = readPut(answer);
      if (flags.output === "json") return printJson(context.stdout, put);
      printTable(context.stdout, ["KEY", "REVISION", "VERSION"], [
        [put.key, put.modRevision, put.version],
      ]);
    });
}

interface PutFlags {
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
