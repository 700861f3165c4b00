/**
 * The tables of `raft.db`, and the statements that touch them.
 *
 * @module
 */

import type { StatementSync } from "node:sqlite";
import { encodeHex } from "../bytes.ts";
import type { Database } from "./database.ts";
import { RAFT_STATE_AT_FIRST } from "./raft_state.ts";
import { digestRaftState } from "./row_digest.ts";

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
