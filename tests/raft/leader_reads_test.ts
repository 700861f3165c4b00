import assert from "node:assert/strict";
import { READERS_MAX } from "../../lib/raft/config.ts";
import type { Reader } from "../../lib/raft/readers.ts";
import { LeaderReads } from "../../lib/raft/reads.ts";
import { toLogIndex } from "../../lib/types.ts";

function reader(readId: number): Reader {
  return { kind: "local", readId };
}

/** Reads 1 in round 5, 2 in round 7, 3 in none. */
function started(): LeaderReads {
  const reads = new LeaderReads(READERS_MAX);
  reads.add(reader(1));
  reads.startBatch(5, toLogIndex(50));
  reads.add(reader(2));
  reads.startBatch(7, toLogIndex(70));
  reads.add(reader(3));
  return reads;
}

Deno.test("LeaderReads.takeConfirmed() takes the batches of this round and of those before it", () => {
  const reads = started();
  assert.deepEqual(reads.takeConfirmed(4), []);
  assert.deepEqual(reads.takeConfirmed(6), [
    { round: 5, readIndex: 50, readers: [reader(1)] },
  ]);
  assert.deepEqual(reads.takeConfirmed(9).map(({ round }) => round), [7]);
  assert.equal(reads.areWaiting, true, "the third is in no round");
});

Deno.test("LeaderReads.takeAll() takes every reader, in a round or not", () => {
  const reads = started();
  assert.deepEqual(reads.takeAll(), [1, 2, 3].map(reader));
  assert.deepEqual(reads.takeAll(), []);
  assert.equal(reads.areWaiting, false);
});

Deno.test("LeaderReads.add() refuses more readers than may wait, whether in a round or not", () => {
  const reads = started();
  for (let readId = 4; readId <= READERS_MAX; readId++) {
    assert.equal(reads.add(reader(readId)), true);
  }
  assert.equal(reads.add(reader(0)), false);
  reads.takeConfirmed(5);
  assert.equal(reads.add(reader(0)), true);
  assert.equal(reads.add(reader(0)), false);
  reads.takeAll();
  assert.equal(reads.add(reader(0)), true);
});
