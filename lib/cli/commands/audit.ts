/**
 * `floe audit`: writes everything that a cluster can prove into one text file, and checks such a file offline.
 *
 * @module
 */

import {
  type ApiClient,
  bodyOf,
  ClientError,
  type EndpointResult,
  MembersClient,
} from "../../client/mod.ts";
import {
  ELECTIONS_LIMIT_MAX,
  type ElectionsBody,
  electionsSchema,
  evidenceSchema,
  type Schema,
} from "../../wire/mod.ts";
import type { CommandContext, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { printable } from "../output.ts";
import { openClient } from "../session.ts";
import { addVerify } from "./verify.ts";

export function registerAudit(program: Program, context: CommandContext): void {
  const audit = program
    .command("audit")
    .summary("write down everything that the cluster can prove, and check it")
    .helpCommand(false);
  audit
    .command("export")
    .summary("print genesis, memberships and all certificates of elections")
    .description(
      "Prints every signed note of the cluster as text: the genesis, each membership since, and the " +
        "certificates of all elections that any node has. Where a node has seen two leaders of one term, " +
        "both are there. Keep it in a file, and check it offline: floe audit verify FILE --config " +
        "CLUSTER, which is the configuration that the nodes made the key with. Once the members have " +
        "changed, --key KEY is enough. Nothing is checked here.",
    )
    .action(async (_options: unknown, command: Program) => {
      const { client } = await openClient(command, context);
      const notes = [...await chainNotes(client), ...await allElectionNotes(client)];
      if (notes.length === 0) {
        throw new CommandError(ExitCode.notFound, "The cluster has no certificate yet");
      }
      // A node is not trusted: its answer must not control the terminal.
      const text = notes.map((note) => printable(note, { keepNewlines: true })).join("\n");
      context.stdout.write(text);
      context.stderr.write(
        `${notes.length} ${
          notes.length === 1 ? "note" : "notes"
        }. To check them: floe audit verify FILE --config CLUSTER\n`,
      );
    });
  addVerify(audit, context);
}

async function chainNotes(client: ApiClient): Promise<readonly string[]> {
  const { genesis, memberships } = await new MembersClient(client).chain();
  const signed = memberships.flatMap(({ byOld, byNew }) =>
    byNew === null ? [byOld] : [byOld, byNew]
  );
  return genesis === null ? signed : [genesis, ...signed];
}

/** The certificates that any node has, by rising term; all of them if two differ. */
async function allElectionNotes(client: ApiClient): Promise<readonly string[]> {
  const termOf = new Map([...await electionNotes(client), ...await secondNotes(client)]);
  return [...termOf].toSorted(([, left], [, right]) => left - right).map(([note]) => note);
}

/** The certificates of two leaders of one term, with it, that any node has seen. */
async function secondNotes(client: ApiClient): Promise<readonly (readonly [string, number])[]> {
  const results = await client.askAll({ method: "GET", path: "/v1/evidence" });
  return results.flatMap((result) => bodiesOf(result, evidenceSchema))
    .flatMap(({ twoLeaders }) => twoLeaders)
    .flatMap(({ term, first, second }) =>
      [first, second].map(({ certificate }) => [certificate, term] as const)
    );
}

/**
 * The certificates of the elections that any node has, with their terms. Each page begins where the shortest page
 * before it ended, so none is left out.
 */
async function electionNotes(client: ApiClient): Promise<ReadonlyMap<string, number>> {
  const termOf = new Map<string, number>();
  for (let before: number | null = Number.MAX_SAFE_INTEGER; before !== null;) {
    const pages: readonly ElectionsBody[] = await askPages(client, before);
    for (const { term, certificate } of pages.flatMap(({ elections }) => elections)) {
      termOf.set(certificate, term);
    }
    before = nextPage(pages, before);
  }
  return termOf;
}

/** Where the next page begins; null after the last. A node whose pages do not advance has no more to give. */
function nextPage(pages: readonly ElectionsBody[], before: number): number | null {
  const next = pages.flatMap(({ nextBefore }) =>
    nextBefore !== null && nextBefore < before ? [nextBefore] : []
  );
  return next.length === 0 ? null : Math.max(...next);
}

async function askPages(client: ApiClient, before: number): Promise<readonly ElectionsBody[]> {
  const results = await client.askAll({
    method: "GET",
    path: "/v1/elections",
    query: { limit: String(ELECTIONS_LIMIT_MAX), before: String(before) },
  });
  const pages = results.flatMap((result) => bodiesOf(result, electionsSchema));
  if (pages.length > 0) return pages;
  throw client.unreachable(results);
}

/** An answer that cannot be read is one node's fault; the answers of the others are still useful. */
function bodiesOf<Body>(result: EndpointResult, schema: Schema<Body>): readonly Body[] {
  if (result.kind !== "answer") return [];
  try {
    return [bodyOf(result.answer, schema)];
  } catch (error) {
    if (error instanceof ClientError) return [];
    throw error;
  }
}
