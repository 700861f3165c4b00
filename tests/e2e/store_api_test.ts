/**
 * Watches, leases and locks on real processes, while nodes die and holders stop.
 *
 * @module
 */

import { deepEqual, equal, ok } from "node:assert/strict";
import { formatAddress } from "../../lib/address.ts";
import { decodeUtf8 } from "../../lib/bytes.ts";
import { connect } from "../../lib/client/connect.ts";
import { systemClock } from "../../lib/client/client.ts";
import { acquireLock } from "../../lib/client/lock.ts";
import { FreshConnections } from "../../lib/cli/process_context.ts";
import { FloeProcess, runFloe } from "./harness/floe_process.ts";
import { TestCluster } from "./harness/test_cluster.ts";

const addressesOf = (cluster: TestCluster) =>
  cluster.config.peers.map(({ api }) => formatAddress(api));

function open(cluster: TestCluster) {
  const connections = new FreshConnections();
  const store = connect(addressesOf(cluster), { fetch: connections.fetch, timeoutMs: 20_000 });
  return { store, [Symbol.dispose]: () => connections[Symbol.dispose]() };
}

Deno.test("a watch has every write once and in order, although the leader dies under it", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const leader = await cluster.leader();
  using client = open(cluster);
  const { store } = client;
  const stop = new AbortController();
  const writes = 40;
  const seen: (readonly [number, string])[] = [];
  const watching = (async () => {
    const watch = store.watch({ prefix: "w/" }, { fromRevision: 1, signal: stop.signal });
    for await (const { revision, events } of watch) {
      for (const { key, row } of events) {
        seen.push([revision, `${decodeUtf8(key)}=${decodeUtf8(row?.value ?? new Uint8Array())}`]);
      }
      if (seen.length >= writes) break;
    }
  })();
  const made: (readonly [number, string])[] = [];
  for (let at = 0; at < writes; at++) {
    if (at === writes / 2) await cluster.process(leader.id).end("SIGKILL");
    const { modRevision } = await store.put(`w/${at % 3}`, String(at));
    made.push([modRevision, `w/${at % 3}=${at}`]);
  }
  await watching;
  stop.abort();
  deepEqual(seen, made);
});

Deno.test("a range is the same at every node, and an old revision outlives a restart", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const { id } = await cluster.leader();
  using client = open(cluster);
  const { store } = client;
  const first = await store.transact({
    then: [{ put: { key: "r/1", value: "old" } }, { put: { key: "r/2", value: "old" } }],
  });
  await store.put("r/1", "new");
  equal((await store.deleteRange({ prefix: "r/2" })).deleted, 1);
  const texts = await Promise.all(
    cluster.ids.map(async (node) => await (await cluster.fetch(node, "/v1/kv?prefix=r/")).text()),
  );
  deepEqual(new Set(texts.map((text) => JSON.stringify(JSON.parse(text).items))).size, 1);
  await cluster.process(id).end("SIGTERM");
  cluster.start(id);
  await cluster.leaderOf(id);
  const path = `/v1/kv?prefix=r/&revision=${first.revision}`;
  const { items } = await (await cluster.fetch(id, path)).json();
  deepEqual(items.map(({ value }: { value: string }) => value), ["old", "old"]);
});

Deno.test("a holder that is stopped past its lease fails at the store, and learns it with exit code 8", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  await cluster.leader();
  using client = open(cluster);
  const { store } = client;
  const endpoints = ["--endpoints", addressesOf(cluster).join(",")];
  const script = 'echo "{\\"event\\":\\"holding\\",\\"fence\\":$FLOE_FENCE}"; exec sleep 600';
  await using holder = new FloeProcess("holder", [
    "lock",
    "job",
    "--ttl",
    "10s",
    ...endpoints,
    "--",
    "sh",
    "-c",
    script,
  ]);
  const { fence } = await holder.said.waitFor("it holds", ({ event }) => event === "holding");
  const fenced = (revision: unknown, value: string) =>
    store.transact({
      if: [{ fence: { lock: "job", revision: Number(revision) } }],
      then: [{ put: { key: "done", value } }],
    });
  equal((await fenced(fence, "by the first")).succeeded, true);
  Deno.kill(holder.pid, "SIGSTOP");
  // Its lease runs out, and the next one has the lock.
  const next = await acquireLock(store, "job", {
    ttlSeconds: 60,
    signal: new AbortController().signal,
    clock: systemClock,
  });
  ok(next.fence > Number(fence));
  equal((await fenced(fence, "by the first, late")).succeeded, false);
  equal((await fenced(next.fence, "by the second")).succeeded, true);
  Deno.kill(holder.pid, "SIGCONT");
  equal((await holder.ended).code, 8);
  await next.release();
  equal(decodeUtf8((await store.get("done"))?.value ?? new Uint8Array()), "by the second");
});

Deno.test("the command line lists, watches and exports what a cluster has", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  await cluster.leader();
  const endpoints = ["--endpoints", addressesOf(cluster).join(","), "--timeout", "20s"];
  const floe = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await runFloe([...args, ...endpoints]);
    equal(code, 0, stderr);
    return stdout;
  };
  await floe("put", "c/a", "1");
  await floe("put", "c/b/c", "2");
  equal(await floe("ls", "c/"), "c/a\nc/b/\n");
  const lines = (await floe("export", "--prefix", "c/")).trimEnd().split("\n");
  deepEqual(JSON.parse(lines.at(-1) ?? "").keys, 2);
});
