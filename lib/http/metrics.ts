/**
 * `/metrics`: figures for a monitoring system, in Prometheus' text format (version 0.0.4). A figure that means the
 * same as one of etcd's has etcd's name, with `floe_` instead of `etcd_`.
 *
 * @module
 */

import process from "node:process";
import type { HistogramCounts } from "../histogram.ts";
import type { MembersStatus, NodeApi, NodeFigures, NodeStatus } from "../node/mod.ts";
import type { NodeId } from "../types.ts";
import type { ApiCounters } from "./connections.ts";
import { readQuery } from "./parameters.ts";
import type { RouteCounts } from "./route_counts.ts";
import { addRoute, needs, type Router } from "./route.ts";

const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** A figure, perhaps one of several that differ in a label. */
interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All figures of one name. */
interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly samples: readonly Sample[];
}

export function addMetricsRoute(router: Router, node: NodeApi): void {
  addRoute(router, "/metrics", {
    GET: needs("status", (context) => {
      readQuery(context.req.url, []);
      const text = renderMetrics(node, router.authorizer.counters);
      return new Response(text, { headers: { "content-type": CONTENT_TYPE } });
    }),
  });
}

/** All figures of a node; `apiCounters` are those of its API. */
function renderMetrics(
  node: NodeApi,
  apiCounters: ApiCounters,
): string {
  const status = node.status();
  const { timings, ...figures } = node.figures();
  const families = [
    ...serverFamilies(status),
    ...memberFamilies(node.members(), status.id),
    ...peerFamilies(status),
    ...processFamilies(status),
    ...Object.entries({ ...status.counters, ...apiCounters.counts }).map(counterFamily),
    ...storeFamilies(figures),
    requestFamily(apiCounters.byRoute),
  ];
  const histograms = Object.entries(timings).map(([name, counted]) =>
    renderHistogram(`floe_${snakeCase(name)}_duration_seconds`, counted)
  );
  return [...families.map(renderFamily), ...histograms].join("");
}

function serverFamilies(status: NodeStatus): readonly Family[] {
  const { role, leader, id, term, commitIndex, appliedIndex, leaderCommitIndex } = status;
  const behind = Math.max(0, (leaderCommitIndex ?? commitIndex) - appliedIndex);
  return [
    gauge("floe_server_has_leader", "Whether this node knows a leader.", leader === null ? 0 : 1),
    gauge("floe_server_is_leader", "Whether this node leads.", role === "leader" ? 1 : 0),
    gauge("floe_raft_term", "The current term.", term),
    counter("floe_server_proposals_committed_total", "The highest committed index.", commitIndex),
    counter("floe_server_proposals_applied_total", "The highest applied index.", appliedIndex),
    gauge("floe_raft_last_log_index", "The index of the last entry.", status.lastLogIndex),
    gauge("floe_server_entries_behind", "Committed entries that are not applied here.", behind),
    gauge("floe_mvcc_current_revision", "The store's revision.", status.revision),
    gauge("floe_mvcc_compact_revision", "History begins here.", status.compactedRevision),
    gauge(
      "floe_server_trouble",
      `Whether ${id} has a trouble of its own.`,
      status.trouble === null ? 0 : 1,
    ),
  ];
}

function memberFamilies(
  { epoch, threshold, members, change }: MembersStatus,
  self: NodeId,
): readonly Family[] {
  const count = (wanted: string) => members.filter(({ role }) => role === wanted).length;
  const isLearner = members.some(({ id, role }) => id === self && role === "learner");
  return [
    gauge("floe_server_is_learner", "Whether this node only replicates.", isLearner ? 1 : 0),
    gauge("floe_members_epoch", "The dealing of shares in force.", epoch),
    gauge("floe_members_threshold", "How many voters must sign.", threshold),
    {
      name: "floe_members",
      help: "Members by role.",
      type: "gauge",
      samples: ["voter", "learner"].map((role) => ({ labels: { role }, value: count(role) })),
    },
    gauge("floe_members_changing", "Whether the members are changing.", change === null ? 0 : 1),
  ];
}

