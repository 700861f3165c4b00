/**
 * Which keys a command reads and changes. The authorization of a token depends on it.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import { type KeyRange, keysWithPrefix, rangeCovers, singleKey } from "./key_range.ts";
import { lockKeys } from "./lock.ts";
import type { Token } from "./token.ts";
import type { Operation, Transaction } from "./transaction.ts";

/** The keys that a command can read or change. */
export interface KeyAccess {
  /** Keys that appear in the answer with their values, or decide what is done. */
  readonly reads: readonly KeyRange[];
  /** Keys that can change. */
  readonly writes: readonly KeyRange[];
}

/** Whether a token's prefixes cover every key of a range. */
export function coversRange({ prefixes }: Pick<Token, "prefixes">, keys: KeyRange): boolean {
  return prefixes.length === 0 ||
    prefixes.some((prefix) => rangeCovers(keysWithPrefix(encodeUtf8(prefix)), keys));
}

/**
 * All keys that a transaction can read or change, on every path through it. Conditions are reads, because
 * their result shows what is there. A change is also a read when it returns or keeps a part of the old value.
 */
export function accessOf(transaction: Transaction): KeyAccess {
  const access = { reads: [], writes: [] };
  addTransaction(access, transaction);
  return access;
}

interface Found {
  readonly reads: KeyRange[];
  readonly writes: KeyRange[];
}

function addTransaction(found: Found, { conditions, success, failure }: Transaction): void {
  for (const condition of conditions) {
    found.reads.push(condition.target === "fence" ? lockKeys(condition.lock) : condition.keys);
  }
  for (const operation of success) addOperation(found, operation);
  for (const operation of failure) addOperation(found, operation);
}

function addOperation(found: Found, operation: Operation): void {
  switch (operation.kind) {
    case "put": {
      const keys = singleKey(operation.key);
      const isKept = operation.value === null || operation.lease === null;
      if (operation.isPreviousWanted || isKept) found.reads.push(keys);
      found.writes.push(keys);
      return;
    }
    case "range":
      found.reads.push(operation.keys);
      return;
    case "delete":
      if (operation.isPreviousWanted) found.reads.push(operation.keys);
      found.writes.push(operation.keys);
      return;
    case "transaction":
      return addTransaction(found, operation);
    default:
      operation satisfies never;
  }
}
