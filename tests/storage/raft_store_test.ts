import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { InputError } from "../../lib/errors.ts";
import type { StoreOptions } from "../../lib/storage/open_database.ts";
import { openRaftStore, RAFT_FILE, type RaftStore } from "../../lib/storage/raft_store.ts";
import { CorruptionError } from "../../lib/storage/storage_error.ts";
import { toTerm } from "../../lib/types.ts";
import {
  batch,
  certificate,
  copyAsIfKilled,
  entries,
  entry,
  hardState,
  tamper,
  withFolder,
} from "./support.ts";

/** Runs `work` with a store of its own. */
function withStore(work: (store: RaftStore, options: StoreOptions) => void): Promise<void> {
  return withFolder((options) => {
    const store = openRaftStore(options);
    try {
      work(store, options);
    } finally {
      store.close();
    }
  });
}

/** Opens a store for one look. */
function withReopened<Result>(options: StoreOptions, work: (store: RaftStore) => Result): Result {
  const store = openRaftStore(options);
  try {
    return work(store);
  } finally {
    store.close();
  }
}

Deno.test("RaftStore is empty at first: term 0, no vote, no entries, no certificates", () =>
  withStore((store) => {
    assert.deepEqual(store.load(), {
      hardState: { currentTerm: 0, votedFor: null },
      logStart: { index: 0, term: 0 },
      entries: [],
      currentTermNote: null,
    });
    assert.equal(store.lastIndex, 0);
    assert.deepEqual(store.elections({ limit: 10 }), []);
    assert.equal(store.election(toTerm(1)), null);
  }));

Deno.test("load() gives back after a restart exactly what was persisted", () =>
  withFolder((options) => {
    const log = [{ ...entry(1), kind: "certificate" as const }, ...entries(2, 5)];
    const written = {
      hardState: hardState(1, "server_2"),
      entries: log,
      certificates: [certificate(1)],
    };
    withReopened(options, (store) => store.persist(batch(1, written)));
    const found = withReopened(options, (store) => store.load());
    assert.deepEqual(found, {
      hardState: written.hardState,
      logStart: { index: 0, term: 0 },
      entries: log,
      currentTermNote: certificate(1).note,
    });
  }));

Deno.test("load() gives back every batch when the process was killed, not closed", () =>
  withStore((store, options) => {
    for (let sequence = 1; sequence <= 10; sequence++) {
      const written = { hardState: hardState(sequence), entries: [entry(sequence, sequence)] };
      store.persist(batch(sequence, written));
    }
    withReopened(copyAsIfKilled(options), (reopened) => {
      assert.deepEqual(reopened.load(), store.load());
      assert.equal(reopened.lastIndex, 10);
    });
  }));

Deno.test("load() has the current term's note only, not that of a term before", () =>
  withStore((store) => {
    store.persist(batch(1, { hardState: hardState(1), certificates: [certificate(1)] }));
    store.persist(batch(2, { hardState: hardState(2) }));
    assert.equal(store.load().currentTermNote, null);
  }));

Deno.test("persist() replaces everything at or above the first new entry's index", () =>
  withStore((store, options) => {
    store.persist(batch(1, { hardState: hardState(1), entries: entries(1, 9) }));
    store.persist(batch(2, { hardState: hardState(2), entries: entries(4, 5, 2) }));
    assert.equal(store.lastIndex, 5);
    const expected = [...entries(1, 3), ...entries(4, 5, 2)];
    assert.deepEqual(store.load().entries, expected);
    withReopened(copyAsIfKilled(options), (reopened) => {
      assert.deepEqual(reopened.load().entries, expected);
    });
  }));

Deno.test("persist() keeps the hard state of a batch that has none", () =>
  withStore((store) => {
    store.persist(batch(1, { hardState: hardState(3, "server_2") }));
    store.persist(batch(2, { entries: entries(1, 1, 3) }));
    assert.deepEqual(store.load().hardState, hardState(3, "server_2"));
  }));

Deno.test("persist() keeps a term's first certificate", () =>
  withStore((store) => {
    store.persist(batch(1, { hardState: hardState(1), certificates: [certificate(1)] }));
    store.persist(batch(2, { certificates: [{ ...certificate(1), note: "another signature\n" }] }));
    assert.equal(store.election(toTerm(1)), certificate(1).note);
  }));

Deno.test("elections() lists notes by falling term, below a term, up to a limit", () =>
  withStore((store) => {
    const certificates = [1, 2, 5, 8].map(certificate);
    store.persist(batch(1, { hardState: hardState(8), certificates }));
    const note = (term: number) => certificate(term).note;
    assert.deepEqual(store.elections({ limit: 10 }), [8, 5, 2, 1].map(note));
    assert.deepEqual(store.elections({ limit: 2 }), [8, 5].map(note));
    assert.deepEqual(store.elections({ limit: 2, before: toTerm(5) }), [2, 1].map(note));
    assert.equal(store.election(toTerm(3)), null);
  }));

