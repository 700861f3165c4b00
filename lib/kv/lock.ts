/**
 * Locks and elections for applications, on nothing but keys, leases and transactions, as etcd's
 * clients make them: so a lock that `etcdctl lock` takes is the same lock.
 *
 * Who wants lock `NAME` puts the key `NAME/LEASE`, its lease's id in hex, under that lease. The key
 * that was created first holds the lock; the others wait, each for the deletion of the one before
 * it, so one release wakes one. When a lease ends, so does its key, and with it the claim.
 *
 * The **fence** of a holder is its key's createRevision: it grows with every holder, because they
 * hold in the order in which they came. The condition `fence` of a transaction holds while the
 * lock's holder has that createRevision, so a holder that was stopped past its lease, and continues
 * as if it still held the lock, fails at the store.
 *
 * @module
 */

import { concatBytes, encodeUtf8 } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { KEY_BYTES_MAX, type KeyRange, keysWithPrefix, singleKey } from "./key_range.ts";
import type { Operation, Transaction } from "./transaction.ts";

/** Most hex digits of a lease's id. */
const LEASE_DIGITS_MAX = 16;
/** Most bytes in a lock's name, so that its keys fit. */
export const LOCK_NAME_BYTES_MAX: number = KEY_BYTES_MAX - 1 - LEASE_DIGITS_MAX;

const SLASH = 0x2f;

/**
 * Checks a lock's name.
 *
 * @throws {InputError} unless it is 1 to {@linkcode LOCK_NAME_BYTES_MAX} bytes.
 */
export function checkLockName(name: Uint8Array): void {
  if (name.length > 0 && name.length <= LOCK_NAME_BYTES_MAX) return;
  throw new InputError(
    `Cannot read lock: a name of ${name.length} bytes is not from 1 to ${LOCK_NAME_BYTES_MAX}`,
  );
}

/** The key by which a lease claims a lock. */
export function lockKey(name: Uint8Array, lease: number): Uint8Array {
  return concatBytes(name, Uint8Array.of(SLASH), encodeUtf8(lease.toString(16)));
}

/** Where the keys of a lock's claims are, and those of locks with longer names as well. */
export function lockKeys(name: Uint8Array): KeyRange {
  return keysWithPrefix(concatBytes(name, Uint8Array.of(SLASH)));
}

/**
 * Whether a key in {@linkcode lockKeys} under this lease is a claim to the lock: the keys of lock
 * `a/b` begin with `a/` as well, and are none to lock `a`.
 */
export function isClaim(
  { name, key, lease }: {
    readonly name: Uint8Array;
    readonly key: Uint8Array;
    readonly lease: number;
  },
): boolean {
  if (lease === 0) return false;
  const digits = encodeUtf8(lease.toString(16));
  const from = name.length + 1;
  return key.length === from + digits.length &&
    digits.every((digit, at) => digit === key[from + at]);
}

/**
 * Claims a lock, or finds the claim that is there already. The answer to the first read says which
 * createRevision the claim has; the second read has the claims, first come first.
 */
export function acquireTransaction(
  { name, lease, value }: {
    readonly name: Uint8Array;
    readonly lease: number;
    readonly value: Uint8Array;
  },
): Transaction {
  const key = lockKey(name, lease);
  const reads = [readClaims(singleKey(key)), readClaims(lockKeys(name))];
  return {
    conditions: [{ target: "exists", keys: singleKey(key), exists: false }],
    success: [{ kind: "put", key, value, lease, isPreviousWanted: false }, ...reads],
    failure: reads,
  };
}

/** Gives a lock up, or a claim to it, if the claim is still the one of this fence. */
export function releaseTransaction(
  { name, lease, fence }: {
    readonly name: Uint8Array;
    readonly lease: number;
    readonly fence: number;
  },
): Transaction {
  const keys = singleKey(lockKey(name, lease));
  return {
    conditions: [{ target: "createRevision", keys, relation: "=", number: fence }],
    success: [{ kind: "delete", keys, isPreviousWanted: false }],
    failure: [],
  };
}

function readClaims(keys: KeyRange): Operation {
  return {
    kind: "range",
    keys,
    sortBy: "createRevision",
    order: "ascending",
    show: "keys",
    countAll: false,
  };
}
