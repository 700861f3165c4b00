import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import type { LogStart } from "../../lib/raft/entry.ts";
import type { StoreOptions } from "../../lib/storage/open_database.ts";
import {
  DELETED_PER_BATCH,
  openRaftStore,
  RAFT_FILE,
  type RaftStore,
} from "../../lib/storage/raft_store.ts";
import { toLogIndex, toTerm } from "../../lib/types.ts";
import {
  batch,
  copyAsIfKilled,
  countRows,
  entries,
  hardState,
  tamper,
  withFolder,
} from "./support.ts";

/** The log's beginning in raft.db: compaction, and a snapshot that replaces the log. */

function compaction(index: number, term = 1): LogStart {
  return { position: { index: toLogIndex(index), term: toTerm(term) }, keepsRest: true };
}

function replacement(index: number, term = 1): LogStart {
  return { ...compaction(index, term), keepsRest: false };
}

/** Runs `work` with a store that holds entries 1 to `last`, all of term 1, and is in term 3. */
function withLog(
  last: number,
  work: (store: RaftStore, options: StoreOptions) => void,
): Promise<void> {
  return withFolder((options) => {
    const store = openRaftStore(options);
    try {
      store.persist(batch(1, { hardState: hardState(3), entries: entries(1, last) }));
      work(store, options);
    } finally {
      store.close();
    }
  });
}

/** What a store finds after a kill must be what this one has. */
function assertSurvives(store: RaftStore, options: StoreOptions): void {
  const reopened = openRaftStore(copyAsIfKilled(options));
  try {
    assert.deepEqual(reopened.load(), store.load());
    assert.deepEqual(reopened.logStart, store.logStart);
    assert.equal(reopened.lastIndex, store.lastIndex);
  } finally {
    reopened.close();
  }
}

Deno.test("persist() lets the log begin after a position and keeps what follows", () =>
  withLog(10, (store, options) => {
    store.persist(batch(2, { logStart: compaction(6) }));
    const { logStart, entries: kept } = store.load();
    assert.deepEqual(logStart, { index: 6, term: 1 });
    assert.deepEqual(kept, entries(7, 10));
    assert.equal(store.lastIndex, 10);
    assertSurvives(store, options);
  }));

Deno.test("persist() compacts the whole log, and goes on behind it", () =>
  withLog(10, (store, options) => {
    store.persist(batch(2, { logStart: compaction(10) }));
    assert.deepEqual(store.load().entries, []);
    assert.equal(store.lastIndex, 10);
    assertSurvives(store, options);
    store.persist(batch(3, { entries: entries(11, 12, 3) }));
    assert.deepEqual(store.load().entries, entries(11, 12, 3));
    assertSurvives(store, options);
  }));

for (const index of [4, 10, 500]) {
  Deno.test(`persist() discards every entry for a snapshot at ${index} of a log of 10`, () =>
    withLog(10, (store, options) => {
      const following = entries(index + 1, index + 2, 3);
      store.persist(batch(2, { logStart: replacement(index, 2) }));
      assert.deepEqual(store.load().entries, []);
      assert.equal(store.lastIndex, index);
      assertSurvives(store, options);
      store.persist(batch(3, { entries: following }));
      assert.deepEqual(store.load().entries, following);
      assertSurvives(store, options);
    }));
}

Deno.test("persist() applies the log's start before the entries of its batch", () =>
  withLog(10, (store, options) => {
    store.persist(batch(2, { logStart: replacement(20, 2), entries: entries(21, 22, 3) }));
    assert.deepEqual(store.load().entries, entries(21, 22, 3));
    assertSurvives(store, options);
  }));

Deno.test("persist() deletes compacted rows little by little, over a restart too", () =>
  withLog(10 * DELETED_PER_BATCH, (store, options) => {
    const kept = entries(8 * DELETED_PER_BATCH + 1, 10 * DELETED_PER_BATCH);
    store.persist(batch(2, { logStart: compaction(8 * DELETED_PER_BATCH) }));
    const left = copyAsIfKilled(options);
    assert.equal(countRows({ ...left, file: RAFT_FILE }, "entries"), 9 * DELETED_PER_BATCH);
    const reopened = openRaftStore(left);
    for (let sequence = 1; sequence <= 7; sequence++) {
      assert.deepEqual(reopened.load().entries, kept);
      reopened.persist(batch(sequence, {}));
    }
    reopened.close();
    assert.equal(countRows({ ...left, file: RAFT_FILE }, "entries"), kept.length);
  }));

Deno.test("persist() deletes compacted rows faster than entries are added", () =>
  withLog(1000, (store, options) => {
    store.persist(batch(2, { logStart: compaction(1000) }));
    for (let sequence = 3, last = 1000; sequence < 10; sequence++, last += 500) {
      store.persist(batch(sequence, { entries: entries(last + 1, last + 500) }));
    }
    const left = copyAsIfKilled(options);
    openRaftStore(left).close();
    assert.equal(countRows({ ...left, file: RAFT_FILE }, "entries"), 7 * 500);
  }));

for (
  const [what, parts] of [
    ["a log that begins earlier again", { logStart: compaction(4) }],
    ["a log that begins in a lower term", { logStart: compaction(6, 0) }],
    ["a log that begins above the current term", { logStart: replacement(20, 4) }],
    ["compaction of entries that were never there", { logStart: compaction(11) }],
    ["an entry before the log's start", { entries: entries(5, 6) }],
    ["a gap behind the log's start", { logStart: replacement(20), entries: entries(22, 22) }],
    [
      "an entry of a term below that of the log's start",
      { logStart: replacement(20, 2), entries: entries(21, 21) },
    ],
  ] as const
) {
  Deno.test(`persist() asserts that there is not ${what}, and writes nothing`, () =>
    withLog(10, (store) => {
      store.persist(batch(2, { logStart: compaction(5) }));
      const before = store.load();
      assert.throws(() => store.persist(batch(3, parts)), InvariantError);
      assert.deepEqual(store.load(), before);
    }));
}

for (
  const [what, sql, message] of [
    ["a changed start", "UPDATE hard_state SET start_index = 5", /its hard state is damaged/],
    ["a changed term of it", "UPDATE hard_state SET start_term = 2", /its hard state is damaged/],
    ["a start that is none", "UPDATE hard_state SET start_index = -1", /its hard state is damaged/],
    ["a lost first entry", "DELETE FROM entries WHERE log_index = 7", /entry 7 is missing/],
    ["no entries", "DELETE FROM entries", /log ends at entry 6, but was written up to 10/],
  ] as const
) {
  Deno.test(`RaftStore refuses a compacted log with ${what}`, () =>
    withLog(10, (store, options) => {
      store.persist(batch(2, { logStart: compaction(6) }));
      store.close();
      tamper({ folder: options.folder, file: RAFT_FILE }, sql);
      const open = () => {
        using reopened = new DisposableStack();
        const found = reopened.adopt(openRaftStore(options), (opened) => opened.close());
        found.load();
      };
      assert.throws(open, { name: "CorruptionError", message });
    }));
}
