import fc from "fast-check";
import assert from "node:assert/strict";
import {
  BATCH_SLOTS,
  type BatchName,
  LIVES_PER_ORIGIN_MAX,
  TakenBatches,
} from "../../lib/raft/forwarding.ts";
import { toNodeId, toTerm } from "../../lib/types.ts";

function batch(batchId: number, life: Partial<BatchName> = {}): BatchName {
  return { from: toNodeId("n2"), incarnation: 5, batchId, ...life };
}

function created(): TakenBatches {
  return new TakenBatches(toTerm(1));
}

Deno.test("TakenBatches.take() takes a batch once", () => {
  const taken = created();
  assert.equal(taken.mayHold(batch(1)), false);
  assert.equal(taken.take(batch(1)), true);
  assert.equal(taken.mayHold(batch(1)), true);
  assert.equal(taken.take(batch(1)), false);
});

Deno.test("TakenBatches.take() takes batches out of order within a window", () => {
  const taken = created();
  const late = 1 + BATCH_SLOTS - 1;
  assert.equal(taken.take(batch(late)), true);
  for (let batchId = 1; batchId < late; batchId++) assert.equal(taken.take(batch(batchId)), true);
});

Deno.test("TakenBatches.take() refuses a batch that a whole window has overtaken", () => {
  const taken = created();
  taken.take(batch(1 + BATCH_SLOTS));
  assert.equal(taken.mayHold(batch(1)), true);
  assert.equal(taken.take(batch(1)), false);
});

Deno.test("TakenBatches.take() takes the least and the greatest number", () => {
  const taken = created();
  for (const batchId of [0, Number.MAX_SAFE_INTEGER]) {
    assert.equal(taken.take(batch(batchId)), true);
    assert.equal(taken.take(batch(batchId)), false);
  }
});

Deno.test("TakenBatches.take() tells origins and their lives apart", () => {
  const taken = created();
  const names = [batch(1), batch(1, { incarnation: 6 }), batch(1, { from: toNodeId("n3") })];
  for (const name of names) assert.equal(taken.take(name), true);
  for (const name of names) assert.equal(taken.take(name), false);
});

Deno.test("TakenBatches.take() refuses further lives of an origin, and forgets none", () => {
  const taken = created();
  for (let incarnation = 1; incarnation <= LIVES_PER_ORIGIN_MAX; incarnation++) {
    assert.equal(taken.take(batch(1, { incarnation })), true);
  }
  const further = batch(1, { incarnation: LIVES_PER_ORIGIN_MAX + 1 });
  assert.equal(taken.take(further), false);
  assert.equal(taken.mayHold(further), false, "it was certainly never taken");
  assert.equal(taken.take(batch(1, { incarnation: 1 })), false);
  assert.equal(taken.take(batch(2, { incarnation: 1 })), true);
  assert.equal(
    taken.take({ ...further, from: toNodeId("n3") }),
    true,
    "another origin has its own",
  );
});

Deno.test("TakenBatches.take() takes no batch twice, in whatever order copies arrive", () => {
  const copies = fc.array(
    fc.record({
      incarnation: fc.integer({ min: 1, max: 2 }),
      batchId: fc.integer({ min: 1, max: 3 * BATCH_SLOTS }),
    }),
    { maxLength: 500 },
  );
  fc.assert(fc.property(copies, (arrivals) => {
    const taken = created();
    const seen = new Set<string>();
    for (const { incarnation, batchId } of arrivals) {
      const name = `${incarnation}/${batchId}`;
      const mayHold = taken.mayHold(batch(batchId, { incarnation }));
      assert.ok(mayHold || !seen.has(name), "what was taken is known to be");
      const isTaken = taken.take(batch(batchId, { incarnation }));
      assert.equal(isTaken, !mayHold);
      assert.ok(!isTaken || !seen.has(name), `${name} twice`);
      if (isTaken) seen.add(name);
    }
  }));
});
