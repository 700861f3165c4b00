/**
 * `deno task bench put`: three nodes, 64 clients, 256-byte values, every write fsynced by a majority
 * before it is acknowledged, at the leader, through a follower and over all nodes; 1 client alone, and 1,000
 * puts a second. Also what a node costs when nobody asks it anything.
 *
 * @module
 */

import { assertDefined } from "../lib/assert.ts";
import { findPeer } from "../lib/config/cluster_config.ts";
import type { NodeId } from "../lib/types.ts";
import { TestCluster } from "../tests/e2e/harness/test_cluster.ts";
import { HttpClient } from "./support/http_client.ts";
import { quantile } from "./support/statistics.ts";

const NODES = 3;
const CLIENTS = 64;
const VALUE = new Uint8Array(256).fill(0x61);
const KEYS_PER_CLIENT = 100;
const SECONDS = 5;
const ROUNDS = 3;
/** Puts a second at the fixed rate. */
const RATE = 1_000;

interface Load {
  readonly putsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
}

const startedMs = performance.now();
await using cluster = new TestCluster({ nodes: NODES, logLevel: "info" });
await Promise.all(cluster.ids.map((id) => started(id)));
const startMs = Math.round(performance.now() - startedMs);
const leader = await cluster.leader();
const idleMiB = Math.max(...cluster.ids.map(residentMiB));

const toLeader = await measure(() => leader.id);
const spread = await measure((client) => cluster.ids[client % NODES] ?? leader.id);
const follower = assertDefined(cluster.ids.find((id) => id !== leader.id), "There is a follower");
const throughFollower = await measure(() => follower);
const alone = await load(1, () => leader.id);
const atFixedRate = await load(CLIENTS, () => leader.id, 1000 * CLIENTS / RATE);

console.table({
  "64 clients at the leader": toLeader,
  "64 clients over all nodes": spread,
  "64 clients through a follower": throughFollower,
  "1 client at the leader": alone,
  [`${RATE} a second at the leader`]: atFixedRate,
});
console.log(`idle node ${idleMiB} MiB, ${NODES} nodes serving after ${startMs} ms`);
console.log(JSON.stringify({
  ...{ bench: "put", toLeader, spread, throughFollower, alone, atFixedRate },
  ...{ idleMiB, startMs },
}));

/** The median round of several. */
async function measure(nodeOf: (client: number) => NodeId): Promise<Load> {
  const rounds: Load[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await load(CLIENTS, nodeOf));
  rounds.sort((left, right) => left.putsPerSecond - right.putsPerSecond);
  return rounds[Math.floor(ROUNDS / 2)] ?? rounds[0] ?? Promise.reject(new Error("no round"));
}

/**
 * Puts from each client for {@linkcode SECONDS}: without a pause, or one in every `everyMs`, whose time counts
 * from when it was due.
 */
async function load(
  clients: number,
  nodeOf: (client: number) => NodeId,
  everyMs = 0,
): Promise<Load> {
  const latenciesMs: number[] = [];
  let failed = 0;
  const fromMs = performance.now();
  const untilMs = fromMs + SECONDS * 1000;
  await Promise.all(Array.from({ length: clients }, async (_, client) => {
    using http = await HttpClient.connect(findPeer(cluster.config, nodeOf(client)).api);
    for (let count = 0; performance.now() < untilMs; count++) {
      const dueMs = fromMs + everyMs * (count + client / clients);
      const earlyMs = dueMs - performance.now();
      if (everyMs > 0 && earlyMs > 0) await new Promise((resolve) => setTimeout(resolve, earlyMs));
      const sentMs = everyMs > 0 ? dueMs : performance.now();
      const status = await http.put(`k${client}-${count % KEYS_PER_CLIENT}`, VALUE);
      if (status === 200) latenciesMs.push(performance.now() - sentMs);
      else failed++;
    }
  }));
  return {
    putsPerSecond: Math.round(latenciesMs.length / SECONDS),
    p50Ms: Math.round(quantile(latenciesMs, 0.5) * 100) / 100,
    p99Ms: Math.round(quantile(latenciesMs, 0.99) * 100) / 100,
    failed,
  };
}

async function started(id: NodeId): Promise<void> {
  await cluster.process(id).said.waitFor("that it serves", ({ event }) => event === "started");
}

/** The resident set of a node's process. */
function residentMiB(id: NodeId): number {
  const args = ["-o", "rss=", "-p", String(cluster.process(id).pid)];
  const { stdout } = new Deno.Command("ps", { args }).outputSync();
  return Math.round(Number(new TextDecoder().decode(stdout)) / 1024);
}
