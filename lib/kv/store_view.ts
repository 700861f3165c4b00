/**
 * The read-only interface of a store.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import type { LogIndex } from "../types.ts";
import { keysWithPrefix } from "./key_range.ts";
import type { LeaseRow } from "./lease_table.ts";
import type { Unreadable } from "./multi_version_store.ts";
import { type RangeQuery, RangeReader, type RangeSlice, type SliceLimits } from "./range_reader.ts";
import type { KeyValueRow } from "./record.ts";
import type { Store } from "./store.ts";
import { readTransaction, type TransactionOutcome } from "./run_transaction.ts";
import type { Token } from "./token.ts";
import type { Transaction } from "./transaction.ts";

/** A range to read, at the present revision if it names none. */
export type RangeRequest = Omit<RangeQuery, "revision"> & { readonly revision?: LogIndex };

/** The reading of a range, slice by slice, at one revision. */
export interface RangeRead {
  /** The revision of all slices. */
  readonly revision: LogIndex;
  /**
   * Reads the next slice, now or later. Writes in the meantime do not change what it reads.
   *
   * @returns a refusal when the store has not reached the revision yet, or has forgotten it since.
   */
  next(limits?: SliceLimits): RangeSlice | Unreadable;
}

/**
 * One store for readers. It stays readable when a snapshot replaces the store: it then shows the last state
 * of the old store.
 */
export class StoreView {
  readonly #store: Store;

  /** Reads `store` as it is at each call. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** The index of the last applied entry. */
  get appliedIndex(): LogIndex {
    return this.#store.appliedIndex;
  }

  /** Revision of the last change; 0 when there was none. */
  get revision(): LogIndex {
    return this.#store.keys.revision;
  }

  /** The changes up to this revision are forgotten. Reads at this revision and later ones are possible. */
  get compactedRevision(): LogIndex {
    return this.#store.keys.compactedRevision;
  }

  /** How many keys there are. */
  get keyCount(): number {
    return this.#store.keys.liveKeys;
  }

  /** Bytes of keys and values in memory, including history. */
  get bytes(): number {
    return this.#store.keys.records.bytes;
  }

  /** Bytes reserved for them. */
  get reservedBytes(): number {
    return this.#store.keys.records.reservedBytes;
  }

  /** The newest version of a key, copied; null when there is no such key. */
  get(key: Uint8Array): KeyValueRow | null {
    return this.#copy(this.#store.keys.get(key));
  }

  /** A key at a revision, copied; null when it did not exist. Or why the revision cannot be read. */
  getAt(key: Uint8Array, revision: LogIndex): KeyValueRow | Unreadable | null {
    const refused = this.#store.keys.unreadable(revision, this.appliedIndex);
    return refused ?? this.#copy(this.#store.keys.getAt(key, revision));
  }

  /** Begins to read a range. */
  range(request: RangeRequest): RangeRead {
    const { keys } = this.#store;
    // The revision of the last change, not the applied index: it stays readable for longer.
    const { revision = keys.revision } = request;
    const reader = new RangeReader(keys, { ...request, revision });
    return { revision, next: (limits) => reader.next(this.#store.appliedIndex, limits) };
  }

  /** Runs a transaction that changes nothing, on the present store. */
  transaction(transaction: Transaction): TransactionOutcome {
    return readTransaction(this.#store.keys, transaction);
  }

  /** The API's token of this id, or null. */
  token(id: string): Token | null {
    return this.#store.tokens.get(id) ?? null;
  }

  /** The newest token with this name, or null. */
  tokenNamed(name: string): Token | null {
    let newest: Token | null = null;
    for (const token of this.#store.tokens.values()) {
      const isNewer = newest === null || token.createRevision > newest.createRevision;
      if (token.name === name && isNewer) newest = token;
    }
    return newest;
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

  /** Whether a token may use every key of a lease. */
  mayUseLease(id: number, { prefixes }: Pick<Token, "prefixes">): boolean {
    if (prefixes.length === 0) return true;
    const ranges = prefixes.map((prefix) => keysWithPrefix(encodeUtf8(prefix)));
    return this.#store.keys.leases.isWithin(id, ranges);
  }

  /** The first `max` keys of a lease in order, copied. */
  leaseKeys(id: number, max: number): readonly Uint8Array[] {
    const { leases, records } = this.#store.keys;
    return leases.keys(id, max).map((handle) => records.key(handle).slice());
  }

  #copy(handle: number): KeyValueRow | null {
    return handle === 0 ? null : this.#store.keys.records.copy(handle);
  }
}
