import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { VALUE_BYTES_MAX } from "../../lib/kv/command.ts";
import { LOG_LIMITS } from "../../lib/raft/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import { TestCluster } from "./harness/test_cluster.ts";

/** So many of the largest values make a log that must be compacted. */
const WRITES = Math.ceil(1.2 * LOG_LIMITS.bytesMax / VALUE_BYTES_MAX);

Deno.test("a node with an empty folder catches up by a snapshot, and survives a restart", async () => {
  await using cluster = new TestCluster({ nodes: 3, absent: 1, logLevel: "info" });
  const present = cluster.ids.slice(0, 2);
  const late = assertDefined(cluster.ids[2], "a third node");
  const leader = await cluster.leader(1, present);
  for (let number = 0; number < WRITES; number++) await putLarge(cluster, leader.id, number);
  await cluster.process(leader.id).said.waitFor(
    "that it compacted its log",
    ({ event }) => event === "log.compacted",
  );

  const node = cluster.start(late);
  await node.said.waitFor("a snapshot", ({ event }) => event === "snapshot.installed");
  assert.equal(await firstBytes(cluster, late, 0), "0 ");
  assert.equal(await firstBytes(cluster, late, WRITES - 1), `${WRITES - 1} `);

  await cluster.process(late).end("SIGKILL");
  await putLarge(cluster, leader.id, WRITES);
  cluster.start(late);
  await cluster.process(late).said.waitFor("it started", ({ event }) => event === "started");
  assert.equal(await firstBytes(cluster, late, WRITES), `${WRITES} `);
  assert.equal(await firstBytes(cluster, late, 0), "0 ");
});

async function putLarge(cluster: TestCluster, id: NodeId, number: number): Promise<void> {
  const body = `${number} `.padEnd(VALUE_BYTES_MAX, "x");
  const response = await cluster.fetch(id, `/v1/kv/large-${number}`, { method: "PUT", body });
  assert.equal(response.status, 200, await response.text());
}

/** What {@linkcode putLarge} began the value with, as a linearizable read through `id` finds it. */
async function firstBytes(cluster: TestCluster, id: NodeId, number: number): Promise<string> {
  const headers = { accept: "application/octet-stream" };
  const response = await cluster.fetch(id, `/v1/kv/large-${number}`, { headers });
  const text = await response.text();
  assert.equal(response.status, 200, text.slice(0, 200));
  return text.slice(0, text.indexOf(" ") + 1);
}
