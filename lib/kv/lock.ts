/**
 * Locks and elections for applications. They are made only of keys, leases and transactions, as etcd's
 * clients make them. So a lock of `etcdctl lock` is the same lock.
 *
 * A client that wants lock `NAME` puts the key `NAME/LEASE`, where `LEASE` is the id of its lease in hex, and
 * attaches the key to that lease. The key that was created first has the lock. Each other client waits until
 * the key before its own is deleted, so one release wakes one client. When a lease ends, its key is deleted,
 * and so the claim ends.
 *
 * The **fence** of a holder is the createRevision of its key. It grows with every holder, because the claims
 * hold the lock in the order of their creation. The condition `fence` of a transaction is true while the
 * lock's holder has that createRevision. So if a holder's process was stopped for longer than its lease, and
 * then goes on as if it still had the lock, its transaction fails at the store.
 *
 * @module
 */

import { concatBytes, encodeUtf8 } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { KEY_BYTES_MAX } from "../limits.ts";
import { type KeyRange, keysWithPrefix, singleKey } from "./key_range.ts";
import type { Operation, Transaction } from "./transaction.ts";

/** Most hex digits of a lease's id. */
const LEASE_DIGITS_MAX = 16;
/** Most bytes in a lock's name, so that its keys are not too long. */
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

/** The key with which a lease claims a lock. */
export function lockKey(name: Uint8Array, lease: number): Uint8Array {
  return concatBytes(name, Uint8Array.of(SLASH), encodeUtf8(lease.toString(16)));
}

/** The range of a lock's claims. It also contains the claims of locks with longer names. */
export function lockKeys(name: Uint8Array): KeyRange {
  return keysWithPrefix(concatBytes(name, Uint8Array.of(SLASH)));
}

/**
 * Whether a key in {@linkcode lockKeys} with this lease is a claim to the lock. The keys of lock `a/b` begin
 * with `a/` too, but are no claims to lock `a`.
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
 * Claims a lock, or finds the existing claim. The first read returns the createRevision of the claim. The
 * second read returns all claims, the oldest first.
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

/** Releases a lock, or withdraws a claim, if the claim still has this fence. */
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
