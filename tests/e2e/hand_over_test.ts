import assert from "node:assert/strict";
import { verifyCertificate } from "../../lib/certificate/mod.ts";
import { pause } from "../../lib/deadline.ts";
import { type NodeId, toTerm } from "../../lib/types.ts";
import type { ProcessEvent } from "./harness/events.ts";
import { Pause } from "./harness/pause.ts";
import { get, put } from "./harness/persistent_client.ts";
import { TestCluster } from "./harness/test_cluster.ts";

/** Long enough that a slow machine costs no leader its term before it is told to stop. */
const TIMING = { electionTimeoutMs: 2_000 };
/** How many keys are written through each of the others while the leader stops. */
const WRITES = 10;

Deno.test("a leader that stops cleanly hands over first, and no write is lost meanwhile", async () => {
  await using cluster = new TestCluster({ nodes: 3, timing: TIMING });
  const first = await cluster.leader();
  const others = cluster.ids.filter((id) => id !== first.id);
  // A leader hands over to nobody who has not answered it yet, and it may have been elected just now.
  await put(cluster, first.id, { key: "a", value: "x" });

  const writing = Promise.all(others.map((id) => writeAll(cluster, id)));
  const { said } = cluster.process(first.id);
  const { code } = await cluster.process(first.id).end("SIGTERM");
  await writing;
  assert.equal(code, 0, said.otherLines.join("\n"));
  const isSuccessor = ({ event, leader }: ProcessEvent) =>
    event === "role" && others.some((id) => id === leader);
  const handed = said.events.findIndex(({ event }) => event === "transfer.started");
  const followed = said.events.findLastIndex(isSuccessor);
  const stopped = said.events.findIndex(({ event }) => event === "node.stopped");
  assert.ok(
    -1 < handed && handed < followed && followed < stopped,
    `it hands over, knows who leads then, and stops: in this order\n${said.otherLines.join("\n")}`,
  );

  const second = await cluster.leader(first.term + 1, others);
  const expected = { term: toTerm(second.term), leader: second.id };
  verifyCertificate(second.certificate, cluster.group, expected);
  for (const id of others) {
    for (let number = 0; number < WRITES; number++) {
      assert.equal(await get(cluster, second.id, `${id}-${number}`), `${number}`);
    }
  }
});

Deno.test("a node that is told to stop answers a write that waits for a quorum at once", async () => {
  await using cluster = new TestCluster({ nodes: 3, timing: TIMING });
  const { id } = await cluster.leader();
  const before = await lastLogIndex(cluster, id);
  for (const other of cluster.ids) {
    if (other !== id) await cluster.process(other).end("SIGKILL");
  }
  const init = { method: "PUT", body: "x" };
  const writing = cluster.fetch(id, "/v1/kv/a?timeoutMs=60000", init);
  while (await lastLogIndex(cluster, id) === before);
  const stopping = cluster.process(id).end("SIGTERM");
  const { status, code, maybeApplied } = await (await writing).json();
  assert.deepEqual([status, code, maybeApplied], [503, "stopping", true]);
  assert.equal((await stopping).code, 0);
});

Deno.test("a second signal ends a node that is still stopping", async () => {
  // It waits so long for another one to take over.
  await using cluster = new TestCluster({ nodes: 3, timing: { electionTimeoutMs: 4_000 } });
  const { id } = await cluster.leader();
  await put(cluster, id, { key: "a", value: "x" });
  const others = cluster.ids.filter((other) => other !== id);
  const pauses = await Promise.all(
    others.map((other) => Pause.begin(cluster.process(other).pid)),
  );
  const { ended } = cluster.process(id);
  const told = new AbortController();
  const isEnded = ended.finally(() => told.abort());
  while (!told.signal.aborted) {
    void cluster.process(id).end("SIGTERM");
    await pause(100, told.signal);
  }
  assert.equal((await isEnded).code, 143);
  for (const paused of pauses) await paused.end();
});

Deno.test("SIGHUP ends no node", async () => {
  await using cluster = new TestCluster({ nodes: 1 });
  const { id } = await cluster.leader();
  const { pid, said } = cluster.process(id);
  Deno.kill(pid, "SIGHUP");
  await said.waitFor("that it ignored it", ({ event }) => event === "api.reload_ignored");
  await put(cluster, id, { key: "a", value: "x" });
  assert.equal(await get(cluster, id, "a"), "x");
});

async function lastLogIndex(cluster: TestCluster, id: NodeId): Promise<number> {
  return (await (await cluster.fetch(id, "/v1/status")).json()).lastLogIndex;
}

async function writeAll(cluster: TestCluster, id: NodeId): Promise<void> {
  for (let number = 0; number < WRITES; number++) {
    await put(cluster, id, { key: `${id}-${number}`, value: `${number}` });
  }
}
