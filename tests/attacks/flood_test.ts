/**
 * A member that floods the others: its messages are genuine, and as many as the network carries. It
 * gains nothing but delay.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { WAIT_TIMEOUT_MS } from "../e2e/harness/events.ts";
import { TestCluster } from "../e2e/harness/test_cluster.ts";
import { Flooder } from "./flooder.ts";
import { FLOODS } from "./floods.ts";
import { PATIENT_TIMING, Witness } from "./witness.ts";

/** Writes through each honest node at a time while the flood goes on. */
const COMMITS = 5;
const timing = PATIENT_TIMING;

Deno.test("a member that floods keeps nobody from writing, whatever it floods with", async (t) => {
  await using cluster = new TestCluster({ nodes: 3, absent: 1, timing, logLevel: "info" });
  const honest = cluster.ids.slice(0, -1);
  const from = assertDefined(cluster.ids.at(-1), "a member to stand in for");
  await cluster.leader(1, honest);
  const witness = new Witness(cluster, honest);
  for (const flood of Object.keys(FLOODS)) {
    await t.step(flood, async () => {
      const term = await witness.term();
      using flooder = new Flooder();
      await flooder.begin(cluster, { from, to: honest, flood, term });
      await commitUnder(flooder, witness);
      witness.assertMemoryBounded();
    });
  }
});

for (const flood of ["requests for votes", "grants that nobody asked for", "proposals"]) {
  Deno.test(`a member that floods with ${flood} keeps nobody from electing`, async () => {
    await using cluster = new TestCluster({ nodes: 5, absent: 1, timing, logLevel: "info" });
    const honest = cluster.ids.slice(0, -1);
    const from = assertDefined(cluster.ids.at(-1), "a member to stand in for");
    const { id: old, term } = await cluster.leader(1, honest);
    const others = honest.filter((id) => id !== old);
    const witness = new Witness(cluster, others);
    using flooder = new Flooder();
    await flooder.begin(cluster, { from, to: others, flood, term });
    await cluster.process(old).end("SIGKILL");
    // Three of five are left, and the fifth does all it can.
    await cluster.leader(term + 1, others);
    await commitUnder(flooder, witness);
    witness.assertMemoryBounded();
  });
}

/** Writes as long as it takes until that was under a flood, however slow the flooder is. */
async function commitUnder(flooder: Flooder, witness: Witness): Promise<void> {
  const deadline = AbortSignal.timeout(WAIT_TIMEOUT_MS);
  do {
    assert.ok(!deadline.aborted, "This is no flood");
    await witness.commit(COMMITS);
  } while (!await flooder.isFlooding());
}
