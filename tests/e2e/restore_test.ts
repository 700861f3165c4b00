/**
 * A snapshot that is saved while the cluster writes, and a new cluster that begins with it, under a new key.
 *
 * @module
 */

import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { formatAddress } from "../../lib/address.ts";
import { encodeHex } from "../../lib/bytes.ts";
import { connect } from "../../lib/client/connect.ts";
import { FreshConnections } from "../../lib/cli/process_context.ts";
import { findPeer } from "../../lib/config/cluster_config.ts";
import { findEtcdctl } from "../etcd/real_etcd.ts";
import { runFloe } from "./harness/floe_process.ts";
import { TestCluster } from "./harness/test_cluster.ts";

const addressesOf = (cluster: TestCluster) =>
  cluster.config.peers.map(({ api }) => formatAddress(api));

function open(cluster: TestCluster) {
  const connections = new FreshConnections();
  const store = connect(addressesOf(cluster), { fetch: connections.fetch, timeoutMs: 20_000 });
  return { store, [Symbol.dispose]: () => connections[Symbol.dispose]() };
}

async function restore(cluster: TestCluster, file: string, id: string): Promise<void> {
  const place = ["--id", id, "--data-dir", cluster.dataDir(findPeer(cluster.config, id).id)];
  const args = ["snapshot", "restore", file, "--config", cluster.configFile, ...place];
  const { code, stdout, stderr } = await runFloe([...args, "-o", "json"]);
  equal(code, 0, stderr);
  equal(JSON.parse(stdout).node, id);
}

Deno.test("a new cluster goes on from a snapshot that was saved while the old one wrote", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "floe-restore-" });
  const file = `${folder}/saved`;
  try {
    const before = await saveWhileWriting(file);
    await using cluster = new TestCluster({ nodes: 3, keyless: true, absent: 3 });
    for (const id of cluster.ids) await restore(cluster, file, id);
    for (const id of cluster.ids) cluster.start(id);
    await cluster.leader();
    notEqual(encodeHex(cluster.group.publicKey), before.publicKey);
    using client = open(cluster);
    const { store } = client;
    equal(new TextDecoder().decode((await store.get("kept"))?.value), "before");
    const { revision } = await store.transact({ then: [{ put: { key: "new", value: "1" } }] });
    ok(revision > before.revision + 1_000_000, "no revision is used twice");
    const [first] = cluster.ids as [typeof cluster.ids[number]];
    const lease = await (await cluster.fetch(first, `/v1/leases/${before.lease}`)).json();
    deepEqual([lease.ttlSeconds, lease.keys.length], [3_600, 1]);
    const old = await cluster.fetch(first, `/v1/watch?prefix=&fromRevision=${before.revision}`);
    match(await old.text(), /compacted/);

    // One that lost everything but its votes gets it from the others.
    const leader = await cluster.leader();
    await cluster.process(leader.id).end("SIGKILL");
    await cluster.leader(leader.term + 1, cluster.ids.filter((id) => id !== leader.id));
    equal(new TextDecoder().decode((await store.get("new"))?.value), "1");
    const refused = await runFloe([
      ...["snapshot", "restore", file, "--id", leader.id, "--config", cluster.configFile],
      ...["--data-dir", cluster.dataDir(leader.id)],
    ]);
    equal(refused.code, 2);
    match(refused.stderr, /holds a key share/);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

/** What the old cluster knew. */
async function saveWhileWriting(file: string) {
  await using cluster = new TestCluster({ nodes: 3 });
  await cluster.leader();
  using client = open(cluster);
  const { store } = client;
  const [first] = cluster.ids as [typeof cluster.ids[number]];
  const body = JSON.stringify({ id: 77, ttlSeconds: 3_600 });
  equal((await cluster.fetch(first, "/v1/leases", { method: "POST", body })).status, 200);
  await store.put("leased", "x", { lease: 77 });
  const { modRevision } = await store.put("kept", "before");
  const endpoints = ["--endpoints", addressesOf(cluster).join()];
  const saving = runFloe(["snapshot", "save", file, ...endpoints, "-o", "json"]);
  let isSaved = false;
  saving.finally(() => isSaved = true);
  for (let count = 0; !isSaved; count++) await store.put("written", String(count));
  const { code, stdout, stderr } = await saving;
  equal(code, 0, stderr);
  const saved = JSON.parse(stdout);
  ok(saved.revision >= modRevision, "what was acknowledged before is in it");
  equal(Deno.statSync(file).mode !== null && (Deno.statSync(file).mode ?? 0) & 0o777, 0o600);
  await saveWithEtcdctl(cluster, `${file}.etcd`);
  return {
    lease: 77,
    revision: Number(saved.revision),
    publicKey: encodeHex(cluster.group.publicKey),
  };
}

/** etcd's own tool saves the same file, where it can be had. */
async function saveWithEtcdctl(cluster: TestCluster, file: string): Promise<void> {
  const etcdctl = findEtcdctl();
  if (etcdctl === null) return console.warn("etcdctl is not installed: it saves no snapshot here.");
  const { etcd } = findPeer(cluster.config, cluster.ids[0] ?? "");
  const endpoints = ["--endpoints", etcd === undefined ? "" : formatAddress(etcd)];
  const { success } = await new Deno.Command(etcdctl, {
    args: [...endpoints, "snapshot", "save", file],
    stdout: "null",
    stderr: "null",
  }).output();
  equal(success, true);
  equal((await runFloe(["snapshot", "inspect", file])).code, 0);
}
