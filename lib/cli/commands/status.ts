/**
 * `floe status`: what the cluster can do now, and every node's role and progress.
 *
 * The command combines all answers: a node that does not answer may still be connected to one that does. A node
 * that refuses for want of a token is up, too.
 *
 * @module
 */

import { assertDefined } from "../../assert.ts";
import { type ApiClient, bodyOf, systemClock } from "../../client/mod.ts";
import { marginsOf, marginWarnings } from "../../margins.ts";
import { type Health, HEALTH_NAMES, judgeCluster, type Verdict } from "../../verdict.ts";
import { dkgSchema, groupSchema, type StatusBody, statusSchema } from "../../wire/mod.ts";
import type { CommandContext, OutputStream, Program } from "../command.ts";
import { CommandError, ExitCode } from "../failure.ts";
import { type Cell, printable, printJson, printTable, TEXT_WIDTH, wrap } from "../output.ts";
import { aborted } from "../process_context.ts";
import { openClient, readMembers, toView, toViewJson, type View } from "../session.ts";

/** Adds `floe status`. */
export function registerStatus(program: Program, context: CommandContext): void {
  program
    .command("status")
    .summary("show what the cluster can do now, and every node's role")
    .description(
      "Opens with a verdict: HEALTHY, DEGRADED, WRITES ONLY (a leader still writes, and no node " +
        "could succeed it), NO QUORUM or KEY LOST. What a cluster tolerates by design: floe group. " +
        "Without --endpoints it asks the members of today, whatever cluster.json has. " +
        "Exit code 5: no node answered.",
    )
    .option(
      "--check",
      "exit with 8 unless the cluster is healthy, with 9 if it can elect no leader",
    )
    .option("--watch", "show it again every second, until Ctrl-C")
    .action(async (options: StatusFlags, command: Program) => {
      const { client, flags, ofMembers } = await openClient(command, context);
      const show = async () => {
        const report = await ask(ofMembers(await readMembers(client)) ?? client);
        warnOfOtherClusters(report.views, context.stderr);
        if (flags.output === "json") printJson(context.stdout, jsonOf(report));
        else printReport(context.stdout, report, options.watch === true);
        return report.verdict;
      };
      const verdict = await show();
      if (options.watch === true) await showAgain(show, context);
      if (options.check === true) check(verdict);
    });
}

interface StatusFlags {
  readonly check?: true;
  readonly watch?: true;
}

/** How often the status is shown again. */
const WATCH_INTERVAL_MS = 1_000;

async function showAgain(show: () => Promise<unknown>, context: CommandContext): Promise<void> {
  const stop = context.stopSignal();
  const clock = context.clock ?? systemClock;
  while (!stop.aborted) {
    await Promise.race([clock.delay(WATCH_INTERVAL_MS), aborted(stop)]);
    if (!stop.aborted) await show();
  }
}

const CHECK_CODES: Readonly<Record<Health, ExitCode>> = {
  healthy: ExitCode.ok,
  degraded: ExitCode.impaired,
  writesOnly: ExitCode.impaired,
  noQuorum: ExitCode.noQuorum,
  keyLost: ExitCode.noQuorum,
};

function check({ health, words }: Verdict): void {
  const code = CHECK_CODES[health];
  if (code !== ExitCode.ok) throw new CommandError(code, `${HEALTH_NAMES[health]}: ${words}`);
}

/** Why a node has no figures in its row, in one or two words. */
type Absence = "no access" | "no key yet" | "share lost" | "down" | "not reached";

/** One node: its own answer, or what its peers see of it. */
interface NodeRow {
  readonly id: string;
  readonly api: string | null;
  readonly body: StatusBody | null;
  /** Null for a node that answered. */
  readonly absence: Absence | null;
  /** Why it did not answer, as the client tells. */
  readonly error: string | null;
}

interface Report {
  readonly views: readonly View<StatusBody>[];
  readonly first: StatusBody;
  readonly leader: string | null;
  readonly term: number;
  readonly rows: readonly NodeRow[];
  readonly verdict: Verdict;
}

