/**
 * What a run of chaos found, for people and for programs.
 *
 * @module
 */

import type { Growth } from "./growth.ts";
import type { Exchange } from "./history.ts";
import type { NodeEvents } from "./node_events.ts";
import type { Usage } from "./resources.ts";

/** How many requests of one kind ended how. */
export interface Outcomes {
  /** Acknowledged, or answered; for a compare-and-set also when its condition did not hold. */
  readonly ok: number;
  /** Without effect for certain. */
  readonly failed: number;
  /** Nobody knows. */
  readonly unknown: number;
}

/** What a run found. */
export interface ChaosReport {
  /** What the schedule was drawn from. */
  readonly seed: number;
  /** How long things were broken. */
  readonly seconds: number;
  /** How many members there were in the end. */
  readonly nodes: number;
  /** What was done how often. */
  readonly faults: Readonly<Record<string, number>>;
  /** How the members were changed how often, and how those changes ended that were not completed. */
  readonly changes: Readonly<Record<string, number>>;
  /** How many terms had a leader; each of them proved. */
  readonly elections: number;
  /** The last of these terms. */
  readonly lastTerm: number;
  /** What clients saw, by kind of request. */
  readonly requests: Readonly<Record<"get" | "put" | "delete" | "swap", Outcomes>>;
  /** The longest time in which no request of any client was answered. */
  readonly unavailableMsMax: number;
  /** What the nodes' logs tell, once they have stopped. */
  readonly events: NodeEvents | null;
  /** The most that any node's process held at the start, where the system says so. */
  readonly start: Usage | null;
  /** The most that any held at any time. */
  readonly most: Usage;
  /** What a process held that lived on, early and late; null where none lived long enough. */
  readonly growth: Growth | null;
  /** What could not be done on this machine. */
  readonly skipped: readonly string[];
  /** What must not be, and was. */
  readonly violations: readonly string[];
  /** Where the nodes' logs and databases are, where they were kept. */
  readonly kept: string | null;
}

/** Counts how requests ended. */
export function countRequests(exchanges: readonly Exchange[]): ChaosReport["requests"] {
  const none = () => ({ ok: 0, failed: 0, unknown: 0 });
  const counts = { get: none(), put: none(), delete: none(), swap: none() };
  for (const { request, ending } of exchanges) {
    const isOpen = ending.kind === "failed" || ending.kind === "unknown";
    counts[request.kind][isOpen ? ending.kind : "ok"]++;
  }
  return counts;
}

/** The longest time without an answer between `fromMs` and `toMs`. */
export function longestSilenceMs(
  exchanges: readonly Exchange[],
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): number {
  const answered = exchanges
    .filter(({ ending }) => ending.kind !== "failed" && ending.kind !== "unknown")
    .map(({ returnedMs }) => returnedMs)
    .filter((returnedMs) => returnedMs > fromMs && returnedMs < toMs)
    .sort((left, right) => left - right);
  let longestMs = 0;
  let lastMs = fromMs;
  for (const atMs of [...answered, toMs]) {
    longestMs = Math.max(longestMs, atMs - lastMs);
    lastMs = atMs;
  }
  return Math.round(longestMs);
}

/** The report for people; a program reads the object itself. */
export function formatReport(report: ChaosReport): string {
  const { faults, changes, requests, events, start, most, growth, skipped, violations } = report;
  const lines = [
    `Chaos: ${report.seconds} s, seed ${report.seed}; ${report.nodes} members in the end`,
    "",
    "Done to it",
    ...Object.entries(faults).sort().map(formatCount),
    "",
    "Changes of the members",
    ...Object.entries(changes).sort().map(formatCount),
    "",
    "Told by the nodes' logs",
    ...Object.entries(events ?? {}).map(formatCount),
    "",
    "Seen by clients       ok   failed  unknown",
    ...Object.entries(requests).map(([kind, { ok, failed, unknown }]) =>
      `  ${kind.padEnd(12)} ${pad(ok)} ${pad(failed)} ${pad(unknown)}`
    ),
    "",
    `Elections             ${report.elections}, the last in term ${report.lastTerm}; each certificate verified`,
    `Longest silence       ${report.unavailableMsMax} ms without an answer to anyone`,
    `Most memory           ${formatUsage(most, start, ({ rssBytes }) => `${toMiB(rssBytes)} MiB`)}`,
    `Most descriptors      ${formatUsage(most, start, ({ fds }) => String(fds))}`,
    ...(growth === null ? [] : [formatGrowth(growth)]),
    ...skipped.map((what) => `Skipped               ${what}`),
    "",
    ...(violations.length === 0
      ? ["Nothing acknowledged was lost, every history is linearizable, all nodes agree."]
      : [`${violations.length} VIOLATIONS`, ...violations]),
  ];
  if (report.kept !== null) lines.push("", `Logs and databases are kept in ${report.kept}`);
  return lines.join("\n");
}

function formatCount([name, count]: readonly [string, number]): string {
  return `  ${count.toString().padStart(5)}  ${name}`;
}

function formatUsage(
  most: Usage,
  start: Usage | null,
  format: (usage: Usage) => string,
): string {
  return start === null
    ? "not known on this system"
    : `${format(most)} in one process, ${format(start)} at the start`;
}

function formatGrowth({ samples, early, late }: Growth): string {
  const show = ({ rssBytes, fds }: Usage) => `${toMiB(rssBytes)} MiB and ${fds} descriptors`;
  return `A process that lived on  ${show(early)} early, ${show(late)} at the end ` +
    `(${samples} samples under one load)`;
}

function toMiB(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}

function pad(count: number): string {
  return count.toString().padStart(8);
}
