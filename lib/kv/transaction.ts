/**
 * Transactions, as in etcd: conditions, the operations when all conditions are true, and the operations
 * otherwise. This file has their form and the rules that need no store. `run_transaction.ts` runs them.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { InputError } from "../errors.ts";
import { checkKeyBytes, VALUE_BYTES_MAX } from "../limits.ts";
import {
  checkRange,
  compareKeys,
  isBelow,
  isEmptyRange,
  type KeyRange,
  keyText,
} from "./key_range.ts";
import { checkLeaseId } from "./lease_table.ts";
import { checkLockName } from "./lock.ts";
import type { KeyOrder, RevisionFilter } from "./range_reader.ts";

/** Most operations that one transaction can run, including nested ones; and most conditions. */
export const OPERATIONS_MAX = 128;
/**
 * Most conditions and operations in a whole transaction, in the branches that do not run, too. Each nested
 * transaction has two branches, so without this limit few operations could run and millions be there.
 */
export const TRANSACTION_PARTS_MAX = 4 * OPERATIONS_MAX;
/** Most keys that the conditions, reads and deletes of one transaction read or remove together. */
export const TRANSACTION_KEYS_MAX = 10_000;

/** The comparisons of a condition: the key's field on the left, the condition's value on the right. */
export const RELATIONS = ["=", "!=", "<", ">"] as const;
/** How a condition compares a key's field with its own value. */
export type Relation = typeof RELATIONS[number];

/** The fields of a key that are numbers. */
export const NUMBER_TARGETS = ["modRevision", "createRevision", "version", "lease"] as const;
/** A field of a key that a condition compares as a number. */
export type NumberTarget = typeof NUMBER_TARGETS[number];

/**
 * A condition, which is checked before any operation is done. A condition on a range must be true for every
 * existing key in the range. If there is none, it is checked as for a key that does not exist.
 */
export type Condition =
  /**
   * Compares the value. For a key that does not exist, every comparison is false. Values are ordered by their
   * bytes.
   */
  | {
    readonly target: "value";
    readonly keys: KeyRange;
    readonly relation: Relation;
    readonly value: Uint8Array;
  }
  /** Compares a number. For a key that does not exist, every number is 0. */
  | {
    readonly target: NumberTarget;
    readonly keys: KeyRange;
    readonly relation: Relation;
    readonly number: number;
  }
  /** Whether the range has a key. */
  | { readonly target: "exists"; readonly keys: KeyRange; readonly exists: boolean }
  /** The lock is held, and its holder won it at this revision: see `lock.ts`. */
  | { readonly target: "fence"; readonly lock: Uint8Array; readonly revision: number };

/** The fields by which the rows of a read can be sorted. */
export const SORT_TARGETS = ["key", "version", "createRevision", "modRevision", "value"] as const;
/** The field by which a range is sorted. */
export type SortTarget = typeof SORT_TARGETS[number];

/** Sets a key. */
export interface PutOperation {
  /** The tag. */
  readonly kind: "put";
  /** 1 to 1,024 bytes. */
  readonly key: Uint8Array;
  /** The value. Null keeps the present value; without a present key the transaction is refused. */
  readonly value: Uint8Array | null;
  /** The lease; 0 for none. Null keeps the present lease; without a present key the transaction is refused. */
  readonly lease: number | null;
  /** Whether the answer contains the key as it was before. */
  readonly isPreviousWanted: boolean;
}

/** Reads keys, with the effects of the operations before it. */
export interface RangeOperation extends RevisionFilter {
  /** The tag. */
  readonly kind: "range";
  /** The keys to read. */
  readonly keys: KeyRange;
  /** Most rows; absent means all. */
  readonly limit?: number;
  /** The field by which the rows are sorted. */
  readonly sortBy: SortTarget;
  /** Ascending or descending. */
  readonly order: KeyOrder;
  /** Whole rows, rows without their values, or only their number. */
  readonly show: RangeShow;
  /** Also counts the keys beyond the limit. */
  readonly countAll: boolean;
}

/** What a read can return. */
export const RANGE_SHOWS = ["rows", "keys", "count"] as const;
/** Whether a range answers with rows, keys, or their number. */
export type RangeShow = typeof RANGE_SHOWS[number];

/** Removes keys. */
export interface DeleteOperation {
  /** The tag. */
  readonly kind: "delete";
  /** The keys to remove. */
  readonly keys: KeyRange;
  /** Whether the answer contains the keys as they were before. */
  readonly isPreviousWanted: boolean;
}

