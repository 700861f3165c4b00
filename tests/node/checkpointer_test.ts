import assert from "node:assert/strict";
import { CHECKPOINT_BYTES_MIN, CHECKPOINT_ENTRIES_MIN } from "../../lib/config/mod.ts";
import { Checkpointer } from "../../lib/node/snapshots.ts";
import { LOG_LIMITS } from "../../lib/raft/mod.ts";
import { type LogIndex, toLogIndex } from "../../lib/types.ts";
import { commandEntry } from "../raft/entries.ts";

const SHORT = { length: LOG_LIMITS.entriesMax, bytes: LOG_LIMITS.bytesMax };
const LONG = { length: LOG_LIMITS.entriesMax + 1, bytes: 0 };
const LARGE = { length: 1, bytes: LOG_LIMITS.bytesMax + 1 };
const ENOUGH = Array.from({ length: CHECKPOINT_ENTRIES_MIN }, (_, at) => commandEntry(at + 1, 1));

function checkpointer(): { due: Checkpointer; count: () => number } {
  let count = 0;
  const due = new Checkpointer(LOG_LIMITS, (): LogIndex => {
    count++;
    return toLogIndex(7);
  });
  return { due, count: () => count };
}

Deno.test("Checkpointer makes the state durable when the log is long", () => {
  for (const log of [LONG, LARGE]) {
    const { due } = checkpointer();
    due.applied(ENOUGH);
    assert.equal(due.checkpointIfDue(log), 7);
  }
});

Deno.test("Checkpointer leaves a short log alone", () => {
  const { due, count } = checkpointer();
  due.applied(ENOUGH);
  assert.equal(due.checkpointIfDue(SHORT), null);
  assert.equal(count(), 0);
});

Deno.test("Checkpointer waits for enough entries between two checkpoints", () => {
  const { due, count } = checkpointer();
  due.applied(ENOUGH.slice(1));
  assert.equal(due.checkpointIfDue(LONG), null);
  due.applied(ENOUGH.slice(0, 1));
  due.checkpointIfDue(LONG);
  assert.equal(due.checkpointIfDue(LONG), null);
  assert.equal(count(), 1);
});

Deno.test("Checkpointer does not wait for entries when they are large", () => {
  const { due } = checkpointer();
  due.applied([{ ...commandEntry(1, 1), data: new Uint8Array(CHECKPOINT_BYTES_MIN) }]);
  assert.equal(due.checkpointIfDue(LARGE), 7);
});
