/**
 * `floe leader`: who leads, and the certificate that proves it.
 *
 * @module
 */

import type { LeaderBody } from "../http/wire.ts";
import { readLeader } from "./answers.ts";
import type { ApiClient } from "./client.ts";
import type { CommandContext, Program } from "./command.ts";
import { CommandError, ExitCode } from "./exit_code.ts";
import { registerLeaderTransfer } from "./leader_transfer.ts";
import { printFields, printJson } from "./output.ts";
import { openSession } from "./session.ts";

/** Adds `floe leader` and `floe leader transfer`. */
export function registerLeader(program: Program, context: CommandContext): void {
  const leaderCommand = program
    .command("leader")
    .summary("show who leads, and the proof")
    .description(
      "Shows who leads. With --cert: the election certificate, a signed note, and nothing else, " +
        "as `floe verify - --key KEY` reads it. Exit code 3: no leader is known.",
    )
    .option("--cert", "print only the certificate")
    .action(async (options: LeaderFlags, command: Program) => {
      const { client, flags } = await openSession(command, context);
      const leader = await findLeader(client);
      if (options.cert === true) return context.stdout.write(leader.certificate);
      if (flags.output === "json") return printJson(context.stdout, leader);
      printFields(context.stdout, [
        ["leader", leader.leader],
        ["term", leader.term],
        ["api", leader.api],
        ["to verify", "floe leader --cert | floe verify - --key KEY"],
      ]);
    });
  registerLeaderTransfer(leaderCommand, context);
}

interface LeaderFlags {
  readonly cert?: boolean;
}

/** A leader with its proof. */
type ProvenLeader = LeaderBody & { readonly leader: string; readonly certificate: string };

/**
 * Who leads, as the nodes know that answer now; of several, the one of the highest term. A node that
 * was cut off may still believe in the leader of a term that has passed.
 */
async function findLeader(client: ApiClient): Promise<ProvenLeader> {
  const attempts = await client.askAll({ method: "GET", path: "/v1/leader" });
  const answers = attempts.flatMap((attempt) =>
    attempt.kind === "answer" ? [readLeader(attempt.answer)] : []
  );
  if (answers.length === 0) throw client.unreachable(attempts);
  const proven = answers.filter(isProven).toSorted((left, right) => right.term - left.term);
  const leader = proven.at(0);
  if (leader !== undefined) return leader;
  throw new CommandError(
    ExitCode.notFound,
    `No leader: ${answers.length} of ${attempts.length} nodes answered and none knows one. ` +
      "An election needs the threshold of voters up and connected (floe status).",
  );
}

function isProven(answer: LeaderBody): answer is ProvenLeader {
  return answer.leader !== null && answer.certificate !== null;
}
