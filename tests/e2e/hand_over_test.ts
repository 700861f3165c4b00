import assert from "node:assert/strict";
import { verifyCertificate } from "../../lib/certificate/mod.ts";
import { type NodeId, toTerm } from "../../lib/types.ts";
import type { ProcessEvent } from "./harness/events.ts";
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
    "it hands over, knows who leads then, and stops: in this order",
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

async function writeAll(cluster: TestCluster, id: NodeId): Promise<void> {
  for (let number = 0; number < WRITES; number++) {
    await put(cluster, id, { key: `${id}-${number}`, value: `${number}` });
  }
}
