/**
 * `deno task bench profile`: CPU profiles of three nodes, every thread of them, while 64 clients put, then
 * get at the leader, and then while nobody asks anything. It writes `.cpuprofile` files, which Chromium opens (developer tools, Performance, Load
 * profile), and prints where the leader's and a follower's time goes.
 *
 * @module
 */

import { assertDefined } from "../lib/assert.ts";
import { findPeer } from "../lib/config/mod.ts";
import type { NodeId } from "../lib/types.ts";
import { TestCluster } from "../tests/e2e/harness/test_cluster.ts";
import { HttpClient } from "./support/http_client.ts";
import { readProfile, summarizeProfile } from "./support/cpu_profile.ts";

const CLIENTS = 64;
const VALUE = new Uint8Array(256).fill(0x61);
const KEYS = 10_000;
const WARM_UP_MS = 2_000;
const RECORDED_MS = 5_000;
const FOLDER = new URL("../dist/profiles", import.meta.url).pathname;

Deno.mkdirSync(FOLDER, { recursive: true });
await using cluster = new TestCluster({
  nodes: 3,
  logLevel: "info",
  main: new URL("./support/profiled_node.ts", import.meta.url).pathname,
  // Deno lets a program record itself only with one more permission than Floe has.
  permissions: ["-P=test"],
  env: { FLOE_PROFILE_FOLDER: FOLDER },
});
const { id: leader } = await cluster.leader();
const { api } = findPeer(cluster.config, leader);
const follower = assertDefined(cluster.ids.find((id) => id !== leader), "There is a follower");

const puts = await record((http, key) => http.put(key, VALUE));
const gets = await record((http, key) => http.get(key));
await record(null);
console.log(JSON.stringify({ bench: "profile", folder: FOLDER, puts, gets }));

/** Loads the leader, or nobody, and records all nodes meanwhile. */
async function record(
  ask: ((http: HttpClient, key: string) => Promise<number>) | null,
): Promise<{ readonly perSecond: number }> {
  const untilMs = performance.now() + WARM_UP_MS + RECORDED_MS + 500;
  const loading = ask === null ? 0 : load(ask, untilMs);
  await pause(WARM_UP_MS);
  for (const id of cluster.ids) Deno.kill(cluster.process(id).pid, "SIGUSR1");
  await pause(RECORDED_MS);
  const written = cluster.ids.map((id) => profilesOf(id));
  for (const id of cluster.ids) Deno.kill(cluster.process(id).pid, "SIGUSR2");
  const answers = await loading;
  for (const [at, paths] of (await Promise.all(written)).entries()) {
    if (cluster.ids[at] !== leader && cluster.ids[at] !== follower) continue;
    for (const path of paths) show(path, cluster.ids[at] === leader ? "leader" : "follower");
  }
  return { perSecond: Math.round(answers / ((WARM_UP_MS + RECORDED_MS + 500) / 1000)) };
}

/** The paths of the next profiles of a node: one of its loop, one of the worker with its tables. */
async function profilesOf(id: NodeId): Promise<readonly string[]> {
  const { said } = cluster.process(id);
  const from = said.length;
  const isWritten = ({ event }: { readonly event?: unknown }) => event === "profile.written";
  await said.waitFor("its first profile", isWritten, { from });
  const first = said.events.findIndex((event, at) => at >= from && isWritten(event));
  await said.waitFor("its second profile", isWritten, { from: first + 1 });
  return said.events.slice(from).filter(isWritten).map(({ path }) => String(path));
}

function show(path: string, role: string): void {
  console.log(`\n${role}: ${path}`);
  console.table(summarizeProfile(readProfile(path)));
}

async function load(
  ask: (http: HttpClient, key: string) => Promise<number>,
  untilMs: number,
): Promise<number> {
  let answers = 0;
  await Promise.all(Array.from({ length: CLIENTS }, async (_, client) => {
    using http = await HttpClient.connect(api);
    for (let count = client; performance.now() < untilMs; count += CLIENTS) {
      await ask(http, `k${count % KEYS}`);
      answers++;
    }
  }));
  return answers;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
