/**
 * What a reader may see of a store: everything, and nothing that changes it.
 *
 * @module
 */

import type { LogIndex } from "../types.ts";
import type { LeaseRow } from "./lease_table.ts";
import type { Unreadable } from "./multi_version_store.ts";
import { type RangeQuery, RangeReader, type RangeSlice, type SliceLimits } from "./range_reader.ts";
import type { KeyValueRow } from "./record.ts";
import type { Store } from "./store.ts";
import { readTransaction, type TransactionOutcome } from "./run_transaction.ts";
import type { Token } from "./token.ts";
import type { Transaction } from "./transaction.ts";

/** A range to be read, now unless it names a revision. */
export type RangeRequest = Omit<RangeQuery, "revision"> & { readonly revision?: LogIndex };

/** A range that is being read, slice by slice, all at one revision. */
export interface RangeRead {
  /** At which all slices are. */
  readonly revision: LogIndex;
  /**
   * Reads the next slice, now or later: what is written meanwhile changes nothing of what it reads.
   *
   * @returns a refusal when the revision is not there yet, or, between two slices, not any more.
   */
  next(limits?: SliceLimits): RangeSlice | Unreadable;
}

/**
 * One store, to be read. It stays readable when a snapshot takes the store's place: then it shows the
 * store as that was at the end.
 */
export class StoreView {
  readonly #store: Store;

  /** Reads `store` as it is at each call. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** How far the log has been applied. */
  get appliedIndex(): LogIndex {
    return this.#store.appliedIndex;
  }

  /** Revision of the last change; 0 when there was none. */
  get revision(): LogIndex {
    return this.#store.keys.revision;
  }

  /** The changes up to this revision are forgotten here: reads are possible from it on. */
  get compactedRevision(): LogIndex {
    return this.#store.keys.compactedRevision;
  }

  /** How many keys there are. */
  get keyCount(): number {
    return this.#store.keys.liveKeys;
  }

  /** Bytes that keys and values take in memory, history included. */
  get bytes(): number {
    return this.#store.keys.records.bytes;
  }

  /** Bytes that are set aside for them. */
  get reservedBytes(): number {
    return this.#store.keys.records.reservedBytes;
  }

  /** A key as it is now, copied, or null. */
  get(key: Uint8Array): KeyValueRow | null {
    return this.#copy(this.#store.keys.get(key));
  }

  /** A key as it was at a revision, copied, or null; or why that cannot be read. */
  getAt(key: Uint8Array, revision: LogIndex): KeyValueRow | Unreadable | null {
    const refused = this.#store.keys.unreadable(revision, this.appliedIndex);
    return refused ?? this.#copy(this.#store.keys.getAt(key, revision));
  }

  /** Begins to read a range. */
  range(request: RangeRequest): RangeRead {
    const { keys } = this.#store;
    // A revision that nothing changed at since stays readable longest.
    const { revision = keys.revision } = request;
    const reader = new RangeReader(keys, { ...request, revision });
    return { revision, next: (limits) => reader.next(this.#store.appliedIndex, limits) };
  }

  /** Does a transaction that changes nothing, as the store is now. */
  transaction(transaction: Transaction): TransactionOutcome {
    return readTransaction(this.#store.keys, transaction);
  }

  /** The API's token of this id, or null. */
  token(id: string): Token | null {
    return this.#store.tokens.get(id) ?? null;
  }

  /** Every token of the API, by rising id. */
  tokens(): readonly Token[] {
    return this.#store.tokenRows();
  }

  /** A lease, or null. */
  lease(id: number): LeaseRow | null {
    return this.#store.keys.leases.get(id);
  }

  /** Every lease, by rising id. */
  leases(): readonly LeaseRow[] {
    return this.#store.keys.leases.rows();
  }

  /** How many keys a lease has. */
  leaseKeyCount(id: number): number {
    return this.#store.keys.leases.keyCount(id);
  }

  /** The keys of a lease in order, copied, the first `max`. */
  leaseKeys(id: number, max: number): readonly Uint8Array[] {
    const { leases, records } = this.#store.keys;
    return leases.keys(id, max).map((handle) => records.key(handle).slice());
  }

  #copy(handle: number): KeyValueRow | null {
    return handle === 0 ? null : this.#store.keys.records.copy(handle);
  }
}
