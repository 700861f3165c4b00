/**
 * Which keys a command reads and changes, for who asks whether a token allows it.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import { type KeyRange, keysWithPrefix, rangeCovers, singleKey } from "./key_range.ts";
import { lockKeys } from "./lock.ts";
import type { Token } from "./token.ts";
import type { Operation, Transaction } from "./transaction.ts";

/** The keys that are read or changed. */
export interface KeyAccess {
  /** Their keys or values show in the answer, or decide what is done. */
  readonly reads: readonly KeyRange[];
  /** They may change. */
  readonly writes: readonly KeyRange[];
}

/** Whether a token's prefixes let it touch every key of a range. */
export function coversRange({ prefixes }: Pick<Token, "prefixes">, keys: KeyRange): boolean {
  return prefixes.length === 0 ||
    prefixes.some((prefix) => rangeCovers(keysWithPrefix(encodeUtf8(prefix)), keys));
}

/**
 * All keys that a transaction can read or change, whichever way it takes: conditions are reads,
 * since they tell what is there, and so is what a change shows of the value before or keeps of it.
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
