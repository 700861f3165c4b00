/**
 * Leases as the replicated state has them: their time to live and their keys. No clock is here:
 * that a lease has run out is said by an entry, see `lessor.ts`.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { InputError } from "../errors.ts";
import { type KeySource, OrderedIndex } from "./ordered_index.ts";

/** Most leases that there may be at once. */
export const LEASES_MAX = 100_000;
/** Shortest time to live. */
const LEASE_TTL_SECONDS_MIN = 1;
/** Longest time to live: a day. */
const LEASE_TTL_SECONDS_MAX = 86_400;
/**
 * Most keys that go with leases in one entry. A lease that has more goes on ending in the next
 * entries, and only when its last key is gone is it gone itself.
 */
export const LEASE_KEYS_PER_ENTRY = 1_000;

/** Why a lease ends: somebody revoked it, or nobody kept it alive. */
export type LeaseEnd = "revoked" | "expired";

/** A lease without its keys. */
export interface LeaseRow {
  /** Which one: a whole number from 1 to 2^53 - 1 that its client chose. */
  readonly id: number;
  /** How long it lives when nobody keeps it alive. */
  readonly ttlSeconds: number;
  /** Why it is ending, or null. One that ends takes no keys and is not kept alive any more. */
  readonly ending: LeaseEnd | null;
}

interface Lease {
  row: LeaseRow;
  /** Its keys in order, so that every node takes the same ones first. */
  readonly keys: OrderedIndex;
}

/** All leases. */
export class LeaseTable {
  readonly #source: KeySource;
  readonly #leases = new Map<number, Lease>();

  /** No leases, for keys that `source` knows. */
  constructor(source: KeySource) {
    this.#source = source;
  }

  /** How many there are. */
  get count(): number {
    return this.#leases.size;
  }

  /** A lease, or null. */
  get(id: number): LeaseRow | null {
    return this.#leases.get(id)?.row ?? null;
  }

  /** Whether a key may be put under this lease. */
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

  /** Removes a lease. Its keys are gone already. */
  delete(id: number): void {
    this.#leases.delete(id);
  }

  /** Every lease, by rising id. */
  rows(): readonly LeaseRow[] {
    return [...this.#leases.values()].map(({ row }) => row)
      .toSorted((left, right) => left.id - right.id);
  }

  /** Every lease in no order that means anything, without a copy. */
  *each(): Generator<LeaseRow, void> {
    for (const { row } of this.#leases.values()) yield row;
  }

  /** How many keys a lease has. */
  keyCount(id: number): number {
    return this.#leases.get(id)?.keys.count ?? 0;
  }

  /** The versions of a lease's keys, in order, the first `max`. */
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

  /** A key has this version now, under this lease. */
  attach(id: number, key: Uint8Array, handle: number): void {
    this.#of(id).keys.set(key, handle);
  }

  /** A key is not under this lease any more. */
  detach(id: number, key: Uint8Array): void {
    this.#of(id).keys.delete(key);
  }

  #of(id: number): Lease {
    return assertDefined(this.#leases.get(id), "A key under a lease that is not there");
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

const NO_BYTES = new Uint8Array(0);
