/**
 * The store in memory and its rows on disk: {@linkcode TableWriter} returns the changes since the last batch,
 * and {@linkcode StoreLoader} makes a store from rows.
 *
 * A batch moves the tables from one applied index to exactly one later index. It does not contain later
 * changes, even if they are already in memory. A key that changed more than once in a batch is written
 * once, and its history has each change. A row of history has the value **before** a change. The value
 * after it is in the next change of the key, or in the key's row.
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";
import { InputError } from "../errors.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import { keyText } from "./key_range.ts";
import type { LeaseRow } from "./lease_table.ts";
import type { ChangeKind, KeyValueRow } from "./record.ts";
import { Store, type StoreLimits } from "./store.ts";
import type { JournaledChange } from "./row_journal.ts";
import type { Token } from "./token.ts";
import type { RememberedRow } from "./write_memory.ts";

/** One change of one key. */
export interface HistoryRow {
  /** The log index of the write. */
  readonly revision: LogIndex;
  /** Its place among the changes of the revision, from 0. */
  readonly order: number;
  /** 1 to 1,024 bytes. */
  readonly key: Uint8Array;
  /** Whether it set or removed the key, and why. */
  readonly kind: ChangeKind;
  /** The key before the change; null when it did not exist. */
  readonly before: KeyValueRow | null;
}

/** The changes of one batch. The tables take all of them in one transaction. */
export interface TableBatch {
  /** After the batch, the tables have the effects of all entries up to this index, and of no later one. */
  readonly appliedIndex: LogIndex;
  /** The store's revision at that index. */
  readonly revision: LogIndex;
  /** Delete the rows of history up to this revision. */
  readonly compactedRevision: LogIndex;
  /**
   * Keys to set. Their bytes are views. These rows and those of the next two are made one by one as they are
   * read, until the batch is confirmed: all at once they would outlive the young generation of the heap.
   */
  readonly puts: Iterable<KeyValueRow>;
  /** Keys to remove, as views. */
  readonly deletes: Iterable<Uint8Array>;
  /** Rows of history to add, in order. Their bytes are views. */
  readonly history: Iterable<HistoryRow>;
  /** Leases to set; null means remove. */
  readonly leases: ReadonlyMap<number, LeaseRow | null>;
  /** Tokens to set; null means remove. */
  readonly tokens: ReadonlyMap<string, Token | null>;
  /** Remembered writes to add. */
  readonly remembered: readonly RememberedRow[];
  /** Afterwards, remove remembered writes up to this index; 0 means none. */
  readonly forgottenIndex: number;
}

/** The limits of one batch. A single entry that exceeds them still makes a batch. */
export interface BatchLimits {
  /** Most changes of rows. */
  readonly changesMax: number;
  /** Most bytes of keys and values. */
  readonly bytesMax: number;
}

/** Large enough that a transaction costs little for each row, small enough not to block the loop. */
export const BATCH_LIMITS: BatchLimits = { changesMax: 2_000, bytesMax: 4 * 1024 * 1024 };

/** The end of a batch: the last change of history, and how many changes of the journal. */
interface Taken {
  readonly appliedIndex: number;
  readonly sequence: number;
  readonly journaled: number;
}

/**
 * Returns batches, one at a time. Changes stay in memory until they are confirmed, so the history can exceed
 * its limits while the disk is slow.
 */
export class TableWriter {
  readonly #store: Store;
  #written: Taken;
  #revision: LogIndex;
  #taken: Taken | null = null;

  /** Begins with a store that equals its tables: it is new, or was just loaded. */
  constructor(store: Store) {
    this.#store = store;
    const { keys, journal, appliedIndex } = store;
    journal.open();
    keys.heldFrom = keys.history.end;
    this.#written = { appliedIndex, sequence: keys.history.end, journaled: 0 };
    this.#revision = keys.revision;
  }

