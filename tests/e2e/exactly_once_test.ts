import assert from "node:assert/strict";
import type { NodeId } from "../../lib/types.ts";
import { ask, get } from "./harness/persistent_client.ts";
import { TestCluster } from "./harness/test_cluster.ts";

Deno.test("a write is made once, whoever is asked again: through other leaders and restarts", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const leader = await cluster.leader();
  const first = await attempt(cluster, leader.id);
  // Unless the first answer was lost with a leader.
  assert.ok(!first.isReplay || first.attempts > 1);

  await cluster.process(leader.id).end("SIGKILL");
  const others = cluster.ids.filter((id) => id !== leader.id);
  await cluster.leader(leader.term + 1, others);
  for (const id of others) {
    await assertReplayed(cluster, id, first.body);
  }

  cluster.start(leader.id);
  await cluster.process(leader.id).said.waitFor("it started", ({ event }) => event === "started");
  await assertReplayed(cluster, leader.id, first.body);
});

Deno.test("of attempts through all nodes at once, one has the effect and all its answer", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  await cluster.leader();
  const attempts = await Promise.all(
    Array.from({ length: 4 }, () => cluster.ids).flat().map((id) => attempt(cluster, id)),
  );
  const firsts = attempts.filter(({ isReplay }) => !isReplay).length;
  // Unless the answer to the very first was lost with a leader.
  assert.equal(firsts, attempts.every((each) => each.attempts === 1) ? 1 : Math.min(firsts, 1));
  assert.equal(new Set(attempts.map(({ body }) => body)).size, 1);
});

Deno.test("of conditional writes through all nodes at once, one succeeds", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const { id } = await cluster.leader();
  const answers = await Promise.all(
    cluster.ids.map((id) => {
      const headers = { "if-none-match": "*" };
      return ask(cluster, id, { path: "/v1/kv/greeting", method: "PUT", body: id, headers });
    }),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412, 412]);
  const winner = cluster.ids[answers.findIndex(({ status }) => status === 200)];
  assert.equal(await get(cluster, id, "greeting"), winner);
});

/** One attempt at the one write of these tests. */
async function attempt(cluster: TestCluster, id: NodeId) {
  const { status, text: body, headers, attempts } = await ask(cluster, id, {
    path: "/v1/kv/greeting",
    method: "PUT",
    body: "hello",
    headers: { "idempotency-key": "the-write" },
  });
  assert.equal(status, 200, body);
  assert.equal(JSON.parse(body).version, 1);
  return { body, isReplay: headers.get("idempotency-replayed") === "true", attempts };
}

async function assertReplayed(cluster: TestCluster, id: NodeId, first: string): Promise<void> {
  const { body, isReplay } = await attempt(cluster, id);
  assert.deepEqual({ body, isReplay }, { body: first, isReplay: true });
}
