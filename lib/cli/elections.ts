/**
 * `floe elections`: the elections that the cluster holds certificates of.
 *
 * @module
 */

import { ELECTIONS_LIMIT_MAX } from "../http/limits.ts";
import { readElections } from "./answers.ts";
import type { CommandContext, Program } from "./command.ts";
import { printJson, printTable } from "./output.ts";
import { openSession } from "./session.ts";
import { wholeNumberUpTo } from "./whole_number.ts";

/** How many elections are shown when `--limit` is not given. */
const ELECTIONS_SHOWN_DEFAULT = 20;

const HEADER = ["TERM", "LEADER", "EPOCH", "LOG INDEX", "LOG TERM"];

/** Adds `floe elections`. */
export function registerElections(program: Program, context: CommandContext): void {
  program
    .command("elections")
    .summary("list the certified elections, newest first")
    .description(
      "Lists the elections that the node asked holds certificates of, newest first. With -o json: " +
        "the certificates too.",
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
      const { client, flags } = await openSession(command, context);
      const query = {
        limit: String(options.limit),
        ...(options.before === undefined ? {} : { before: String(options.before) }),
      };
      const answer = await client.send({ method: "GET", path: "/v1/elections", query });
      const page = readElections(answer);
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
