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

/** Adds `floe del`. */
export function registerDel(program: Program, context: CommandContext): void {
  program
    .command("del")
    .summary("delete a key")
    .description("Deletes a key and prints the revision of that. Exit code 3: no such key.")
    .argument("<key>", "the key")
    .action(async (key: string, _options: unknown, command: Program) => {
      const path = pathOfKey(key);
      const { client, flags } = await openSession(command, context);
      const answer = await client.send({ method: "DELETE", path, takesTimeout: true });
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
