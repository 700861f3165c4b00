/**
 * `deno task bench million [KEYS]`: three nodes that hold a million keys with values of 256 bytes: how long it
 * takes to write them, memory a node, from a start to serving, a node that lost its store and gets a snapshot
 * while clients write, and how long loops stand still while somebody lists, counts and watches everything.
 *
 * @module
 */

import { assertDefined } from "../lib/assert.ts";
import { findPeer, formatAddress } from "../lib/config/mod.ts";
import type { NodeId } from "../lib/types.ts";
import { KEY_VALUE_FILE } from "../lib/storage/mod.ts";
import { TestCluster } from "../tests/e2e/harness/test_cluster.ts";
import { HttpClient } from "./support/http_client.ts";
import { IdleThread } from "./support/loop_pauses.ts";
import { summarize } from "./support/statistics.ts";

const KEYS = Number(Deno.args[1] ?? 1_000_000);
const KEYS_PER_TRANSACTION = 128;
const FILLERS = 8;
const SETTLED_MS = 3_000;
const WRITERS = 16;
const VALUE = "x".repeat(256);
const SMALL_VALUE = new Uint8Array(256).fill(0x61);
const SNAPSHOT_TIMEOUT_MS = 10 * 60 * 1000;
const MIB = 1024 * 1024;
/** So that the log does not reach back: a node that lost its store needs a snapshot. Takes 50,000 keys or more. */
const LOG = { entriesMax: 10_000, bytesMax: 8 * 1024 * 1024 };

const figures: Record<string, unknown> = { bench: "million", keys: KEYS };
await using cluster = new TestCluster({
  nodes: 3,
  logLevel: "info",
  log: LOG,
  main: new URL("./support/watched_node.ts", import.meta.url).pathname,
});
const leader = await cluster.leader();
const { api } = findPeer(cluster.config, leader.id);
const base = `http://${formatAddress(api)}`;
const victim = assertDefined(cluster.ids.find((id) => id !== leader.id), "There is a follower");
using idle = new IdleThread();

await timed("secondsToFill", fill);
// What filling has left behind is not the reading's.
await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
figures["MiBANode"] = Math.max(...await Promise.all(cluster.ids.map(residentMiB)));
await pausesOf("count", () => read("/v1/kv?prefix=k&countOnly=true"));
await pausesOf("list", () => read("/v1/kv?prefix=k"));
await pausesOf("keysOnly", () => read("/v1/kv?prefix=k&keysOnly=true"));
await timed("secondsToServe", restart);
await pausesOf("snapshot", () => timed("secondsToCatchUp", catchUp));
const { term } = await cluster.leader();
figures["leaderChanges"] = term - leader.term;
console.table(figures);
console.log(JSON.stringify(figures));

async function timed(name: string, work: () => Promise<void>): Promise<void> {
  const startMs = performance.now();
  await work();
  figures[name] = Math.round((performance.now() - startMs) / 100) / 10;
}

/**
 * Does something, and notes how long a loop stood still at most, and a thread that does nothing. The first second of
 * a process that starts meanwhile does not count: it loads its code, and serves nobody.
 */
async function pausesOf(name: string, work: () => Promise<void>): Promise<void> {
  const before = new Map(cluster.ids.map((id) => [cluster.process(id), lengthOf(id)]));
  idle.takeLongestMs();
  await work();
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  const pauses = cluster.ids.flatMap((id) => {
    const { events } = cluster.process(id).said;
    const started = events.findIndex(({ event }) => event === "started");
    const first = events.findIndex(({ event }, at) => event === "loop.pause" && at > started);
    return events.slice(before.get(cluster.process(id)) ?? first + 1)
      .filter(({ event }) => event === "loop.pause")
      .map(({ longestMs }) => Number(longestMs));
  });
  figures[`pauseMs ${name}`] = Math.round(Math.max(...pauses) * 10) / 10;
  figures[`pauseMs ${name}, of an idle thread`] = Math.round(idle.takeLongestMs() * 10) / 10;
}

function lengthOf(id: NodeId): number {
  return cluster.process(id).said.length;
}

async function fill(): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: FILLERS }, async () => {
    for (;;) {
      const start = next;
      next += KEYS_PER_TRANSACTION;
      if (start >= KEYS) return;
      const length = Math.min(KEYS_PER_TRANSACTION, KEYS - start);
      const then = Array.from({ length }, (_, at) => ({
        put: { key: `k${String(start + at).padStart(8, "0")}`, value: VALUE },
      }));
      while (!await write(JSON.stringify({ then }))) {
        // The node was busy, or had no leader for a moment.
      }
    }
  }));
}

/** Whether a transaction was taken; it may be sent again. */
async function write(body: string): Promise<boolean> {
  const answer = await fetch(`${base}/v1/txn`, { method: "POST", body });
  await answer.body?.cancel();
  if (answer.ok) return true;
  if (answer.status >= 500) return false;
  throw new Error(`A transaction was answered with ${answer.status}`);
}

async function read(path: string): Promise<void> {
  const answer = await fetch(base + path);
  for await (const _ of assertDefined(answer.body, "A body")) {
    // Only that it comes counts.
  }
}

async function restart(): Promise<void> {
  await cluster.process(victim).end("SIGTERM");
  const { said } = cluster.start(victim);
  await said.waitFor("that it serves", ({ event }) => event === "started", {
    timeoutMs: SNAPSHOT_TIMEOUT_MS,
  });
}

/** A follower loses its store, and gets it back by a snapshot while clients write. */
async function catchUp(): Promise<void> {
  await cluster.process(victim).end("SIGKILL");
  for (const { name } of Deno.readDirSync(cluster.dataDir(victim))) {
    if (name.startsWith(KEY_VALUE_FILE)) Deno.removeSync(`${cluster.dataDir(victim)}/${name}`);
  }
  const over = new AbortController();
  const latenciesMs: number[] = [];
  const writing = Promise.all(Array.from({ length: WRITERS }, async (_, writer) => {
    using http = await HttpClient.connect(api);
    for (let count = 0; !over.signal.aborted; count++) {
      const sentMs = performance.now();
      if (await http.put(`w${writer}-${count % 100}`, SMALL_VALUE) === 200) {
        latenciesMs.push(performance.now() - sentMs);
      }
    }
  }));
  const { said } = cluster.start(victim);
  await said.waitFor("a snapshot", ({ event }) => event === "snapshot.installed", {
    timeoutMs: SNAPSHOT_TIMEOUT_MS,
  });
  over.abort();
  await writing;
  figures["putsMeanwhileMs"] = summarize(latenciesMs);
}

async function residentMiB(id: NodeId): Promise<number> {
  const args = ["-o", "rss=", "-p", String(cluster.process(id).pid)];
  const { stdout } = await new Deno.Command("ps", { args }).output();
  return Math.round(Number(new TextDecoder().decode(stdout)) * 1024 / MIB);
}