/** Asks every node everything at the same time. @throws {ClientError} when none tells its status. */
async function ask(client: ApiClient): Promise<Report> {
  const [statuses, groups, generations] = await Promise.all(
    ["/v1/status", "/v1/group", "/v1/dkg"].map((path) => client.askAll({ method: "GET", path })),
  );
  const results = statuses ?? [];
  const views = results.map((result) => toView(result, (answer) => bodyOf(answer, statusSchema)));
  const first = views.find(({ body }) => body !== null)?.body;
  if (!first) throw client.unreachable(results);
  const phases = (generations ?? []).map((result) =>
    toView(result, (answer) => bodyOf(answer, dkgSchema)).body
  );
  const group = (groups ?? [])
    .map((result) => toView(result, (answer) => bodyOf(answer, groupSchema)).body)
    .find((body) => body?.cluster === first.cluster);
  const asked = views.map((view, at): NodeRow => {
    const { endpoint, body, error } = view;
    const result = results[at];
    const isRefused = result?.kind === "failure" && result.failure.kind === "notAllowed";
    const phase = phases[at]?.phase;
    const absence = body !== null
      ? null
      : isRefused
      ? "no access"
      : phase === "shareLost"
      ? "share lost"
      : phase !== undefined
      ? "no key yet"
      : "down";
    const id = body?.id ?? phases[at]?.id ?? endpoint.id ?? "-";
    return { id, api: endpoint.label, body, absence, error };
  });
  const voters = group?.voters.map(({ id }) => id) ?? asked.map(({ id }) => id);
  return judge({ views, first, asked, voters });
}

function judge(
  { views, first, asked, voters }: Pick<Report, "views" | "first"> & {
    readonly asked: readonly NodeRow[];
    readonly voters: readonly string[];
  },
): Report {
  const bodies = asked.flatMap(({ body }) => body === null ? [] : [body]);
  const term = Math.max(...bodies.map((body) => body.term));
  const leader = bodies.find((body) => body.term === term && body.leader !== null)?.leader ?? null;
  const seen = new Set(
    bodies.flatMap(({ peers }) => peers.filter(({ connected }) => connected).map(({ id }) => id)),
  );
  const others = voters.filter((id) => !asked.some((row) => row.id === id)).map((id): NodeRow => ({
    id,
    api: null,
    body: null,
    absence: "down",
    error: null,
  }));
  const rows = [...asked, ...others].map((row): NodeRow =>
    row.absence === "down" && seen.has(row.id) ? { ...row, absence: "not reached" } : row
  );
  const verdict = judgeCluster({
    threshold: first.threshold,
    leader,
    voters: voters.map((id) => {
      const row = rows.find((other) => other.id === id);
      return {
        id,
        isUp: row !== undefined && isPresent(row),
        isShareLost: row?.absence === "share lost",
        trouble: row?.body?.trouble ?? null,
      };
    }),
  });
  return { views, first, leader, term, rows, verdict };
}

/** Whether a node takes part, as far as any answer shows. */
function isPresent({ absence }: NodeRow): boolean {
  return absence === null || absence === "no access" || absence === "not reached";
}

/** Warns of nodes of different clusters: a mistake in `--endpoints` that the table would hide. */
function warnOfOtherClusters(views: Report["views"], stderr: OutputStream): void {
  const clusters = new Set(views.flatMap(({ body }) => body === null ? [] : [body.cluster]));
  if (clusters.size < 2) return;
  const names = [...clusters].map((name) => printable(name)).join(", ");
  stderr.write(`floe: these nodes are of different clusters: ${names}\n`);
}

function jsonOf({ views, first, leader, verdict, rows }: Report): unknown {
  const { cluster, epoch, threshold, n } = first;
  const quorum = { n, threshold };
  return {
    ...verdict,
    leader,
    cluster,
    epoch,
    ...quorum,
    margins: marginsOf(quorum),
    warnings: marginWarnings(quorum),
    twoLeadersSeenBy: rows.filter(hasSeenTwo).map(({ id }) => id),
    nodes: views.map((view, at) => ({ ...toViewJson(view), absence: rows[at]?.absence ?? null })),
  };
}

