/**
 * The leases of the replicated state: their time to live and their keys. There is no clock here: an entry
 * says that a lease has expired, see `lessor.ts`.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { InputError } from "../errors.ts";
import { LEASE_TTL_SECONDS_MAX } from "../limits.ts";
import type { LogIndex } from "../types.ts";
import { inRange, type KeyRange } from "./key_range.ts";
import { type KeySource, OrderedIndex } from "./ordered_index.ts";

/** Most leases at one time. */
export const LEASES_MAX = 100_000;
/** Shortest time to live. */
const LEASE_TTL_SECONDS_MIN = 1;
/**
 * Most keys that one entry deletes with leases. If a lease has more keys, the next entries delete them. The
 * lease itself is removed with its last key.
 */
export const LEASE_KEYS_PER_ENTRY = 1_000;

/** Why a lease ends: a client revoked it, or no client kept it alive. */
export type LeaseEnd = "revoked" | "expired";

/** What a client knows of a lease. */
export interface LeaseTerms {
  /** A whole number from 1 to 2^53 - 1, which the client or its node chose. */
  readonly id: number;
  /** How long it lives without a keepalive. */
  readonly ttlSeconds: number;
  /** Why it is ending; null if it is not. An ending lease takes no more keys, and cannot be kept alive. */
  readonly ending: LeaseEnd | null;
}

/** A lease without its keys. */
export interface LeaseRow extends LeaseTerms {
  /** The entry that granted it. It tells a lease from an earlier one with the same id. */
  readonly grantedIndex: LogIndex;
}

interface Lease {
  row: LeaseRow;
  /** Its keys in order, so that every node deletes the same keys first. */
  readonly keys: OrderedIndex;
}

/** All leases. */
export class LeaseTable {
  readonly #source: KeySource;
  readonly #leases = new Map<number, Lease>();

  /** An empty table. `source` has the keys. */
  constructor(source: KeySource) {
    this.#source = source;
  }

  /** How many leases there are. */
  get count(): number {
    return this.#leases.size;
  }

  /** A lease, or null. */
  get(id: number): LeaseRow | null {
    return this.#leases.get(id)?.row ?? null;
  }

  /** Whether a key may be attached to this lease. */
  takesKeys(id: number): boolean {
    return this.get(id)?.ending === null;
  }

  /** Adds a lease, or changes why it ends. */
  set(row: LeaseRow): void {
    const lease = this.#leases.get(row.id);
    if (lease === undefined) {
      this.#leases.set(row.id, { row, keys: new OrderedIndex(this.#source) });
    } else lease.row = row;
  }

  /** Removes a lease. Its keys are already deleted. */
  delete(id: number): void {
    this.#leases.delete(id);
  }

  /** Every lease, by rising id. */
  rows(): readonly LeaseRow[] {
    return [...this.#leases.values()].map(({ row }) => row)
      .toSorted((left, right) => left.id - right.id);
  }

  /** Every lease, in no particular order, without a copy. */
  *each(): Generator<LeaseRow, void> {
    for (const { row } of this.#leases.values()) yield row;
  }

  /** How many keys a lease has. */
  keyCount(id: number): number {
    return this.#leases.get(id)?.keys.count ?? 0;
  }

  /** The versions of the first `max` keys of a lease, in order. */
  keys(id: number, max: number): readonly number[] {
    const handles: number[] = [];
    const lease = this.#leases.get(id);
    if (lease === undefined) return handles;
    const cursor = lease.keys.from(NO_BYTES);
    while (cursor.handle !== 0 && handles.length < max) {
      handles.push(cursor.handle);
      cursor.next();
    }
    return handles;
  }

  /**
   * Whether each key of a lease is in one of these ranges. Behind a key in a range, it looks next behind that
   * range: at one key for each range, not at every key.
   */
  isWithin(id: number, ranges: readonly KeyRange[]): boolean {
    const keys = this.#leases.get(id)?.keys;
    if (keys === undefined) return true;
    for (let from = NO_BYTES;;) {
      const { handle } = keys.from(from);
      if (handle === 0) return true;
      const key = this.#source.key(handle);
      const around = ranges.find((range) => inRange(range, key));
      if (around === undefined) return false;
      if (around.end === null) return true;
      from = around.end;
    }
  }

  /** Attaches the newest version of a key to a lease. */
  attach(id: number, key: Uint8Array, handle: number): void {
    this.#of(id).keys.set(key, handle);
  }

  /** Detaches a key from a lease. */
  detach(id: number, key: Uint8Array): void {
    this.#of(id).keys.delete(key);
  }

  #of(id: number): Lease {
    return assertDefined(this.#leases.get(id), "the key's lease does not exist");
  }
}

/**
 * Checks a lease's id.
 *
 * @throws {InputError} unless it is a whole number from 1 to 2^53 - 1.
 */
export function checkLeaseId(id: number): void {
  if (Number.isSafeInteger(id) && id > 0) return;
  throw new InputError(`Cannot read lease: its id ${id} is not a whole number from 1 to 2^53 - 1`);
}

/**
 * Checks a lease's time to live.
 *
 * @throws {InputError} unless it is a whole number of seconds from 1 to a day.
 */
export function checkLeaseTtl(ttlSeconds: number): void {
  const isWithin = Number.isSafeInteger(ttlSeconds) && ttlSeconds >= LEASE_TTL_SECONDS_MIN &&
    ttlSeconds <= LEASE_TTL_SECONDS_MAX;
  if (isWithin) return;
  throw new InputError(
    `Cannot read lease: ${ttlSeconds} seconds are not a whole number from ` +
      `${LEASE_TTL_SECONDS_MIN} to ${LEASE_TTL_SECONDS_MAX}`,
  );
}

const NO_BYTES: Uint8Array = new Uint8Array(0);
