import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { VALUE_BYTES_MAX } from "../../lib/limits.ts";
import type { NodeId } from "../../lib/types.ts";
import type { ProcessEvent } from "./harness/events.ts";
import { Pause } from "./harness/pause.ts";
import { ask, get, put } from "./harness/persistent_client.ts";
import { TestCluster } from "./harness/test_cluster.ts";

/** The least limits that a node takes: so few writes make a log that must be compacted. */
const LOG = { entriesMax: 1_000, bytesMax: 8 * 1024 * 1024 };
/** So many of the largest values are too much for the log. */
const WRITES = Math.ceil(1.2 * LOG.bytesMax / VALUE_BYTES_MAX);
/** How many clients write at once. */
const WRITERS = 32;

Deno.test("a node with an empty folder catches up by a snapshot, and survives a restart", async () => {
  await using cluster = new TestCluster({ nodes: 3, absent: 1, logLevel: "info", log: LOG });
  const { leader, late } = await compactWithoutLast(cluster, WRITES);

  const node = cluster.start(late);
  await node.said.waitFor("a snapshot", ({ event }) => event === "snapshot.installed");
  assert.equal(await firstBytes(cluster, late, 0), "0 ");
  assert.equal(await firstBytes(cluster, late, WRITES - 1), `${WRITES - 1} `);

  await cluster.process(late).end("SIGKILL");
  await putLarge(cluster, leader, WRITES);
  cluster.start(late);
  await cluster.process(late).said.waitFor("it started", ({ event }) => event === "started");
  assert.equal(await firstBytes(cluster, late, WRITES), `${WRITES} `);
  assert.equal(await firstBytes(cluster, late, 0), "0 ");
});

Deno.test("one snapshot suffices for a node that takes long, however much is written meanwhile", async () => {
  // Long enough that the node still counts as being there when it goes on.
  const timing = { electionTimeoutMs: 2_000 };
  await using cluster = new TestCluster({
    nodes: 3,
    absent: 1,
    logLevel: "info",
    log: LOG,
    timing,
  });
  const { leader, late } = await compactWithoutLast(cluster, 3 * WRITES);
  const node = cluster.start(late);
  const isSending = ({ event }: ProcessEvent) => event === "snapshot.sending";
  const senders = cluster.ids.filter((id) => id !== late).map((id) => cluster.process(id).said);
  await Promise.any(senders.map((said) => said.waitFor("that it sends one", isSending)));

  const pause = await Pause.begin(node.pid);
  await writeSmall(cluster, leader, 4 * LOG.entriesMax);
  await pause.end();
  await node.said.waitFor("a snapshot", ({ event }) => event === "snapshot.installed");
  await writeSmall(cluster, leader, 2 * LOG.entriesMax);
  assert.equal(await get(cluster, late, "small-0"), "x");
  // A new leader begins anew.
  for (const { events } of senders) assert.ok(events.filter(isSending).length <= 1);
});

Deno.test("a node that comes back is not ready before it has nearly all that was committed", async () => {
  await using cluster = new TestCluster({ nodes: 3, logLevel: "info", log: LOG });
  const { id: leader } = await cluster.leader();
  const late = assertDefined(cluster.ids.find((id) => id !== leader), "a follower");
  await cluster.process(late).end("SIGKILL");
  const count = 3 * LOG.entriesMax;
  await writeSmall(cluster, leader, count, "x".repeat(20_000));

  await cluster.start(late).said.waitFor("it started", ({ event }) => event === "started");
  assert.equal((await ask(cluster, late, { path: "/readyz" })).status, 200);
  const status = JSON.parse((await ask(cluster, late, { path: "/v1/status" })).text);
  assert.ok(status.appliedIndex >= count - 1_000, `ready at ${status.appliedIndex} of ${count}`);
  assert.ok(status.leaderCommitIndex >= count);
});

/** Writes until the logs of all nodes but the last are compacted. */
async function compactWithoutLast(
  cluster: TestCluster,
  writes: number,
): Promise<{ readonly leader: NodeId; readonly late: NodeId }> {
  const late = assertDefined(cluster.ids.at(-1), "a last node");
  const { id: leader } = await cluster.leader(1, cluster.ids.slice(0, -1));
  for (let number = 0; number < writes; number++) await putLarge(cluster, leader, number);
  // Whichever of them leads when the last one comes.
  for (const id of cluster.ids.slice(0, -1)) {
    const { said } = cluster.process(id);
    await said.waitFor("that it compacted its log", ({ event }) => event === "log.compacted");
  }
  return { leader, late };
}

async function writeSmall(
  cluster: TestCluster,
  id: NodeId,
  count: number,
  value = "x",
): Promise<void> {
  const writer = async (number: number) => {
    for (let done = number; done < count; done += WRITERS) {
      await put(cluster, id, { key: `small-${number}`, value });
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, number) => writer(number)));
}

async function putLarge(cluster: TestCluster, id: NodeId, number: number): Promise<void> {
  const value = `${number} `.padEnd(VALUE_BYTES_MAX, "x");
  await put(cluster, id, { key: `large-${number}`, value });
}

/** What {@linkcode putLarge} began the value with, as a linearizable read through `id` finds it. */
async function firstBytes(cluster: TestCluster, id: NodeId, number: number): Promise<string> {
  const text = await get(cluster, id, `large-${number}`);
  return text.slice(0, text.indexOf(" ") + 1);
}