/** A transaction inside another. Its conditions are checked before any operation is done. */
export interface NestedOperation extends Transaction {
  /** The tag. */
  readonly kind: "transaction";
}

/** One step of a transaction. */
export type Operation = PutOperation | RangeOperation | DeleteOperation | NestedOperation;

/** A transaction takes effect as a whole, at one revision, or not at all. */
export interface Transaction {
  /** The conditions, which must all be true. */
  readonly conditions: readonly Condition[];
  /** The operations when all conditions are true, in this order. */
  readonly success: readonly Operation[];
  /** The operations otherwise, in this order. */
  readonly failure: readonly Operation[];
}

/**
 * Checks what can be checked in a transaction without a store: sizes, numbers, and that no key can change
 * twice.
 *
 * @throws {InputError} that says what is wrong, the value and the limit.
 */
export function checkTransaction(transaction: Transaction): void {
  const parts = partsOf(transaction);
  if (parts > TRANSACTION_PARTS_MAX) {
    throw new InputError(
      `Cannot read transaction: ${parts} operations and conditions in all its branches are above ` +
        `${TRANSACTION_PARTS_MAX}; divide it`,
    );
  }
  const count = countOf(transaction);
  if (count > OPERATIONS_MAX) {
    throw new InputError(
      `Cannot read transaction: ${count} operations or conditions are above ${OPERATIONS_MAX}; ` +
        "divide it",
    );
  }
  checkParts(transaction);
  checkNoneTwice(transaction.success);
  checkNoneTwice(transaction.failure);
}

/** Whether a transaction can change anything. */
export function isReadOnly({ success, failure }: Transaction): boolean {
  return [...success, ...failure].every((operation) =>
    operation.kind === "range" || (operation.kind === "transaction" && isReadOnly(operation))
  );
}

/** The number of conditions and operations in all branches of a transaction. */
function partsOf({ conditions, success, failure }: Transaction): number {
  return [...success, ...failure].reduce(
    (parts, operation) => parts + 1 + (operation.kind === "transaction" ? partsOf(operation) : 0),
    conditions.length,
  );
}

/** The number of conditions, or of operations that can run, including everything nested. */
function countOf({ conditions, success, failure }: Transaction): number {
  return Math.max(conditions.length, countOperations(success), countOperations(failure));
}

function countOperations(operations: readonly Operation[]): number {
  return operations.reduce(
    (count, operation) => count + 1 + (operation.kind === "transaction" ? countOf(operation) : 0),
    0,
  );
}

function checkParts({ conditions, success, failure }: Transaction): void {
  conditions.forEach(checkCondition);
  success.forEach(checkOperation);
  failure.forEach(checkOperation);
}

function checkCondition(condition: Condition): void {
  switch (condition.target) {
    case "fence":
      checkLockName(condition.lock);
      return checkNumber(condition.revision);
    case "value":
      checkRange(condition.keys);
      return checkValue(condition.value);
    case "exists":
      return checkRange(condition.keys);
    default:
      checkRange(condition.keys);
      return checkNumber(condition.number);
  }
}

function checkOperation(operation: Operation): void {
  switch (operation.kind) {
    case "put":
      checkKeyBytes(operation.key);
      if (operation.value !== null) checkValue(operation.value);
      if (operation.lease !== null && operation.lease !== 0) checkLeaseId(operation.lease);
      return;
    case "range":
      checkRange(operation.keys);
      return checkRangeNumbers(operation);
    case "delete":
      return checkRange(operation.keys);
    case "transaction":
      return checkParts(operation);
    default:
      return operation satisfies never;
  }
}

function checkRangeNumbers(operation: RangeOperation): void {
  const { limit, modRevisionMin, modRevisionMax, createRevisionMin, createRevisionMax } = operation;
  for (
    const number of [limit, modRevisionMin, modRevisionMax, createRevisionMin, createRevisionMax]
  ) {
    if (number !== undefined) checkNumber(number);
  }
  if (limit === 0) throw new InputError("Cannot read range: a limit of 0 asks for nothing");
}

function checkNumber(number: number): void {
  if (Number.isSafeInteger(number) && number >= 0) return;
  throw new InputError(
    `Cannot read transaction: ${number} is not a whole number from 0 to 2^53 - 1`,
  );
}

/** Checks a value. @throws {InputError} when it is longer than {@linkcode VALUE_BYTES_MAX}. */
function checkValue(value: Uint8Array): void {
  if (value.length > VALUE_BYTES_MAX) {
    throw new InputError(`Cannot read value: ${value.length} bytes are above ${VALUE_BYTES_MAX}`);
  }
}

