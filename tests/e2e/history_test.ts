import assert from "node:assert/strict";
import { WAIT_TIMEOUT_MS } from "./harness/events.ts";
import { TestCluster } from "./harness/test_cluster.ts";

/** The least that a configuration may have. */
const CHANGES_MAX = 1_000;
const CHANGES_PER_TRANSACTION = 100;

Deno.test("a node keeps as much history as its cluster.json says, also after a restart", async () => {
  await using cluster = new TestCluster({ nodes: 1, history: { changesMax: CHANGES_MAX } });
  const { id } = await cluster.leader();
  const write = async (text: string) => {
    const then = Array.from({ length: CHANGES_PER_TRANSACTION }, (_, number) => ({
      put: { key: `k${number}`, value: text },
    }));
    const answer = await cluster.fetch(id, "/v1/txn", {
      method: "POST",
      body: JSON.stringify({ then }),
    });
    assert.equal(answer.status, 200, await answer.clone().text());
    return Number((await answer.json()).revision);
  };
  const readAt = async (revision: number) => {
    const answer = await cluster.fetch(id, `/v1/kv?prefix=k0&revision=${revision}`);
    return { status: answer.status, text: await answer.text() };
  };

  /** A node forgets what its tables have, which follow it. */
  const forgotten = async (revision: number) => {
    const deadline = AbortSignal.timeout(WAIT_TIMEOUT_MS);
    while ((await readAt(revision)).status !== 410) deadline.throwIfAborted();
  };

  const first = await write("first");
  const second = await write("second");
  assert.match((await readAt(first)).text, /"first"/);
  let last = second;
  for (let count = 0; count < CHANGES_MAX / CHANGES_PER_TRANSACTION; count++) {
    last = await write(`later-${count}`);
  }
  for (const isRestarted of [false, true]) {
    if (isRestarted) {
      assert.equal((await cluster.process(id).end("SIGTERM")).code, 0);
      cluster.start(id);
      await cluster.leader(2);
    }
    await forgotten(first);
    assert.match((await readAt(second)).text, /"second"/);
    assert.match((await readAt(last)).text, /"later-9"/);
  }
});
