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
export function accessOf({ conditions, success, failure }: Transaction): KeyAccess {
  const parts = [...success, ...failure].map(accessOfOperation);
  const compared = conditions.map((condition) =>
    condition.target === "fence" ? lockKeys(condition.lock) : condition.keys
  );
  return {
    reads: [...compared, ...parts.flatMap(({ reads }) => reads)],
    writes: parts.flatMap(({ writes }) => writes),
  };
}

function accessOfOperation(operation: Operation): KeyAccess {
  switch (operation.kind) {
    case "put": {
      const keys = [singleKey(operation.key)];
      const isKept = operation.value === null || operation.lease === null;
      return { reads: operation.isPreviousWanted || isKept ? keys : [], writes: keys };
    }
    case "range":
      return { reads: [operation.keys], writes: [] };
    case "delete": {
      const keys = [operation.keys];
      return { reads: operation.isPreviousWanted ? keys : [], writes: keys };
    }
    case "transaction":
      return accessOf(operation);
    default:
      return operation satisfies never;
  }
}
