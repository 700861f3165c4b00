/**
 * What Raft must not forget (Figure 2, "Persistent state on all servers"), and the certificates.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { InputError } from "../errors.ts";
import type { DurableState, Entry, LogPosition, LogStart, PersistBatch } from "../raft/mod.ts";
import { type LogIndex, type Term, toLogIndex, toNodeId, toTerm } from "../types.ts";
import { bytesIn, type Database, type Row } from "./database.ts";
import { openDatabase, type StoreOptions } from "./open_database.ts";
import {
  prepareRaftStatements,
  RAFT_SCHEMA,
  type RaftState,
  type RaftStatements,
  stateAfter,
} from "./raft_tables.ts";
import { checkDigest, digestCertificate, digestEntry, digestRaftState } from "./row_digest.ts";
import { RAFT_WAY_BACK } from "./storage_error.ts";

/** The database of a {@linkcode RaftStore} in the data folder. */
export const RAFT_FILE = "raft.db";

/**
 * How many rows before the log's start a batch deletes besides writing its own. To delete 100,000
 * rows of 1 KiB at once would take 170 ms; so that nobody waits for it, the rows go little by little.
 */
export const DELETED_PER_BATCH = 128;

/**
 * Opens the store of one node, or makes it when its folder never had one.
 *
 * @throws {EnvironmentError} when another process uses the folder, or the disk fails.
 * @throws {InputError} when the folder belongs to another cluster or node.
 * @throws {CorruptionError} when something is damaged or missing.
 */