/** Clears a terminal (ECMA-48 §8.3.39 and §8.3.21). */
const CLEAR = "\x1b[2J\x1b[H";

function printReport(stdout: OutputStream, report: Report, isRedrawn: boolean): void {
  const { first: { cluster, epoch, threshold, n }, leader, term, rows, verdict } = report;
  const led = leader === null ? "nobody leads" : `${printable(leader)} leads term ${term}`;
  stdout.write(
    `${isRedrawn && stdout.isTerminal ? CLEAR : ""}` +
      `${verdictLines(verdict, stdout).join("\n")}\n` +
      `cluster ${printable(cluster)}, epoch ${epoch}: ${threshold} of ${n} voters sign; ${led}\n\n`,
  );
  for (const line of twoLeadersLines(rows)) stdout.write(`${line}\n\n`);
  const header = ["NODE", "ROLE", "TERM", "COMMIT", "APPLIED", "API", ""];
  printTable(stdout, header, rows.map((row) => cellsOf(row, report)));
  const failed = rows.filter(({ absence, error }) => absence !== null && error !== null);
  if (failed.length > 0) stdout.write("\n");
  for (const [error, nodes] of Map.groupBy(failed, (row) => row.error)) {
    const places = nodes.map(({ id, api }) => `${id} at ${api}`).join(", ");
    stdout.write(`${printable(`${places}: ${error}`)}\n`);
  }
}

/** One line for programs; at a terminal, lines of whole words. */
function verdictLines({ health, words }: Verdict, { isTerminal }: OutputStream): readonly string[] {
  const name = `${HEALTH_NAMES[health]}  `;
  if (!isTerminal) return [name + printable(words)];
  const indent = " ".repeat(name.length);
  return wrap(printable(words), TEXT_WIDTH - name.length)
    .map((line, at) => (at === 0 ? name : indent) + line);
}

/** The warning of two leaders, which no cluster should ever need. */
function twoLeadersLines(rows: readonly NodeRow[]): readonly string[] {
  const witnesses = rows.filter(hasSeenTwo).map(({ id }) => printable(id));
  if (witnesses.length === 0) return [];
  return [
    `TWO LEADERS  The group key signed two leaders of one term, as ${
      witnesses.join(", ")
    } has seen: ` +
    "more voters lied than this cluster withstands. floe audit export has the proof.",
  ];
}

/** Nodes keep such certificates for ever, and count them from the start. */
function hasSeenTwo({ body }: NodeRow): boolean {
  return (body?.counters["certificate.second"] ?? 0) > 0;
}

/** A node's own answer; for a node without one, what the leader knows of it. */
function cellsOf({ id, api, body, absence }: NodeRow, report: Report): readonly Cell[] {
  if (body === null) {
    const isSeen = absence === "no access" || absence === "not reached";
    const role = isSeen && id === report.leader ? "leader" : null;
    return [id, role, null, isSeen ? matchIndexOf(id, report) : null, null, api, absence];
  }
  const { role, term, commitIndex, appliedIndex, trouble } = body;
  const note = trouble === null ? "" : "in trouble";
  return [
    id,
    role === "preCandidate" ? "pre-candidate" : role,
    term,
    commitIndex,
    appliedIndex,
    api,
    note,
  ];
}

/** How much of a node's log is known to be committed there, as far as the leader says. */
function matchIndexOf(id: string, { rows, leader }: Report): number | null {
  const body = rows.find((row) => row.id === leader)?.body;
  const matchIndex = body?.peers.find((peer) => peer.id === id)?.matchIndex ?? null;
  return matchIndex === null
    ? null
    : Math.min(matchIndex, assertDefined(body, "It leads").commitIndex);
}
