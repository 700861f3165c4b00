import assert from "node:assert/strict";
import { TestCluster } from "./harness/test_cluster.ts";

Deno.test("at level debug every heartbeat leaves its record, on both sides", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const leader = await cluster.leader();
  for (const id of cluster.ids) {
    const { id: peer_id, term } = leader;
    const [name, expected] = id === leader.id
      ? ["heartbeat.sent", { HeartbeatLeaderEntry: { term, peer_id, leader: true } }]
      : ["heartbeat.received", { Heartbeat: { term, peer_id } }];
    // As text: the order of the fields is part of the record. Others may have led before.
    const text = JSON.stringify(expected);
    await cluster.process(id).said.waitFor(
      text,
      ({ event, record }) => event === name && JSON.stringify(record) === text,
    );
  }
});

Deno.test("a log line as JSON has time, level, event and node", async () => {
  await using cluster = new TestCluster({ nodes: 1 });
  const won = await cluster.process((await cluster.leader()).id).said.waitFor(
    "that it won",
    ({ event }) => event === "election.won",
  );
  assert.deepEqual(Object.keys(won).slice(0, 4), ["time", "level", "event", "node"]);
  assert.equal(won.level, "info");
  assert.equal(won.node, "server_1");
});