  /** The index up to which batches were confirmed. The log may forget the entries up to it. */
  get writtenIndex(): LogIndex {
    return toLogIndex(this.#written.appliedIndex);
  }

  /** How many changes are not written yet. */
  get waiting(): number {
    return this.#store.keys.history.end - this.#written.sequence + this.#store.journal.count;
  }

  /** The next batch; null when the tables have everything. The batch before must be confirmed. */
  next(limits: BatchLimits = BATCH_LIMITS): TableBatch | null {
    assert(this.#taken === null, "only one batch at a time: the one before is not confirmed");
    if (this.#written.appliedIndex === this.#store.appliedIndex) return null;
    const taken = this.#take(limits);
    this.#taken = taken;
    return this.#toBatch(taken);
  }

  /** The batch is durable in the tables. */
  confirm(): void {
    const taken = assertDefined(this.#taken, "there is no batch to confirm");
    const { keys, journal } = this.#store;
    this.#revision = this.#revisionAfter(taken);
    this.#written = taken;
    this.#taken = null;
    journal.drop(taken.journaled);
    keys.heldFrom = taken.sequence;
    keys.forget(BATCH_LIMITS.changesMax);
  }

  /** Takes whole entries until the batch is full. */
  #take({ changesMax, bytesMax }: BatchLimits): Taken {
    const { keys: { history, records }, journal, appliedIndex } = this.#store;
    let { sequence } = this.#written;
    let journaled = 0;
    let bytes = 0;
    for (;;) {
      const index = Math.min(
        sequence < history.end ? history.revision(sequence) : Infinity,
        journal.peek(journaled)?.index ?? Infinity,
      );
      if (index === Infinity) return { appliedIndex, sequence, journaled };
      const changes = sequence - this.#written.sequence + journaled;
      if (changes > 0 && (changes >= changesMax || bytes >= bytesMax)) {
        return { appliedIndex: index - 1, sequence, journaled };
      }
      while (sequence < history.end && history.revision(sequence) === index) {
        bytes += records.sizeOf(history.handle(sequence++));
      }
      while (journal.peek(journaled)?.index === index) journaled++;
    }
  }

  #toBatch(taken: Taken): TableBatch {
    const { compactedRevision } = this.#store.keys;
    const { sequence: from } = this.#written;
    const revision = this.#revisionAfter(taken);
    return {
      appliedIndex: toLogIndex(taken.appliedIndex),
      revision,
      compactedRevision: toLogIndex(Math.min(compactedRevision, revision)),
      ...this.#keyRows(taken),
      history: { [Symbol.iterator]: () => this.#historyRows(from, taken.sequence) },
      ...toRows(
        Array.from(
          { length: taken.journaled },
          (_, distance) =>
            assertDefined(
              this.#store.journal.peek(distance),
              "the journal has fewer changes than the batch",
            ),
        ),
      ),
    };
  }

  #revisionAfter({ sequence }: Taken): LogIndex {
    if (sequence === this.#written.sequence) return this.#revision;
    return toLogIndex(this.#store.keys.history.revision(sequence - 1));
  }

  /** The last version of each key in the batch. */
  #keyRows({ sequence: end }: Taken): Pick<TableBatch, "puts" | "deletes"> {
    const { history, records } = this.#store.keys;
    const replaced = new Set<number>();
    for (let at = this.#written.sequence; at < end; at++) {
      replaced.add(records.previous(history.handle(at)));
    }
    const puts: number[] = [];
    const deletes: number[] = [];
    for (let at = this.#written.sequence; at < end; at++) {
      const handle = history.handle(at);
      if (replaced.has(handle)) continue;
      if (records.isLive(handle)) puts.push(handle);
      else deletes.push(handle);
    }
    return {
      puts: mapEach(puts, (handle) => records.view(handle)),
      deletes: mapEach(deletes, (handle) => records.key(handle)),
    };
  }

  *#historyRows(from: number, end: number): Generator<HistoryRow> {
    const { history, records } = this.#store.keys;
    let [last, order] = [0, 0];
    for (let at = from; at < end; at++) {
      const handle = history.handle(at);
      const previous = records.previous(handle);
      const revision = toLogIndex(history.revision(at));
      order = revision === last ? order + 1 : 0;
      last = revision;
      yield {
        revision,
        order,
        key: records.key(handle),
        kind: records.kind(handle),
        before: previous !== 0 && records.isLive(previous) ? records.view(previous) : null,
      };
    }
  }
}

/** Makes each row when it is read. */
function mapEach<Row>(
  handles: readonly number[],
  toRow: (handle: number) => Row,
): Iterable<Row> {
  return {
    *[Symbol.iterator]() {
      for (const handle of handles) yield toRow(handle);
    },
  };
}

function toRows(
  journaled: readonly JournaledChange[],
): Pick<TableBatch, "leases" | "tokens" | "remembered" | "forgottenIndex"> {
  const leases = new Map<number, LeaseRow | null>();
  const tokens = new Map<string, Token | null>();
  const added: RememberedRow[] = [];
  let forgottenIndex = 0;
  for (const { change } of journaled) {
    if (change.table === "lease") leases.set(change.id, change.row);
    else if (change.table === "token") tokens.set(change.id, change.row);
    else if (change.table === "remembered") added.push(change.row);
    else forgottenIndex = change.index;
  }
  const remembered = added.filter(({ index }) => index > forgottenIndex);
  return { leases, tokens, remembered, forgottenIndex };
}

/** The last loaded change of a key. Its version is in the key's next change, or in the key's row. */
interface LoadedChange {
  readonly key: Uint8Array;
  readonly kind: ChangeKind;
  readonly revision: number;
  readonly sequence: number;
  readonly previous: number;
}

/**
 * Makes a store from rows. The order is: leases, then keys (in rising order they take the least memory), then
 * history by rising revision and order. Tokens, and remembered writes by rising index, may come at any time.
 */
export class StoreLoader {
  readonly #store: Store;
  /** The last change of each key. */
  readonly #changes = new Map<string, LoadedChange>();
  /** Those of them that are not fitted to the keys yet. */
  readonly #unfitted = this.#changes.values();

  /** Begins with an empty store of these limits. */
  constructor(limits: StoreLimits = {}) {
    this.#store = new Store(limits);
  }

  /** Adds a lease. */
  lease(row: LeaseRow): void {
    this.#store.keys.leases.set(row);
  }

  /** Adds a key. @throws {InputError} when its lease does not exist. */
  key(row: KeyValueRow): void {
    if (row.lease !== 0 && this.#store.keys.leases.get(row.lease) === null) {
      throw new InputError(`Cannot read rows: a key's lease ${row.lease} is not there`);
    }
    this.#store.keys.load(row);
  }

  /** Adds a token. */
  token(row: Token): void {
    this.#store.tokens.set(row.id, row);
  }

  /** Adds a remembered write. */
  remembered(row: RememberedRow): void {
    this.#store.memory.add(row);
  }

  /** Adds a change. @throws {InputError} when it does not fit the changes before it. */
  history({ revision, key, kind, before }: HistoryRow): void {
    const { records, history } = this.#store.keys;
    const text = keyText(key);
    const last = this.#changes.get(text);
    if (last !== undefined && (last.kind === "put") !== (before !== null)) refuseHistory(revision);
    const version = before === null ? 0 : records.add(before);
    const previous = last === undefined ? version : this.#complete(last, version);
    const sequence = history.end;
    history.push(revision, 0);
    this.#changes.set(text, { key: key.slice(), kind, revision, sequence, previous });
  }

  /**
   * After all rows: fits the last changes of up to `keysMax` keys to the keys. Returns whether any are left.
   *
   * @throws {InputError} when history does not fit the keys.
   */
  fitSome(keysMax: number): boolean {
    for (let count = 0; count < keysMax; count++) {
      const next = this.#unfitted.next();
      if (next.done) return false;
      this.#fit(next.value);
    }
    return true;
  }

  /**
   * Ends the loading, with what {@linkcode fitSome} has left.
   *
   * @throws {InputError} when history does not fit the keys.
   */
  finish(
    { appliedIndex, revision, compactedRevision }: Pick<
      TableBatch,
      "appliedIndex" | "revision" | "compactedRevision"
    >,
  ): Store {
    this.fitSome(Infinity);
    this.#store.keys.loaded({ revision, compactedRevision });
    this.#store.loaded(appliedIndex);
    return this.#store;
  }

  #fit(change: LoadedChange): void {
    const { keys } = this.#store;
    const newest = keys.index.get(change.key);
    if ((change.kind === "put") !== (newest !== 0)) refuseHistory(change.revision);
    const version = this.#complete(change, newest);
    if (keys.records.modRevision(version) !== change.revision) refuseHistory(change.revision);
    if (newest === 0) keys.index.set(change.key, version);
  }

  /** Sets the version of a change, now that it is known; 0 means a tombstone. */
  #complete({ key, kind, revision, sequence, previous }: LoadedChange, version: number): number {
    const { records, history } = this.#store.keys;
    const handle = kind === "put"
      ? version
      : records.addTombstone({ key, modRevision: revision, kind });
    records.setPrevious(handle, previous);
    history.setHandle(sequence, handle);
    return handle;
  }
}

function refuseHistory(revision: number): never {
  throw new InputError(`Cannot read rows: the change at revision ${revision} does not fit its key`);
}
