import assert from "node:assert/strict";
import { INFLIGHT_BYTES_MAX, INFLIGHT_MESSAGES_MAX } from "../../lib/raft/config.ts";
import type { Entry } from "../../lib/raft/mod.ts";
import { Progress } from "../../lib/raft/progress.ts";
import { toLogIndex, toTerm } from "../../lib/types.ts";
import { commandEntry } from "./entries.ts";

function progressAt(nextIndex: number): Progress {
  return new Progress({ nextIndex: toLogIndex(nextIndex), nowTick: 0 });
}

function replicatingFrom(matchIndex: number): Progress {
  const progress = progressAt(matchIndex + 1);
  progress.accepted(toLogIndex(matchIndex));
  return progress;
}

function entryOfBytes(index: number, bytes: number): Entry {
  return { ...commandEntry(index, 1), data: new Uint8Array(bytes) };
}

Deno.test("Progress probes with one message until it is answered", () => {
  const progress = progressAt(5);
  progress.sent([commandEntry(5, 1)]);
  assert.equal(progress.isReady, false);
  assert.equal(progress.nextIndex, 5);
  progress.accepted(toLogIndex(5));
  assert.equal(progress.isReady, true);
  assert.equal(progress.nextIndex, 6);
});

Deno.test("Progress sends ahead of the answers once the logs match", () => {
  const progress = replicatingFrom(4);
  progress.sent([commandEntry(5, 1)]);
  progress.sent([commandEntry(6, 1)]);
  assert.equal(progress.nextIndex, 7);
  assert.equal(progress.matchIndex, 4);
  assert.equal(progress.isReady, true);
});

Deno.test("Progress stops at the limit of messages in flight", () => {
  const progress = replicatingFrom(0);
  for (let index = 1; index <= INFLIGHT_MESSAGES_MAX; index++) {
    assert.equal(progress.isReady, true);
    progress.sent([commandEntry(index, 1)]);
  }
  assert.equal(progress.isReady, false);
  progress.accepted(toLogIndex(1));
  assert.equal(progress.isReady, true);
});

Deno.test("Progress stops at the limit of bytes in flight", () => {
  const progress = replicatingFrom(0);
  progress.sent([entryOfBytes(1, INFLIGHT_BYTES_MAX)]);
  assert.equal(progress.isReady, false);
  progress.accepted(toLogIndex(1));
  assert.equal(progress.isReady, true);
});

Deno.test("Progress.accepted() ignores late and doubled answers", () => {
  const progress = replicatingFrom(4);
  progress.sent([commandEntry(5, 1)]);
  progress.accepted(toLogIndex(5));
  progress.accepted(toLogIndex(3));
  assert.equal(progress.matchIndex, 5);
  assert.equal(progress.nextIndex, 6);
});

Deno.test("Progress.accepted() moves on while a snapshot that is wanted is on its way", () => {
  const progress = progressAt(4);
  progress.snapshotWanted(toLogIndex(2));
  const snapshot = {
    index: toLogIndex(6),
    term: toTerm(1),
    bytes: 9,
    sha256: new Uint8Array(32),
    members: null,
  };
  progress.startSnapshot(snapshot);
  progress.accepted(toLogIndex(5));
  assert.equal(progress.snapshot, snapshot);
  assert.equal(progress.matchIndex, 5);
  assert.equal(progress.nextIndex, 6);
});

Deno.test("Progress.conflicted() goes back to probing where the logs may match", () => {
  const progress = replicatingFrom(2);
  progress.sent([commandEntry(3, 1), commandEntry(4, 1)]);
  progress.conflicted({ previousLogIndex: toLogIndex(4), nextIndex: toLogIndex(3) });
  assert.equal(progress.nextIndex, 3);
  progress.sent([commandEntry(3, 1)]);
  assert.equal(progress.isReady, false);
});

Deno.test("Progress.conflicted() never goes back below what is known to match", () => {
  const progress = replicatingFrom(4);
  progress.sent([commandEntry(5, 1)]);
  progress.conflicted({ previousLogIndex: toLogIndex(5), nextIndex: toLogIndex(1) });
  assert.equal(progress.nextIndex, 5);
});

Deno.test("Progress.conflicted() ignores an answer below what is known to match", () => {
  const progress = replicatingFrom(4);
  progress.sent([commandEntry(5, 1)]);
  progress.conflicted({ previousLogIndex: toLogIndex(3), nextIndex: toLogIndex(1) });
  assert.equal(progress.nextIndex, 6);
});

Deno.test("Progress.conflicted() ignores an answer to another probe than the one that is out", () => {
  const progress = progressAt(9);
  progress.conflicted({ previousLogIndex: toLogIndex(8), nextIndex: toLogIndex(4) });
  progress.conflicted({ previousLogIndex: toLogIndex(8), nextIndex: toLogIndex(2) });
  assert.equal(progress.nextIndex, 4);
});

Deno.test("Progress.lost() probes anew from what is known to match", () => {
  const progress = replicatingFrom(4);
  progress.sent([commandEntry(5, 1), commandEntry(6, 1)]);
  progress.lost();
  assert.equal(progress.nextIndex, 5);
  assert.equal(progress.isReady, true);
});
