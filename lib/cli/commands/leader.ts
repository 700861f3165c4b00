/**
 * `floe leader` and `floe elections`: the leader, earlier leaders, and their certificates.
 *
 * @module
 */

import { type ApiClient, bodyOf, ClientError, type EndpointResult } from "../../client/mod.ts";
import {
  ELECTIONS_LIMIT_MAX,
  electionsSchema,
  type LeaderBody,
  leaderSchema,
  type TransferBody,
  transferSchema,
} from "../../wire/mod.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { wholeNumberUpTo } from "../options.ts";
import { printFields, printJson, printTable } from "../output.ts";
import { openClient } from "../session.ts";

/** Adds `floe leader` and `floe leader transfer`. */
export function registerLeader(program: Program, context: CommandContext): void {
  const leaderCommand = program
    .command("leader")
    .summary("show the leader, and its certificate")
    .description(
      "Shows the leader. With --cert: only its election certificate, a signed note, as " +
        "`floe verify - --key KEY` reads it. Exit code 3: no leader is known.",
    )
    .option("--cert", "print only the certificate")
    .action(async (options: LeaderFlags, command: Program) => {
      const { client, flags } = await openClient(command, context);
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

/** A leader with its certificate. */
type ProvenLeader = LeaderBody & { readonly leader: string; readonly certificate: string };

/**
 * Asks every node for the leader, and takes the answer with the highest term: a disconnected node may still
 * follow an earlier leader.
 */
async function findLeader(client: ApiClient): Promise<ProvenLeader> {
  const attempts = await client.askAll({ method: "GET", path: "/v1/leader" });
  const answers = answersOf(attempts);
  if (answers.length === 0) throw client.unreachable(attempts);
  const leader = latestLeader(answers);
  if (leader !== null) return leader;
  throw new CommandError(
    ExitCode.notFound,
    `No leader: ${answers.length} of ${attempts.length} nodes answered, and none knows a leader. ` +
      "An election needs the threshold of voters up and connected (floe status).",
  );
}

function answersOf(attempts: readonly EndpointResult[]): readonly LeaderBody[] {
  return attempts.flatMap((attempt) =>
    attempt.kind === "answer" ? [bodyOf(attempt.answer, leaderSchema)] : []
  );
}

function latestLeader(answers: readonly LeaderBody[]): ProvenLeader | null {
  const proven = answers.filter(isProven).toSorted((left, right) => right.term - left.term);
  return proven[0] ?? null;
}

function isProven(answer: LeaderBody): answer is ProvenLeader {
  return answer.leader !== null && answer.certificate !== null;
}

/** How many elections are shown when `--limit` is not given. */
const ELECTIONS_SHOWN_DEFAULT = 20;

const HEADER = ["TERM", "LEADER", "EPOCH", "LOG INDEX", "LOG TERM"];

/** Adds `floe elections`. */
export function registerElections(program: Program, context: CommandContext): void {
  program
    .command("elections")
    .summary("list the certified elections, newest first")
    .description(
      "Lists the elections whose certificates the first node that answers has, newest first. With " +
        "-o json: the certificates too.",
    )
    .option(
      "--limit <count>",
      `how many, at most ${ELECTIONS_LIMIT_MAX}`,
      wholeNumberUpTo(ELECTIONS_LIMIT_MAX),
      ELECTIONS_SHOWN_DEFAULT,
    )
    .option(
      "--before <term>",
      "only terms below this one",
      wholeNumberUpTo(Number.MAX_SAFE_INTEGER),
    )
    .action(async (options: ElectionsFlags, command: Program) => {
      const { client, flags } = await openClient(command, context);
      const query = {
        limit: String(options.limit),
        ...(options.before === undefined ? {} : { before: String(options.before) }),
      };
      const answer = await client.send({ method: "GET", path: "/v1/elections", query });
      const page = bodyOf(answer, electionsSchema);
      if (flags.output === "json") return printJson(context.stdout, page);
      const rows = page.elections.map(({ term, leader, epoch, lastLogIndex, lastLogTerm }) => [
        term,
        leader,
        epoch,
        lastLogIndex,
        lastLogTerm,
      ]);
      printTable(context.stdout, HEADER, rows);
      if (page.nextBefore !== null) {
        context.stderr.write(`There are more: floe elections --before ${page.nextBefore}\n`);
      }
    });
}

interface ElectionsFlags {
  readonly limit: number;
  readonly before?: number;
}

/** Adds `floe leader transfer` to `floe leader`. */
function registerLeaderTransfer(leader: Program, context: CommandContext): void {
  leader
    .command("transfer")
    .summary("hand leadership over")
    .description(
      "Makes the leader hand over to the node ID, or to the follower with the most complete log, in " +
        "an election with a certificate like any other. No write is lost. Exit code 4: the node did " +
        "not take over; 3: it is not a follower of this leader. If that node is the leader already, " +
        "the command says so and changes nothing.",
    )
    .argument("[id]", "the node to lead next")
    .action(async (id: string | undefined, _options: unknown, command: Program) => {
      const { client, flags } = await openClient(command, context);
      const answer = await transfer(client, id);
      if (flags.output === "json") return printJson(context.stdout, answer);
      if (answer.from === answer.leader) {
        return context.stdout.write(`${answer.leader} leads already; nothing was changed\n`);
      }
      context.stdout.write(`${answer.leader} leads now; ${answer.from ?? "nobody"} led before\n`);
    });
}

async function transfer(client: ApiClient, target: string | undefined): Promise<TransferBody> {
  try {
    return bodyOf(
      await client.send({
        method: "POST",
        path: "/v1/leader/transfer",
        ...(target === undefined ? {} : { query: { target } }),
      }),
      transferSchema,
    );
  } catch (error) {
    // The leader refuses itself as a target, but the operator already has what the command asks for.
    const isNoFollower = error instanceof ClientError && error.kind === "notFound";
    if (target === undefined || !isNoFollower) throw error;
    const leader = latestLeader(
      answersOf(await client.askAll({ method: "GET", path: "/v1/leader" })),
    );
    if (leader?.leader !== target) throw error;
    return { from: target, leader: target };
  }
}
