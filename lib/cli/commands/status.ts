/**
 * `floe status`: every node's view of itself and the cluster.
 *
 * @module
 */

import { assertDefined } from "../../assert.ts";
import { type StatusBody, statusSchema } from "../../http/wire.ts";
import { marginWarnings } from "../../margins.ts";
import { openClient, toViewJson, type View, viewAll } from "../session.ts";
import type { CommandContext, OutputStream, Program } from "../command.ts";
import {
  type Cell,
  EMPTY_CELL,
  marginFields,
  printable,
  printFields,
  printJson,
  printMarginWarnings,
  printTable,
} from "../output.ts";

/** Adds `floe status`. */
export function registerStatus(program: Program, context: CommandContext): void {
  program
    .command("status")
    .summary("show every node's role, term and progress")
    .description(
      "Shows the state of each node, and how many nodes may fail before the cluster cannot keep its " +
        "promises. Exit code 5: no node answered.",
    )
    .action(async (_options: unknown, command: Program) => {
      const { client, flags } = await openClient(command, context);
      const views = await viewAll(client, { path: "/v1/status", schema: statusSchema });
      warnOfOtherClusters(views, context.stderr);
      if (flags.output === "json") return printJson(context.stdout, jsonOf(views));
      printViews(context.stdout, views);
      printMarginWarnings(context.stderr, firstStatus(views));
    });
}

type StatusViews = readonly View<StatusBody>[];

/** Warns of nodes of different clusters: a mistake in `--endpoints` that the table would hide. */
function warnOfOtherClusters(views: StatusViews, stderr: OutputStream): void {
  const clusters = new Set(views.flatMap(({ body }) => body === null ? [] : [body.cluster]));
  if (clusters.size < 2) return;
  const names = [...clusters].map((name) => printable(name)).join(", ");
  stderr.write(`floe: these nodes are of different clusters: ${names}\n`);
}

function jsonOf(views: StatusViews): unknown {
  const { cluster, epoch, threshold, n, margins } = firstStatus(views);
  const warnings = marginWarnings({ n, threshold });
  return { cluster, epoch, threshold, n, margins, warnings, nodes: views.map(toViewJson) };
}

function printViews(stdout: OutputStream, views: StatusViews): void {
  const { cluster, epoch, threshold, n } = firstStatus(views);
  const answered = views.filter(({ body }) => body !== null).length;
  stdout.write(
    `cluster ${printable(cluster)}, epoch ${epoch}: ${threshold} of ${n} voters sign; ` +
      `${answered} of ${views.length} nodes answered\n`,
  );
  printFields(stdout, marginFields({ n, threshold }));
  stdout.write("\n");
  const header = ["NODE", "ROLE", "TERM", "LEADER", "COMMIT", "APPLIED", "API", ""];
  printTable(stdout, header, views.map(rowOf));
}

function rowOf({ endpoint, body, error }: View<StatusBody>): readonly Cell[] {
  if (body === null) {
    const blanks = Array.from({ length: 5 }, () => EMPTY_CELL);
    return [endpoint.id, ...blanks, endpoint.label, error];
  }
  const { id, role, term, leader, commitIndex, appliedIndex } = body;
  return [id, role, term, leader, commitIndex, appliedIndex, endpoint.label, ""];
}

function firstStatus(views: StatusViews): StatusBody {
  const first = views.find(({ body }) => body !== null)?.body;
  return assertDefined(first, "at least one node answered");
}
