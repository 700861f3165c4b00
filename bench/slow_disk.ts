/**
 * `deno task bench slow_disk`: three nodes whose every sync takes 20 ms longer, while 64 clients write:
 * how long the loop of a node stands still at most, and how long reads wait. Beside that, how long a thread
 * stood still that does nothing: on a busy machine that is most of it. The first seconds count apart, because
 * all code is cold in them.
 *
 * @module
 */

import { findPeer, formatAddress } from "../lib/config/mod.ts";
import { TestCluster } from "../tests/e2e/harness/test_cluster.ts";
import { HttpClient } from "./support/http_client.ts";
import { IdleThread } from "./support/loop_pauses.ts";
import { summarize } from "./support/statistics.ts";

const CLIENTS = 64;
const VALUE = new Uint8Array(256).fill(0x61);
const SECONDS = 10;
/** So many of them are the first ones. */
const COLD_SECONDS = 3;

const main = new URL("./support/slow_disk_node.ts", import.meta.url).pathname;
await using cluster = new TestCluster({ nodes: 3, logLevel: "info", main });
const leader = await cluster.leader();
const { api } = findPeer(cluster.config, leader.id);
const untilMs = performance.now() + SECONDS * 1000;
using idle = new IdleThread();
const [putsMs, getsMs] = await Promise.all([writeALot(), readNowAndThen()]);
const pausesMs = await Promise.all(cluster.ids.map(async (id) => {
  const { said } = cluster.process(id);
  await said.waitFor("the last second", ({ event }) => event === "loop.pause");
  const pauses = said.events.filter(({ event }) => event === "loop.pause");
  return pauses.slice(-SECONDS).map(({ longestMs }) => Number(longestMs));
}));
const cold = pausesMs.flatMap((ofNode) => ofNode.slice(0, COLD_SECONDS));
const warm = pausesMs.flatMap((ofNode) => ofNode.slice(COLD_SECONDS));
const { term } = await cluster.leader();
const figures = {
  bench: "slow_disk",
  puts: summarize(putsMs),
  gets: summarize(getsMs),
  longestColdPauseMs: longest(cold),
  longestPauseMs: longest(warm),
  longestPauseOfAnIdleThreadMs: longest([idle.takeLongestMs()]),
  leaderChanges: term - leader.term,
};
console.table({
  "64 clients put, ms": figures.puts,
  "meanwhile a linearizable get, ms": figures.gets,
});
console.log(JSON.stringify(figures));

function longest(pausesMs: readonly number[]): number {
  return Math.round(Math.max(...pausesMs) * 10) / 10;
}

/** Puts without a pause from each client. */
async function writeALot(): Promise<readonly number[]> {
  const latenciesMs: number[] = [];
  await Promise.all(Array.from({ length: CLIENTS }, async (_, client) => {
    using http = await HttpClient.connect(api);
    for (let count = 0; performance.now() < untilMs; count++) {
      const sentMs = performance.now();
      const status = await http.put(`k${client}-${count % 100}`, VALUE);
      if (status === 200) latenciesMs.push(performance.now() - sentMs);
    }
  }));
  return latenciesMs;
}

/** A linearizable read every few milliseconds: of no disk, so that it waits for none. */
async function readNowAndThen(): Promise<readonly number[]> {
  const latenciesMs: number[] = [];
  while (performance.now() < untilMs) {
    const sentMs = performance.now();
    const answer = await fetch(`http://${formatAddress(api)}/v1/kv/k0-0`);
    await answer.body?.cancel();
    latenciesMs.push(performance.now() - sentMs);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return latenciesMs;
}
