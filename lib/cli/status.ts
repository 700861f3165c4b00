/**
 * `floe status`: every node's view of itself and the cluster.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import type { StatusBody } from "../http/wire.ts";
import { marginWarnings } from "../margins.ts";
import { readStatus } from "./answers.ts";
import type { Attempt } from "./client.ts";
import type { CommandContext, OutputStream, Program } from "./command.ts";
import { CommandError } from "./exit_code.ts";
import { marginFields, printMarginWarnings } from "./margins.ts";
import type { Endpoint } from "./options.ts";
import { type Cell, EMPTY_CELL, printable, printFields, printJson, printTable } from "./output.ts";
import { openSession } from "./session.ts";

/** Adds `floe status`. */
export function registerStatus(program: Program, context: CommandContext): void {
  program
    .command("status")
    .summary("show every node's role, term and progress")
    .description(
      "Asks every node at the same time and shows what each says of itself, and what may go wrong " +
        "before the cluster does not keep its promises. Exit code 5: no node answered.",
    )
    .action(async (_options: unknown, command: Program) => {
      const { client, flags } = await openSession(command, context);
      const attempts = await client.askAll({ method: "GET", path: "/v1/status" });
      const views = attempts.map(viewOf);
      if (!views.some((view) => view.status !== null)) throw client.unreachable(attempts);
      warnOfStrangers(views, context.stderr);
      if (flags.output === "json") return printJson(context.stdout, jsonOf(views));
      printViews(context.stdout, views);
      printMarginWarnings(context.stderr, firstStatus(views));
    });
}

/** One node as it says it is, or why it says nothing. */
type View =
  | { readonly endpoint: Endpoint; readonly status: StatusBody; readonly error: null }
  | { readonly endpoint: Endpoint; readonly status: null; readonly error: string };

function viewOf(attempt: Attempt): View {
  if (attempt.kind === "failure") {
    return { endpoint: attempt.endpoint, status: null, error: attempt.failure.reason };
  }
  const { endpoint } = attempt.answer;
  try {
    return { endpoint, status: readStatus(attempt.answer), error: null };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { endpoint, status: null, error: "does not answer as Floe's API does" };
  }
}

/** Nodes of two clusters in one list are a mistake in `--endpoints` that a table would hide. */
function warnOfStrangers(views: readonly View[], stderr: OutputStream): void {
  const clusters = new Set(views.flatMap(({ status }) => status === null ? [] : [status.cluster]));
  if (clusters.size < 2) return;
  const names = [...clusters].map((name) => printable(name)).join(", ");
  stderr.write(`floe: these nodes are of different clusters: ${names}\n`);
}

function jsonOf(views: readonly View[]): unknown {
  const { cluster, epoch, threshold, n, margins } = firstStatus(views);
  const nodes = views.map(({ endpoint, status, error }) => ({
    endpoint: endpoint.label,
    reachable: status !== null,
    ...(status === null ? { id: endpoint.id, error } : status),
  }));
  const warnings = marginWarnings({ n, threshold });
  return { cluster, epoch, threshold, n, margins, warnings, nodes };
}

function printViews(stdout: OutputStream, views: readonly View[]): void {
  const { cluster, epoch, threshold, n } = firstStatus(views);
  const answered = views.filter(({ status }) => status !== null).length;
  stdout.write(
    `cluster ${printable(cluster)}, epoch ${epoch}: ${threshold} of ${n} voters sign; ` +
      `${answered} of ${views.length} nodes answered\n`,
  );
  printFields(stdout, marginFields({ n, threshold }));
  stdout.write("\n");
  const header = ["NODE", "ROLE", "TERM", "LEADER", "COMMIT", "APPLIED", "API", ""];
  printTable(stdout, header, views.map(rowOf));
}

function rowOf({ endpoint, status, error }: View): readonly Cell[] {
  if (status === null) {
    const blanks = Array.from({ length: 5 }, () => EMPTY_CELL);
    return [endpoint.id, ...blanks, endpoint.label, error];
  }
  const { id, role, term, leader, commitIndex, appliedIndex } = status;
  return [id, role, term, leader, commitIndex, appliedIndex, endpoint.label, ""];
}

function firstStatus(views: readonly View[]): StatusBody {
  const status = views.find((view) => view.status !== null)?.status;
  return assertDefined(status, "at least one node answered");
}