function peerFamilies({ peers, lastLogIndex }: NodeStatus): readonly Family[] {
  const followers = peers.flatMap(({ id, matchIndex }) =>
    matchIndex === null ? [] : [{ labels: { peer: id }, value: lastLogIndex - matchIndex }]
  );
  return [
    {
      name: "floe_network_peer_connected",
      help: "Whether this node's connection to a peer is up.",
      type: "gauge",
      samples: peers.map(({ id, connected }) => ({
        labels: { peer: id },
        value: connected ? 1 : 0,
      })),
    },
    {
      name: "floe_peer_entries_behind",
      help: "On a leader: entries of its log that are not known to be durable on a follower.",
      type: "gauge",
      samples: followers,
    },
  ];
}

function storeFamilies(
  { watchers, leases, spareNonces, signingFailures }: Omit<NodeFigures, "timings">,
): readonly Family[] {
  return [
    gauge("floe_mvcc_watchers", "Watches that are open at this node.", watchers),
    gauge("floe_leases", "Leases that there are.", leases),
    gauge("floe_signing_nonces_ready", "Nonces drawn for the next elections.", spareNonces),
    {
      name: "floe_signing_failures_total",
      help: "Shares that were missing from a signature in this node's elections.",
      type: "counter",
      samples: signingFailures.map(({ peer, reason, count }) => ({
        labels: { peer, reason },
        value: count,
      })),
    },
  ];
}

function requestFamily(counts: RouteCounts): Family {
  return {
    name: "floe_http_requests_total",
    help: "Answers to requests, by route and status.",
    type: "counter",
    samples: counts.all.map(({ method, route, status, count }) => ({
      labels: { method, route, code: String(status) },
      value: count,
    })),
  };
}

function processFamilies({ uptimeMs }: NodeStatus): readonly Family[] {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, heapTotal, external } = Deno.memoryUsage();
  const startedSeconds = (Date.now() - uptimeMs) / 1_000;
  return [
    counter("process_cpu_seconds_total", "Processor time, of all threads.", (user + system) / 1e6),
    gauge("process_resident_memory_bytes", "Memory.", rss),
    gauge("floe_heap_used_bytes", "Memory of JavaScript's objects.", heapUsed),
    gauge("floe_heap_total_bytes", "Memory that is set aside for them.", heapTotal),
    gauge("floe_external_bytes", "Memory of byte arrays, outside of the heap.", external),
    gauge("process_start_time_seconds", "When the node started, since 1970.", startedSeconds),
  ];
}

function counterFamily([name, value]: [name: string, value: number]): Family {
  const help = `Counted as ${name} in the status, since the start.`;
  return counter(`floe_${snakeCase(name)}_total`, help, value);
}

function counter(name: string, help: string, value: number): Family {
  return { name, help, type: "counter", samples: [{ value }] };
}

function gauge(name: string, help: string, value: number): Family {
  return { name, help, type: "gauge", samples: [{ value }] };
}

/** `election.won` is `election_won`. */
function snakeCase(name: string): string {
  return name.replaceAll(/[^a-z0-9_]/g, "_");
}

function renderFamily({ name, help, type, samples }: Family): string {
  if (samples.length === 0) return "";
  const lines = samples.map(({ labels = {}, value }) =>
    `${name}${renderLabels(labels)} ${value}\n`
  );
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function renderLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/** Names of nodes need no escapes; patterns of routes can need them. */
function escapeLabel(value: string): string {
  return value.replaceAll(/["\\]/g, "\\$&").replaceAll("\n", "\\n");
}

/** Prometheus' buckets are cumulative. */
function renderHistogram(name: string, { bounds, counts, sum }: HistogramCounts): string {
  let total = 0;
  const buckets = counts.map((count, at) => {
    total += count;
    const bound = bounds[at];
    return `${name}_bucket{le="${bound === undefined ? "+Inf" : bound}"} ${total}\n`;
  });
  return `# HELP ${name} How long it took.\n# TYPE ${name} histogram\n${buckets.join("")}` +
    `${name}_sum ${sum}\n${name}_count ${total}\n`;
}
