/**
 * What `raft.db` says of itself in one row, and which batches may follow it.
 *
 * @module
 */

import type { StatementSync } from "node:sqlite";
import { assert } from "../assert.ts";
import { encodeHex } from "../bytes.ts";
import {
  type Entry,
  type HardState,
  LOG_START,
  type LogPosition,
  type PersistBatch,
} from "../raft/mod.ts";
import { type LogIndex, toLogIndex, toTerm } from "../types.ts";
import type { Database } from "./database.ts";
import { digestRaftState } from "./row_digest.ts";

/** The hard state, and between which places the log is. */
export interface RaftState {
  /** Term and vote. */
  readonly hardState: HardState;
  /** The place before the log's first entry. */
  readonly logStart: LogPosition;
  /** The index of the log's last entry; that of `logStart` when the log is empty. */
  readonly lastIndex: LogIndex;
}

/** That of a new store. */
export const RAFT_STATE_AT_FIRST: RaftState = {
  hardState: { currentTerm: toTerm(0), votedFor: null },
  logStart: LOG_START,
  lastIndex: toLogIndex(0),
};

/**
 * The state once `batch` is written.
 *
 * @throws {InvariantError} when the batch cannot follow `before`.
 */
export function stateAfter(before: RaftState, batch: PersistBatch): RaftState {
  const hardState = batch.hardState ?? before.hardState;
  checkHardState(before.hardState, hardState);
  const started = startLog({ ...before, hardState }, batch);
  checkEntries(started, batch.entries);
  return { ...started, lastIndex: batch.entries.at(-1)?.index ?? started.lastIndex };
}

function checkHardState(before: HardState, after: HardState): void {
  const { currentTerm, votedFor } = before;
  assert(after.currentTerm >= currentTerm, "The current term would go backward");
  assert(
    after.currentTerm > currentTerm || votedFor === null || after.votedFor === votedFor,
    `The vote of term ${currentTerm} would change`,
  );
}

function startLog(before: RaftState, { logStart }: PersistBatch): RaftState {
  if (logStart === null) return before;
  const { position: { index, term }, keepsRest } = logStart;
  assert(index >= before.logStart.index, `The log would begin before entry ${index} again`);
  assert(term >= before.logStart.term, "The log would begin in a lower term than before");
  assert(term <= before.hardState.currentTerm, `The log would begin above the current term`);
  assert(!keepsRest || index <= before.lastIndex, `The log has no entry ${index} to begin after`);
  const lastIndex = keepsRest ? before.lastIndex : index;
  return { ...before, logStart: logStart.position, lastIndex };
}

function checkEntries(
  { hardState, logStart, lastIndex }: RaftState,
  entries: readonly Entry[],
): void {
  const first = entries[0]?.index ?? lastIndex + 1;
  assert(first > logStart.index, `Entry ${first} would stand before the log`);
  assert(first <= lastIndex + 1, `Entry ${first} would leave a gap`);
  let termBefore = logStart.term;
  entries.forEach(({ index, term }, position) => {
    assert(index === first + position, `Entry ${index} is not at its place in the batch`);
    assert(term >= termBefore, `Entry ${index} is of a lower term than the one before it`);
    assert(term <= hardState.currentTerm, `Entry ${index} is of a term above the current one`);
    termBefore = term;
  });
}

const DIGEST_AT_FIRST = encodeHex(digestRaftState(RAFT_STATE_AT_FIRST));

/**
 * One row of hard state, one row an entry, one row a term's certificate; each with the SHA-256 of
 * `row_digest.ts`. The hard state also holds where the log starts and its last index: it is written
 * in every transaction, so that a log whose end was lost shows, as one with a hole in it does. Rows
 * of entries at or before the start are no part of the log; they wait to be deleted.
 */
export const RAFT_SCHEMA: string = `
  CREATE TABLE hard_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    current_term INTEGER NOT NULL,
    voted_for TEXT,
    start_index INTEGER NOT NULL,
    start_term INTEGER NOT NULL,
    last_index INTEGER NOT NULL,
    sha256 BLOB NOT NULL
  ) STRICT;
  INSERT INTO hard_state VALUES (1, 0, NULL, 0, 0, 0, x'${DIGEST_AT_FIRST}');
  CREATE TABLE entries (
    log_index INTEGER PRIMARY KEY,
    term INTEGER NOT NULL,
    kind TEXT NOT NULL,
    data BLOB NOT NULL,
    sha256 BLOB NOT NULL
  ) STRICT;
  CREATE TABLE certificates (
    term INTEGER PRIMARY KEY,
    note TEXT NOT NULL,
    sha256 BLOB NOT NULL
  ) STRICT;
`;

/** The statements of a raft store, named after what they do. */
export interface RaftStatements {
  /** The one row. */
  readonly readState: StatementSync;
  /** current_term, voted_for, start_index, start_term, last_index, sha256. */
  readonly writeState: StatementSync;
  /** The entries after this log_index, in order, as many as the second value says. */
  readonly readEntries: StatementSync;
  /** The lowest log_index of any row, as `first_index`; null when there is none. */
  readonly readFirstIndex: StatementSync;
  /** Removes the entry with this log_index and all before it. */
  readonly deleteEntriesUpTo: StatementSync;
  /** Removes the entry with this log_index and all after it. */
  readonly deleteEntries: StatementSync;
  /** log_index, term, kind, data, sha256. */
  readonly insertEntry: StatementSync;
  /** Of one term. */
  readonly readCertificate: StatementSync;
  /** Of terms below the first value, newest first, as many as the second value says. */
  readonly readCertificates: StatementSync;
  /** term, note, sha256. */
  readonly insertCertificate: StatementSync;
}

/** Prepares all of them once: parsing SQL costs more than a small write. */
export function prepareRaftStatements(database: Database): RaftStatements {
  return {
    readState: database.prepare("SELECT * FROM hard_state WHERE id = 1"),
    writeState: database.prepare(
      "UPDATE hard_state SET current_term = ?, voted_for = ?, start_index = ?, start_term = ?, " +
        "last_index = ?, sha256 = ? WHERE id = 1",
    ),
    readEntries: database.prepare(
      "SELECT * FROM entries WHERE log_index > ? ORDER BY log_index LIMIT ?",
    ),
    readFirstIndex: database.prepare("SELECT min(log_index) AS first_index FROM entries"),
    deleteEntriesUpTo: database.prepare("DELETE FROM entries WHERE log_index <= ?"),
    deleteEntries: database.prepare("DELETE FROM entries WHERE log_index >= ?"),
    insertEntry: database.prepare(
      "INSERT INTO entries (log_index, term, kind, data, sha256) VALUES (?, ?, ?, ?, ?)",
    ),
    readCertificate: database.prepare("SELECT * FROM certificates WHERE term = ?"),
    readCertificates: database.prepare(
      "SELECT * FROM certificates WHERE term < ? ORDER BY term DESC LIMIT ?",
    ),
    // A term has one leader, so a second note says the same with another signature.
    insertCertificate: database.prepare(
      "INSERT OR IGNORE INTO certificates (term, note, sha256) VALUES (?, ?, ?)",
    ),
  };
}
