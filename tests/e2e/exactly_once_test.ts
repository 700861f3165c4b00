import assert from "node:assert/strict";
import { TestCluster } from "./harness/test_cluster.ts";
import type { NodeId } from "../../lib/types.ts";

Deno.test("a write is made once, whoever is asked again: through other leaders and restarts", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const leader = await cluster.leader();
  const first = await attempt(cluster, leader.id);
  assert.equal(first.isReplay, false);

  await cluster.process(leader.id).end("SIGKILL");
  const others = cluster.ids.filter((id) => id !== leader.id);
  await cluster.leader(leader.term + 1, others);
  for (const id of others) {
    assert.deepEqual(await attempt(cluster, id), { ...first, isReplay: true });
  }

  cluster.start(leader.id);
  await cluster.process(leader.id).said.waitFor("it started", ({ event }) => event === "started");
  assert.deepEqual(await attempt(cluster, leader.id), { ...first, isReplay: true });
});

Deno.test("of attempts through all nodes at once, one has the effect and all its answer", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  await cluster.leader();
  const attempts = await Promise.all(
    Array.from({ length: 4 }, () => cluster.ids).flat().map((id) => attempt(cluster, id)),
  );
  assert.equal(attempts.filter(({ isReplay }) => !isReplay).length, 1);
  assert.equal(new Set(attempts.map(({ body }) => body)).size, 1);
});

Deno.test("of conditional writes through all nodes at once, one succeeds", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const { id } = await cluster.leader();
  const headers = { "if-none-match": "*" };
  const responses = await Promise.all(
    cluster.ids.map((id) => put(cluster, id, { body: id, headers })),
  );
  assert.deepEqual(responses.map(({ status }) => status).sort(), [200, 412, 412]);
  const winner = cluster.ids[responses.findIndex(({ status }) => status === 200)];
  await Promise.all(responses.map((response) => response.body?.cancel()));
  const read = await cluster.fetch(id, "/v1/kv/greeting");
  assert.equal((await read.json()).value, winner);
});

/** One attempt at the one write of these tests. */
async function attempt(cluster: TestCluster, id: NodeId) {
  const headers = { "idempotency-key": "the-write" };
  const response = await put(cluster, id, { body: "hello", headers });
  const body = await response.text();
  assert.equal(response.status, 200, body);
  return { body, isReplay: response.headers.get("idempotency-replayed") === "true" };
}

async function put(
  cluster: TestCluster,
  id: NodeId,
  init: { readonly body: string; readonly headers: Record<string, string> },
): Promise<Response> {
  return await cluster.fetch(id, "/v1/kv/greeting", { method: "PUT", ...init });
}
