/**
 * `floe leader transfer`: hands leadership over, before work on the leader's machine for one.
 *
 * @module
 */

import { readTransfer } from "./answers.ts";
import type { CommandContext, Program } from "./command.ts";
import { printJson } from "./output.ts";
import { openSession } from "./session.ts";

/** Adds `floe leader transfer` to `floe leader`. */
export function registerLeaderTransfer(leader: Program, context: CommandContext): void {
  leader
    .command("transfer")
    .summary("hand leadership over")
    .description(
      "Makes the leader hand over to the node ID, or to the follower whose log is furthest, in an " +
        "election that is certified like any other. No write is lost. Exit code 4: the node did " +
        "not take over; 3: it is no follower of this leader.",
    )
    .argument("[id]", "the node that shall lead")
    .action(async (id: string | undefined, _options: unknown, command: Program) => {
      const { client, flags } = await openSession(command, context);
      const answer = readTransfer(
        await client.send({
          method: "POST",
          path: "/v1/leader/transfer",
          ...(id === undefined ? {} : { query: { target: id } }),
        }),
      );
      if (flags.output === "json") return printJson(context.stdout, answer);
      context.stdout.write(`${answer.leader} leads now; ${answer.from ?? "nobody"} led before\n`);
    });
}