/** Most transactions are one put, for which there is nothing to compare. */
function checkNoneTwice(operations: readonly Operation[]): void {
  const [first] = operations;
  if (operations.length > 1 || first?.kind === "transaction") changesOf(operations);
}

/** The keys that a list of operations can change. */
interface Changes {
  readonly puts: ReadonlyMap<string, Uint8Array>;
  readonly deletes: readonly KeyRange[];
}

/**
 * etcd's rule: if two operations can both run, they must not put the same key, and one must not put a key
 * that the other deletes. The two branches of a nested transaction never both run. Deletes may overlap: the
 * second one finds nothing.
 *
 * @throws {InputError} at the first key that could be changed twice.
 */
function changesOf(operations: readonly Operation[]): Changes {
  const each = operations.map(changesOfOne);
  const puts = new Map<string, Uint8Array>();
  for (const [text, key] of each.flatMap((changes) => [...changes.puts])) {
    if (puts.has(text)) refuseTwice(key);
    puts.set(text, key);
  }
  checkApart(each);
  return { puts, deletes: each.flatMap(({ deletes }) => deletes) };
}

/** A delete, and the two operations whose deletes reach furthest among it and those that begin before. */
interface Reach {
  readonly start: Uint8Array;
  readonly furthest: Bound;
  /** The furthest of all other operations. */
  readonly other: Bound;
}

/** Where the deletes of an operation end; null means at no key. */
interface Bound {
  readonly operation: number;
  readonly end: Uint8Array | null;
}

/**
 * Refuses a key that one operation puts and another one deletes. One branch of a nested transaction may put a
 * key that its other branch deletes. The deletes are sorted, so that each put needs one binary search.
 */
function checkApart(each: readonly Changes[]): void {
  if (each.every(({ deletes }) => deletes.length === 0)) return;
  const reaches = reachesOf(each);
  each.forEach(({ puts }, operation) => {
    for (const key of puts.values()) {
      const reach = lastBefore(reaches, key);
      if (reach === null) continue;
      const { furthest, other } = reach;
      const { operation: deleter, end } = furthest.operation === operation ? other : furthest;
      if (deleter !== NO_OPERATION && isBelow(key, end)) refuseTwice(key);
    }
  });
}

const NO_OPERATION = -1;
const NO_BOUND: Bound = { operation: NO_OPERATION, end: new Uint8Array(0) };

function reachesOf(each: readonly Changes[]): readonly Reach[] {
  let [furthest, other] = [NO_BOUND, NO_BOUND];
  return each
    .flatMap(({ deletes }, operation) => deletes.map((keys) => ({ ...keys, operation })))
    .toSorted((left, right) => compareKeys(left.start, right.start))
    .map(({ start, end, operation }) => {
      const bound = { operation, end };
      if (operation === furthest.operation) furthest = further(bound, furthest);
      else if (further(bound, furthest) === bound) [furthest, other] = [bound, furthest];
      else other = further(bound, other);
      return { start, furthest, other };
    });
}

function further(left: Bound, right: Bound): Bound {
  return right.end === null || (left.end !== null && compareKeys(left.end, right.end) <= 0)
    ? right
    : left;
}

/** The last one that begins at a key or before it. */
function lastBefore(reaches: readonly Reach[], key: Uint8Array): Reach | null {
  let [low, high] = [0, reaches.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const reach = assertDefined(reaches[middle], "the middle is inside");
    if (compareKeys(reach.start, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return reaches[low - 1] ?? null;
}

function changesOfOne(operation: Operation): Changes {
  switch (operation.kind) {
    case "put":
      return { puts: new Map([[keyText(operation.key), operation.key]]), deletes: [] };
    case "delete":
      return { puts: new Map(), deletes: isEmptyRange(operation.keys) ? [] : [operation.keys] };
    case "range":
      return { puts: new Map(), deletes: [] };
    case "transaction": {
      const success = changesOf(operation.success);
      const failure = changesOf(operation.failure);
      return {
        puts: new Map([...success.puts, ...failure.puts]),
        deletes: [...success.deletes, ...failure.deletes],
      };
    }
    default:
      return operation satisfies never;
  }
}

function refuseTwice(key: Uint8Array): never {
  const shown = new TextDecoder().decode(key.subarray(0, 80));
  throw new InputError(
    `Cannot read transaction: it could change key ${JSON.stringify(shown)} twice`,
  );
}
