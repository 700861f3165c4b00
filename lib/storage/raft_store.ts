/**
 * What Raft must not forget (Figure 2, "Persistent state on all servers"), and the certificates.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { InputError } from "../errors.ts";
import {
  type DurableState,
  type Entry,
  type HardState,
  LOG_START,
  type PersistBatch,
} from "../raft/entry.ts";
import { type LogIndex, type Term, toLogIndex, toNodeId, toTerm } from "../types.ts";
import { RAFT_WAY_BACK } from "./corruption_error.ts";
import type { Database, Row } from "./database.ts";
import { openDatabase, type StoreOptions } from "./open_database.ts";
import { prepareRaftStatements, RAFT_SCHEMA, type RaftStatements } from "./raft_schema.ts";
import { checkDigest, digestCertificate, digestEntry, digestHardState } from "./row_digest.ts";

/** The database of a {@linkcode RaftStore} in the data folder. */
export const RAFT_FILE = "raft.db";

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
  #hardState: HardState = { currentTerm: toTerm(0), votedFor: null };
  #lastIndex: LogIndex = toLogIndex(0);
  #lastSequence = 0;

  /** Takes over an opened database; see {@linkcode openRaftStore}. */
  constructor(database: Database) {
    this.#database = database;
    this.#statements = prepareRaftStatements(database);
    this.#readHardState();
  }

  /** Index of the last entry in the store; 0 when the log is empty. */
  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  /**
   * Reads everything back and checks it: each row against its hash, the log for gaps and falling
   * terms, its end against the hard state. For the start of a node.
   *
   * @throws {CorruptionError} at the first thing that is not as it was written.
   */
  load(): DurableState {
    const entries = this.#readEntries();
    const { currentTerm } = this.#hardState;
    const last = entries.at(-1);
    if ((last?.index ?? 0) !== this.#lastIndex) {
      throw this.#database.corruption(
        `its log ends at entry ${last?.index ?? 0}, but was written up to ${this.#lastIndex}`,
      );
    }
    if (last !== undefined && last.term > currentTerm) {
      throw this.#database.corruption(
        `entry ${last.index} is of term ${last.term}, above the current term ${currentTerm}`,
      );
    }
    const currentTermNote = this.election(currentTerm);
    return { hardState: this.#hardState, logStart: LOG_START, entries, currentTermNote };
  }

  /**
   * Writes a batch: hard state, entries in place of whatever is at or above the first one's index,
   * certificates. All of it, or nothing, survives; on return it is durable, by one fsync.
   *
   * @throws {EnvironmentError} when the disk fails; the store is then unusable for good.
   * @throws {InvariantError} when the batch cannot follow what the store holds.
   */
  persist(batch: PersistBatch): void {
    const hardState = batch.hardState ?? this.#hardState;
    const lastIndex = batch.entries.at(-1)?.index ?? this.#lastIndex;
    this.#checkBatch(batch, hardState);
    this.#database.transaction(() => {
      this.#writeEntries(batch.entries);
      for (const { term, note } of batch.certificates) this.#writeCertificate(term, note);
      this.#writeHardState(hardState, lastIndex);
    });
    this.#hardState = hardState;
    this.#lastIndex = lastIndex;
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

  #checkBatch(batch: PersistBatch, hardState: HardState): void {
    assert(batch.sequence > this.#lastSequence, `Batch ${batch.sequence} was persisted already`);
    const { currentTerm, votedFor } = this.#hardState;
    assert(hardState.currentTerm >= currentTerm, "The current term would go backward");
    assert(
      hardState.currentTerm > currentTerm || votedFor === null || hardState.votedFor === votedFor,
      `The vote of term ${currentTerm} would change`,
    );
    const first = batch.entries[0]?.index ?? 1;
    assert(first >= 1 && first <= this.#lastIndex + 1, `Entry ${first} would leave a gap`);
    let termBefore = 0;
    batch.entries.forEach(({ index, term }, position) => {
      assert(index === first + position, `Entry ${index} is not at its place in the batch`);
      assert(term >= termBefore, `Entry ${index} is of a lower term than the one before it`);
      assert(term <= hardState.currentTerm, `Entry ${index} is of a term above the current one`);
      termBefore = term;
    });
  }

  #writeEntries(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    if (first.index <= this.#lastIndex) {
      this.#database.run(this.#statements.deleteEntries, first.index);
    }
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

  #writeHardState(hardState: HardState, lastIndex: LogIndex): void {
    this.#database.run(
      this.#statements.writeHardState,
      hardState.currentTerm,
      hardState.votedFor,
      lastIndex,
      digestHardState(hardState, lastIndex),
    );
  }

  #readHardState(): void {
    const row = this.#database.get(this.#statements.readHardState);
    if (row === undefined) throw this.#database.corruption("its hard state is missing");
    this.#readRow("its hard state", () => {
      const currentTerm = toTerm(row["current_term"]);
      const votedFor = row["voted_for"] === null ? null : toNodeId(row["voted_for"]);
      this.#hardState = { currentTerm, votedFor };
      this.#lastIndex = toLogIndex(row["last_index"]);
      checkDigest(row, digestHardState(this.#hardState, this.#lastIndex));
    });
  }

  #readEntries(): readonly Entry[] {
    const entries: Entry[] = [];
    let lastTerm = toTerm(0);
    for (const row of this.#database.iterate(this.#statements.readEntries)) {
      const index = entries.length + 1;
      if (row["log_index"] !== index) {
        throw this.#database.corruption(`entry ${index} is missing from its log`);
      }
      const entry = this.#readRow(`entry ${index}`, () => toEntry(row));
      if (entry.term < lastTerm) {
        throw this.#database.corruption(`entry ${index} is of a lower term than the one before it`);
      }
      lastTerm = entry.term;
      entries.push(entry);
    }
    return entries;
  }

  #readNote(row: Row): string {
    return this.#readRow(`the certificate of term ${row["term"]}`, () => {
      const note = String(row["note"]);
      checkDigest(row, digestCertificate(toTerm(row["term"]), note));
      return note;
    });
  }

  #readRow<Result>(what: string, read: () => Result): Result {
    try {
      return read();
    } catch (cause) {
      if (!(cause instanceof InputError)) throw cause;
      throw this.#database.corruption(`${what} is damaged: ${cause.message}`, cause);
    }
  }
}

function toEntry(row: Row): Entry {
  const { kind, data } = row;
  if (kind !== "certificate" && kind !== "command") throw new InputError(`its kind is ${kind}`);
  if (!(data instanceof Uint8Array)) throw new InputError("its data is not a byte string");
  const entry: Entry = {
    index: toLogIndex(row["log_index"]),
    term: toTerm(row["term"]),
    kind,
    data,
  };
  checkDigest(row, digestEntry(entry));
  return entry;
}