export function openRaftStore(options: StoreOptions): RaftStore {
  const database = openDatabase({
    ...options,
    file: RAFT_FILE,
    schema: RAFT_SCHEMA,
    synchronous: "FULL",
    // kv.db is only ever made after raft.db, and moving it away is no reason to doubt raft.db.
    companion: "kv.db",
    isChecked: false,
    wayBack: RAFT_WAY_BACK,
  });
  try {
    return new RaftStore(database);
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The durable half of a Raft node. The log itself lives in the core's memory; this mirrors it. */
export class RaftStore {
  readonly #database: Database;
  readonly #statements: RaftStatements;
  #state: RaftState;
  /** No row stands before this index. Below the log's start, rows only wait to be deleted. */
  #firstRow: number;
  #lastSequence = 0;

  /** Takes over an opened database; see {@linkcode openRaftStore}. */
  constructor(database: Database) {
    this.#database = database;
    this.#statements = prepareRaftStatements(database);
    this.#state = this.#readState();
    this.#firstRow = this.#readFirstRow();
  }

  /** The place before the log's first entry. */
  get logStart(): LogPosition {
    return this.#state.logStart;
  }

  /** Index of the last entry in the store; where the log starts when it is empty. */
  get lastIndex(): LogIndex {
    return this.#state.lastIndex;
  }

  /**
   * Reads everything back and checks it: each row against its hash, the log for gaps and falling
   * terms, its end against the hard state. For the start of a node.
   *
   * @throws {CorruptionError} at the first thing that is not as it was written.
   */
  load(): DurableState {
    const entries = this.#readEntries();
    const { hardState, logStart, lastIndex } = this.#state;
    const end = entries.at(-1) ?? logStart;
    if (end.index !== lastIndex) {
      throw this.#database.corruption(
        `its log ends at entry ${end.index}, but was written up to ${lastIndex}`,
      );
    }
    if (end.term > hardState.currentTerm) {
      throw this.#database.corruption(
        `entry ${end.index} is of term ${end.term}, above the current term ` +
          `${hardState.currentTerm}`,
      );
    }
    return { hardState, logStart, entries, currentTermNote: this.election(hardState.currentTerm) };
  }

  /**
   * Writes a batch: hard state, the log's start, entries in place of whatever is at or above the
   * first one's index, certificates. All of it, or nothing, survives; on return it is durable, by one
   * fsync. What stands before the log's start is no part of it from then on, though its rows
   * are deleted later, {@linkcode DELETED_PER_BATCH} at a time.
   *
   * @throws {EnvironmentError} when the disk fails; the store is then unusable for good.
   * @throws {InvariantError} when the batch cannot follow what the store holds.
   */
  persist(batch: PersistBatch): void {
    assert(batch.sequence > this.#lastSequence, `Batch ${batch.sequence} was persisted already`);
    const state = stateAfter(this.#state, batch);
    const firstRow = this.#database.transaction(() => {
      if (batch.logStart !== null) this.#writeLogStart(batch.logStart);
      this.#writeEntries(batch.entries);
      for (const { term, note } of batch.certificates) this.#writeCertificate(term, note);
      this.#writeState(state);
      return this.#deleteSomeBefore(state.logStart, DELETED_PER_BATCH + batch.entries.length);
    });
    this.#state = state;
    this.#firstRow = firstRow;
    this.#lastSequence = batch.sequence;
  }

  /** The signed note of one term's leader, or null when this node kept none. */
  election(term: Term): string | null {
    const row = this.#database.get(this.#statements.readCertificate, term);
    return row === undefined ? null : this.#readNote(row);
  }

  /** Signed notes by falling term: at most `limit` of them, of terms below `before` if given. */
  elections(
    { limit, before }: { readonly limit: number; readonly before?: Term | undefined },
  ): readonly string[] {
    const below = before ?? Number.MAX_SAFE_INTEGER;
    const rows = this.#database.all(this.#statements.readCertificates, below, limit);
    return rows.map((row) => this.#readNote(row));
  }

  /** Closes the store. Without it nothing is lost; with it the next start is shorter. */
  close(): void {
    this.#database.close();
  }

  #writeLogStart({ position, keepsRest }: LogStart): void {
    // At most what a leader may leave uncommitted, and only when logs conflict: no need for slices.
    if (!keepsRest) this.#database.run(this.#statements.deleteEntries, position.index + 1);
  }

  /** Deletes the rows of at most `count` entries before the log's start; the next one to delete. */
  #deleteSomeBefore({ index }: LogPosition, count: number): number {
    const last = Math.min(index, this.#firstRow + count - 1);
    if (last < this.#firstRow) return this.#firstRow;
    this.#database.run(this.#statements.deleteEntriesUpTo, last);
    return last + 1;
  }

  #writeEntries(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    this.#database.run(this.#statements.deleteEntries, first.index);
    for (const entry of entries) {
      const { index, term, kind, data } = entry;
      const digest = digestEntry(entry);
      this.#database.run(this.#statements.insertEntry, index, term, kind, data, digest);
    }
  }

  #writeCertificate(term: Term, note: string): void {
    const digest = digestCertificate(term, note);
    this.#database.run(this.#statements.insertCertificate, term, note, digest);
  }

  #writeState(state: RaftState): void {
    const { hardState, logStart, lastIndex } = state;
    this.#database.run(
      this.#statements.writeState,
      hardState.currentTerm,
      hardState.votedFor,
      logStart.index,
      logStart.term,
      lastIndex,
      digestRaftState(state),
    );
  }

  #readState(): RaftState {
    const row = this.#database.get(this.#statements.readState);
    if (row === undefined) throw this.#database.corruption("its hard state is missing");
    return this.#database.readRow(() => "its hard state", () => toRaftState(row));
  }

  #readFirstRow(): number {
    const first = this.#database.get(this.#statements.readFirstIndex)?.["first_index"];
    return typeof first === "number" ? first : this.#state.logStart.index + 1;
  }

  #readEntries(): readonly Entry[] {
    const entries: Entry[] = [];
    let { index: lastIndex, term: lastTerm }: LogPosition = this.#state.logStart;
    const after = { column: "log_index", above: lastIndex };
    for (const row of this.#database.iterate(this.#statements.readEntries, after)) {
      const index = lastIndex + 1;
      if (row["log_index"] !== index) {
        throw this.#database.corruption(`entry ${index} is missing from its log`);
      }
      const entry = this.#database.readRow(() => `entry ${index}`, () => toEntry(row));
      if (entry.term < lastTerm) {
        throw this.#database.corruption(`entry ${index} is of a lower term than the one before it`);
      }
      ({ index: lastIndex, term: lastTerm } = entry);
      entries.push(entry);
    }
    return entries;
  }

  #readNote(row: Row): string {
    const what = () => `the certificate of term ${row["term"]}`;
    return this.#database.readRow(what, () => {
      const note = String(row["note"]);
      checkDigest(row, digestCertificate(toTerm(row["term"]), note));
      return note;
    });
  }
}

function toRaftState(row: Row): RaftState {
  const votedFor = row["voted_for"] === null ? null : toNodeId(row["voted_for"]);
  const state: RaftState = {
    hardState: { currentTerm: toTerm(row["current_term"]), votedFor },
    logStart: { index: toLogIndex(row["start_index"]), term: toTerm(row["start_term"]) },
    lastIndex: toLogIndex(row["last_index"]),
  };
  checkDigest(row, digestRaftState(state));
  return state;
}

function toEntry(row: Row): Entry {
  const { kind } = row;
  if (kind !== "certificate" && kind !== "command") throw new InputError(`its kind is ${kind}`);
  const entry: Entry = {
    index: toLogIndex(row["log_index"]),
    term: toTerm(row["term"]),
    kind,
    data: bytesIn(row, "data"),
  };
  checkDigest(row, digestEntry(entry));
  return entry;
}
