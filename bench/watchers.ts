/**
 * `deno task bench watchers [WATCHERS]`: three nodes, and watchers of quiet keys on one of them, 10,000 by
 * default: memory a watcher, and the processor's time of that node while nothing happens. Then a thousand
 * puts a second, whose events a hundred of the watchers get: how long from the put to the event.
 *
 * @module
 */

import { encodeUtf8 } from "../lib/bytes.ts";
import { findPeer } from "../lib/config/mod.ts";
import { TestCluster } from "../tests/e2e/harness/test_cluster.ts";
import { HttpClient } from "./support/http_client.ts";
import { quantile } from "./support/statistics.ts";

const WATCHERS = Number(Deno.args[1] ?? 10_000);
const EVENT_WATCHERS = 100;
const OPENERS = 50;
const WRITERS = 20;
const PUTS_PER_SECOND = 1_000;
const SECONDS = 10;
const QUIET_MS = 10_000;
const KIB = 1024;

await using cluster = new TestCluster({
  nodes: 3,
  logLevel: "info",
  nodeFlags: ["--api-connections", String(WATCHERS + 200)],
});
const leader = await cluster.leader();
const { api } = findPeer(cluster.config, leader.id);
const latenciesMs: number[] = [];

const before = await figuresOfNode();
const watchers = await openAll();
const opened = await figuresOfNode();
await pause(QUIET_MS);
const quiet = await figuresOfNode();
const startedMs = performance.now();
await putAll();
const busy = await figuresOfNode();
const figures = {
  bench: "watchers",
  watchers: watchers.length,
  kibAWatcher: Math.round((opened.bytes - before.bytes) / KIB / watchers.length * 10) / 10,
  quietCpuMsASecond: Math.round((quiet.cpuMs - opened.cpuMs) / (QUIET_MS / 1000)),
  busyCpuMsASecond: Math.round((busy.cpuMs - quiet.cpuMs) * 1000 / (performance.now() - startedMs)),
  events: latenciesMs.length,
  p50Ms: Math.round(quantile(latenciesMs, 0.5) * 10) / 10,
  p99Ms: Math.round(quantile(latenciesMs, 0.99) * 10) / 10,
};
console.table(figures);
console.log(JSON.stringify(figures));
for (const connection of watchers) connection.close();

async function openAll(): Promise<readonly Deno.TcpConn[]> {
  const connections: Deno.TcpConn[] = [];
  let next = 0;
  await Promise.all(Array.from({ length: OPENERS }, async () => {
    while (next < WATCHERS) connections.push(await open(next++));
  }));
  return connections;
}

/** A watcher whose stream has begun. The first ones watch a key that is written. */
async function open(number: number): Promise<Deno.TcpConn> {
  const connection = await Deno.connect(api);
  const request = `GET /v1/watch?prefix=${number}/ HTTP/1.1\r\nhost: localhost\r\n\r\n`;
  await connection.write(encodeUtf8(request));
  const head = new Uint8Array(4 * KIB);
  const read = await connection.read(head) ?? 0;
  const status = new TextDecoder().decode(head.subarray(9, Math.min(12, read)));
  if (status !== "200") throw new Error(`A watch was answered with ${status}`);
  if (number < EVENT_WATCHERS) void listen(connection);
  return connection;
}

/** Each value is the time of its put. */
async function listen(connection: Deno.TcpConn): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  const buffer = new Uint8Array(64 * KIB);
  for (;;) {
    const read = await connection.read(buffer).catch(() => null);
    if (read === null) return;
    const lines = (rest + decoder.decode(buffer.subarray(0, read))).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      for (const [, putMs] of line.matchAll(/"value":"at (.*?)"/g)) {
        latenciesMs.push(performance.now() - Number(putMs));
      }
    }
  }
}

async function putAll(): Promise<void> {
  const everyMs = 1000 * WRITERS / PUTS_PER_SECOND;
  const fromMs = performance.now();
  await Promise.all(Array.from({ length: WRITERS }, async (_, writer) => {
    using http = await HttpClient.connect(api);
    for (let count = 0; count < SECONDS * PUTS_PER_SECOND / WRITERS; count++) {
      const dueMs = fromMs + everyMs * (count + writer / WRITERS);
      await pause(Math.max(0, dueMs - performance.now()));
      const key = `${(count * WRITERS + writer) % EVENT_WATCHERS}%2Fk`;
      await http.put(key, encodeUtf8(`at ${performance.now()}`));
    }
  }));
}

async function figuresOfNode(): Promise<{ readonly bytes: number; readonly cpuMs: number }> {
  const text = await (await cluster.fetch(leader.id, "/metrics")).text();
  const figure = (name: string) => Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1]);
  const cpuMs = 1000 * figure("process_cpu_seconds_total");
  return { bytes: figure("process_resident_memory_bytes"), cpuMs };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
