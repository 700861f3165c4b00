import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { VALUE_BYTES_MAX } from "../../lib/kv/command.ts";
import type { NodeId } from "../../lib/types.ts";
import { Pause } from "./harness/pause.ts";
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
  const { said } = cluster.process(leader);
  await said.waitFor("that it sends one", ({ event }) => event === "snapshot.sending");

  const pause = await Pause.begin(node.pid);
  await writeSmall(cluster, leader, 4 * LOG.entriesMax);
  await pause.end();
  await node.said.waitFor("a snapshot", ({ event }) => event === "snapshot.installed");
  await writeSmall(cluster, leader, 2 * LOG.entriesMax);
  assert.equal((await cluster.fetch(late, "/v1/kv/small-0")).status, 200);
  assert.equal(said.events.filter(({ event }) => event === "snapshot.sending").length, 1);
});

/** Writes until the log of the leader, one of all nodes but the last, is compacted. */
async function compactWithoutLast(
  cluster: TestCluster,
  writes: number,
): Promise<{ readonly leader: NodeId; readonly late: NodeId }> {
  const late = assertDefined(cluster.ids.at(-1), "a last node");
  const { id: leader } = await cluster.leader(1, cluster.ids.slice(0, -1));
  for (let number = 0; number < writes; number++) await putLarge(cluster, leader, number);
  const { said } = cluster.process(leader);
  await said.waitFor("that it compacted its log", ({ event }) => event === "log.compacted");
  return { leader, late };
}

async function writeSmall(cluster: TestCluster, id: NodeId, count: number): Promise<void> {
  const writer = async (number: number) => {
    for (let done = number; done < count; done += WRITERS) {
      await put(cluster, id, { key: `small-${number}`, body: "x" });
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, number) => writer(number)));
}

async function putLarge(cluster: TestCluster, id: NodeId, number: number): Promise<void> {
  const body = `${number} `.padEnd(VALUE_BYTES_MAX, "x");
  await put(cluster, id, { key: `large-${number}`, body });
}

async function put(
  cluster: TestCluster,
  id: NodeId,
  { key, body }: { readonly key: string; readonly body: string },
): Promise<void> {
  const response = await cluster.fetch(id, `/v1/kv/${key}`, { method: "PUT", body });
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
