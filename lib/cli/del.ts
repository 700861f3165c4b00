/**
 * `floe del`: deletes a key.
 *
 * @module
 */

import { readDelete } from "./answers.ts";
import type { CommandContext, Program } from "./command.ts";
import { CommandError, ExitCode } from "./exit_code.ts";
import { printJson, printTable } from "./output.ts";
import { openSession, pathOfKey } from "./session.ts";
import { idempotencyKeyOption, ifRevisionOption, type WriteFlags, writeRequest } from "./write.ts";

/** Adds `floe del`. */
export function registerDel(program: Program, context: CommandContext): void {
  program
    .command("del")
    .summary("delete a key")
    .description(
      "Deletes a key and prints the revision of that. It is sent to one node after the other, until " +
        "one answers or --timeout has passed, and takes effect once. Exit code 3: no such key. Exit " +
        "code 4: the key is not as --if-revision asks. Exit code 5: no node could do it in time, or " +
        "tell whether it was done.",
    )
    .argument("<key>", "the key")
    .addOption(ifRevisionOption())
    .addOption(idempotencyKeyOption())
    .action(async (key: string, options: WriteFlags, command: Program) => {
      const path = pathOfKey(key);
      const { client, flags } = await openSession(command, context);
      const answer = await client.send({ method: "DELETE", path, ...writeRequest(options) });
      const { deleted, revision, ...rest } = readDelete(answer);
      if (flags.output === "json") printJson(context.stdout, { ...rest, deleted, revision });
      if (!deleted) {
        throw new CommandError(ExitCode.notFound, `There is no key ${JSON.stringify(key)}`);
      }
      if (flags.output === "table") {
        printTable(context.stdout, ["KEY", "DELETED AT"], [[key, revision]]);
      }
    });
}
