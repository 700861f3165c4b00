/**
 * `deno task bench memory [SECONDS]`: what three nodes hold while 64 clients put values of 256 bytes at the
 * leader, and once they are quiet again: resident memory, JavaScript's heap, byte arrays outside of it, and
 * how much of that is the log and the store.
 *
 * @module
 */

import { assertDefined } from "../lib/assert.ts";
import { findPeer, formatAddress } from "../lib/config/mod.ts";
import type { NodeId } from "../lib/types.ts";
import { TestCluster } from "../tests/e2e/harness/test_cluster.ts";
import { HttpClient } from "./support/http_client.ts";

const SECONDS = Number(Deno.args[1] ?? 60);
const LOOK_MS = 10_000;
const QUIET_MS = 10_000;
const CLIENTS = 64;
const KEYS = 10_000;
const VALUE = new Uint8Array(256).fill(0x61);
const MIB = 1024 * 1024;

/** The figures of `/metrics` to show, in MiB. */
const SHOWN = {
  resident: "process_resident_memory_bytes",
  "heap used": "floe_heap_used_bytes",
  "heap total": "floe_heap_total_bytes",
  "byte arrays": "floe_external_bytes",
};

await using cluster = new TestCluster({ nodes: 3, logLevel: "info" });
const { id: leader } = await cluster.leader();
const follower = assertDefined(cluster.ids.find((id) => id !== leader), "There is a follower");
const table: Record<string, Record<string, number>> = {};
let puts = 0;

await look("start");
const cpuSeconds = await cpuSecondsOfAll();
const untilMs = performance.now() + SECONDS * 1000;
const loading = load();
for (let at = LOOK_MS; at < SECONDS * 1000; at += LOOK_MS) {
  await pause(LOOK_MS);
  await look(`${at / 1000} s`);
}
await loading;
await look("end");
const usAPut = Math.round(1e6 * (await cpuSecondsOfAll() - cpuSeconds) / puts);
await pause(QUIET_MS);
await look("quiet");
console.table(table);
console.log(`CPU a put, all three nodes: ${usAPut} us`);
console.log(JSON.stringify({ bench: "memory", puts, usAPut, ...table }));

async function look(when: string): Promise<void> {
  for (const [role, id] of Object.entries({ leader, follower })) {
    table[`${role}, ${when}`] = { puts, ...await figuresOf(id) };
  }
}

async function figuresOf(id: NodeId): Promise<Record<string, number>> {
  const metrics = await metricsOf(id);
  return Object.fromEntries(
    Object.entries(SHOWN).map((
      [name, metric],
    ) => [name, Math.round(10 * metrics(metric) / MIB) / 10]),
  );
}

async function cpuSecondsOfAll(): Promise<number> {
  const all = await Promise.all(cluster.ids.map(metricsOf));
  return all.reduce((sum, metrics) => sum + metrics("process_cpu_seconds_total"), 0);
}

/** Reads a node's figures, by name. */
async function metricsOf(id: NodeId): Promise<(name: string) => number> {
  const { api } = findPeer(cluster.config, id);
  const response = await fetch(`http://${formatAddress(api)}/metrics`);
  const text = await response.text();
  return (name) => Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1]);
}

async function load(): Promise<void> {
  const { api } = findPeer(cluster.config, leader);
  await Promise.all(Array.from({ length: CLIENTS }, async (_, client) => {
    using http = await HttpClient.connect(api);
    for (let count = client; performance.now() < untilMs; count += CLIENTS) {
      await http.put(`k${count % KEYS}`, VALUE);
      puts++;
    }
  }));
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