for (
  const [what, parts] of [
    ["a gap in the log", { entries: [entry(4)] }],
    ["a gap in the batch", { entries: [entry(3), entry(5)] }],
    ["entries that are not in order", { entries: [entry(3), entry(2)] }],
    ["terms that fall", { hardState: hardState(3), entries: [entry(3, 3), entry(4, 2)] }],
    ["an entry of a term above the current one", { entries: [entry(3, 2)] }],
    ["a term that goes backward", { hardState: hardState(0) }],
    ["a second vote in one term", { hardState: hardState(1, "server_3") }],
    ["a vote that is taken back", { hardState: hardState(1, null) }],
    ["a sequence that was persisted already", { sequence: 1 }],
  ] as const
) {
  Deno.test(`persist() asserts that there is no ${what}, and writes nothing`, () =>
    withStore((store) => {
      store.persist(batch(1, { hardState: hardState(1, "server_2"), entries: entries(1, 2) }));
      const before = store.load();
      const wrong = { ...batch(2, { certificates: [certificate(1)] }), ...parts };
      assert.throws(() => store.persist(wrong), InvariantError);
      assert.deepEqual(store.load(), before);
    }));
}

Deno.test("persist() writes nothing of a batch that fails half way", () =>
  withStore((store, options) => {
    store.persist(batch(1, { hardState: hardState(1), entries: entries(1, 2) }));
    const before = store.load();
    const unreadable = {
      ...entry(5),
      get data(): Uint8Array {
        throw new InputError("on purpose");
      },
    };
    const failing = batch(2, {
      hardState: hardState(2, "server_2"),
      entries: [...entries(2, 4), unreadable],
    });
    assert.throws(() => store.persist(failing), /on purpose/);
    assert.deepEqual(store.load(), before);
    withReopened(copyAsIfKilled(options), (reopened) => {
      assert.deepEqual(reopened.load(), before);
    });
    store.persist(batch(3, { entries: entries(3, 3) }));
    assert.equal(store.lastIndex, 3);
  }));

const damages: readonly (readonly [what: string, sql: string, message: RegExp])[] = [
  [
    "a flipped byte in an entry's data",
    "UPDATE entries SET data = CAST('c0mmand 17 of term 1' AS BLOB) WHERE log_index = 17",
    /entry 17 is damaged: its SHA-256/,
  ],
  [
    "a changed term of an entry",
    "UPDATE entries SET term = 2 WHERE log_index = 17",
    /entry 17 is damaged: its SHA-256/,
  ],
  [
    "a changed kind of an entry",
    "UPDATE entries SET kind = 'certificate' WHERE log_index = 17",
    /entry 17 is damaged: its SHA-256/,
  ],
  [
    "a kind that there is not",
    "UPDATE entries SET kind = 'x' WHERE log_index = 17",
    /entry 17 is damaged: its kind is x/,
  ],
  [
    "a changed hash",
    "UPDATE entries SET sha256 = zeroblob(32) WHERE log_index = 17",
    /entry 17 is damaged: its SHA-256/,
  ],
  ["a hole in the log", "DELETE FROM entries WHERE log_index = 17", /entry 17 is missing/],
  [
    "a log that lost its beginning",
    "DELETE FROM entries WHERE log_index < 17",
    /entry 1 is missing/,
  ],
  [
    "a log that lost its end",
    "DELETE FROM entries WHERE log_index > 17",
    /log ends at entry 17, but was written up to 20/,
  ],
  [
    "a log with more than was written",
    "INSERT INTO entries SELECT 21, term, kind, data, sha256 FROM entries WHERE log_index = 20",
    /entry 21 is damaged/,
  ],
  ["a missing hard state", "DELETE FROM hard_state", /its hard state is missing/],
  [
    "a changed vote",
    "UPDATE hard_state SET voted_for = 'server_3'",
    /its hard state is damaged: its SHA-256/,
  ],
  [
    "a vote that was taken back",
    "UPDATE hard_state SET voted_for = NULL",
    /its hard state is damaged: its SHA-256/,
  ],
  [
    "a term that is no term",
    "UPDATE hard_state SET current_term = -1",
    /its hard state is damaged: Cannot read term/,
  ],
  [
    "a changed certificate",
    "UPDATE certificates SET note = 'another'",
    /the certificate of term 1 is damaged/,
  ],
  ["a missing table", "DROP TABLE entries", /no such table: entries/],
];

for (const [what, sql, message] of damages) {
  Deno.test(`RaftStore refuses ${what}, and says what to do`, () =>
    withFolder((options) => {
      withReopened(options, (store) =>
        store.persist(batch(1, {
          hardState: hardState(1, "server_2"),
          entries: entries(1, 20),
          certificates: [certificate(1)],
        })));
      tamper({ folder: options.folder, file: RAFT_FILE }, sql);
      assert.throws(() => withReopened(options, (store) => store.load()), (error: unknown) => {
        assert.ok(error instanceof CorruptionError);
        assert.match(error.message, message);
        assert.match(error.message, /raft\.db: .*cannot be made again/);
        return true;
      });
    }));
}
