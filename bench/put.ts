/**
 * `deno task bench put`: three nodes, 64 clients, 256-byte values, every write fsynced by a majority
 * before it is acknowledged. Also what a node costs when nobody asks it anything.
 *
 * @module
 */

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
const alone = await load(1, () => leader.id);

console.table({
  "64 clients at the leader": toLeader,
  "64 clients over all nodes": spread,
  "1 client at the leader": alone,
});
console.log(`idle node ${idleMiB} MiB, ${NODES} nodes serving after ${startMs} ms`);
console.log(JSON.stringify({ bench: "put", toLeader, spread, alone, idleMiB, startMs }));

/** The median round of several. */
async function measure(nodeOf: (client: number) => NodeId): Promise<Load> {
  const rounds: Load[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await load(CLIENTS, nodeOf));
  rounds.sort((left, right) => left.putsPerSecond - right.putsPerSecond);
  return rounds[Math.floor(ROUNDS / 2)] ?? rounds[0] ?? Promise.reject(new Error("no round"));
}

/** Puts without a pause from each client, for {@linkcode SECONDS}. */
async function load(clients: number, nodeOf: (client: number) => NodeId): Promise<Load> {
  const latenciesMs: number[] = [];
  let failed = 0;
  const untilMs = performance.now() + SECONDS * 1000;
  await Promise.all(Array.from({ length: clients }, async (_, client) => {
    using http = await HttpClient.connect(findPeer(cluster.config, nodeOf(client)).api);
    for (let count = 0; performance.now() < untilMs; count++) {
      const sentMs = performance.now();
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
