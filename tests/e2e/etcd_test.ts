import { deepEqual, equal, match, ok } from "node:assert/strict";
import { formatAddress } from "../../lib/address.ts";
import { findPeer } from "../../lib/config/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import { findEtcdctl } from "../etcd/real_etcd.ts";
import { TestCluster } from "./harness/test_cluster.ts";

const etcdctl = findEtcdctl();

/** Clients of etcd at real processes whose leader is killed. */

// deno-lint-ignore no-explicit-any -- tests look into answers as they please
async function post(cluster: TestCluster, id: NodeId, path: string, body: unknown): Promise<any> {
  const response = await cluster.fetch(id, path, { method: "POST", body: JSON.stringify(body) });
  return { status: response.status, ...await response.json() };
}

/** The same until it succeeds: a leader may be missing for a while. */
async function persist(...args: Parameters<typeof post>): ReturnType<typeof post> {
  for (;;) {
    const answer = await post(...args);
    if (answer.status === 200) return answer;
    equal(answer.code, 14, JSON.stringify(answer));
  }
}

/** The values that a watch tells of, up to this one. */
async function watchUntil(response: Response, last: string): Promise<readonly string[]> {
  if (response.body === null) throw new Error("A watch without a body");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const values: string[] = [];
  for (let text = ""; values.at(-1) !== last;) {
    const { done, value = "" } = await reader.read();
    ok(!done, "the watch ended");
    const lines = (text + value).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      for (const { kv } of JSON.parse(line).result.events ?? []) values.push(atob(kv.value));
    }
  }
  await reader.cancel();
  return values;
}

Deno.test("a lock, its lease and a watch outlive the leader's death", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const first = await cluster.leader();
  const [other, third] = cluster.ids.filter((id) => id !== first.id);
  if (other === undefined || third === undefined) throw new Error("three nodes");
  const key = btoa("w");
  const body = JSON.stringify({ create_request: { key } });
  const watching = watchUntil(
    await cluster.fetch(other, "/v3/watch", { method: "POST", body }),
    "after",
  );
  const { ID } = await persist(cluster, other, "/v3/lease/grant", { TTL: "60" });
  const lock = await persist(cluster, other, "/v3/lock/lock", { name: btoa("L"), lease: ID });
  await persist(cluster, other, "/v3/kv/put", { key, value: btoa("before") });

  await cluster.process(first.id).end("SIGKILL");
  await persist(cluster, third, "/v3/kv/put", { key, value: btoa("after") });
  const kept = await persist(cluster, other, "/v3/lease/timetolive", { ID });
  equal(kept.grantedTTL, "60");
  const held = await persist(cluster, third, "/v3/kv/range", { key: lock.key });
  equal(held.kvs[0].lease, ID);
  deepEqual(await watching, ["before", "after"]);
});

Deno.test({
  name: "etcdctl works at the cluster's etcd addresses, also when its leader is killed",
  ignore: etcdctl === null,
  fn: async () => {
    await using cluster = new TestCluster({ nodes: 3 });
    const first = await cluster.leader();
    const endpoints = cluster.ids.map((id) => {
      const { etcd } = findPeer(cluster.config, id);
      return etcd === undefined ? "" : formatAddress(etcd);
    });
    const run = async (...args: readonly string[]) => {
      const { stdout, stderr } = await new Deno.Command(etcdctl ?? "", {
        args: ["--endpoints", endpoints.join(), "--command-timeout", "30s", ...args],
      }).output();
      return new TextDecoder().decode(stdout.length > 0 ? stdout : stderr).trim();
    };
    equal(await run("put", "a", "b"), "OK");
    for (const endpoint of endpoints) match(await run("member", "list"), new RegExp(endpoint));
    await cluster.process(first.id).end("SIGKILL");
    await cluster.leader(first.term + 1, cluster.ids.filter((id) => id !== first.id));
    equal(await run("get", "a", "--print-value-only"), "b");
    equal(await run("put", "a", "c"), "OK");
  },
});
