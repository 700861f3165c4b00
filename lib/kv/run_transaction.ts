/**
 * Runs transactions: first all conditions, including those of nested transactions, then the operations of the
 * branches that the conditions chose. If one operation cannot be done, the whole transaction is undone.
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";
import { catching } from "../errors.ts";
import { TRANSACTION_BYTES_MAX } from "../limits.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import { compareValues, type KeyRange } from "./key_range.ts";
import { isClaim, lockKeys } from "./lock.ts";
import type { MultiVersionStore } from "./multi_version_store.ts";
import { passesFilter, Scan } from "./range_reader.ts";
import type { KeyValueRow } from "./record.ts";
import {
  type Condition,
  type DeleteOperation,
  isReadOnly,
  type NumberTarget,
  type Operation,
  type PutOperation,
  type RangeOperation,
  type Relation,
  type Transaction,
  TRANSACTION_KEYS_MAX,
} from "./transaction.ts";

/** The result of one operation. */
export type OperationAnswer =
  /**
   * The key's revisions and version now. `previous` is there only if it is wanted; null means that the key
   * did not exist.
   */
  | {
    readonly kind: "put";
    readonly createRevision: LogIndex;
    readonly version: number;
    readonly previous?: KeyValueRow | null;
  }
  /** How many keys were deleted. `previous` is there only if it is wanted. */
  | {
    readonly kind: "delete";
    readonly deleted: number;
    readonly previous?: readonly KeyValueRow[];
  }
  /** The rows, how many were counted, and whether there are more than the limit. */
  | {
    readonly kind: "range";
    readonly rows: readonly KeyValueRow[];
    readonly count: number;
    readonly hasMore: boolean;
  }
  /** The answer to a retry does not contain what the first attempt read. */
  | { readonly kind: "notRemembered" }
  /** The result of a nested transaction. */
  | { readonly kind: "transaction" } & TransactionAnswer;

/** The result of a transaction that was done. */
export interface TransactionAnswer {
  /** Whether its conditions were true. */
  readonly succeeded: boolean;
  /** One answer for each operation of the chosen branch. */
  readonly answers: readonly OperationAnswer[];
}

/** Why a transaction was refused as a whole. */
export type TransactionRefusal =
  /** A put names a lease that does not exist, or is ending. */
  | "leaseNotFound"
  /** A put keeps the value or lease of a key that does not exist. */
  | "keyNotFound"
  /** It reads or deletes more than {@linkcode TRANSACTION_KEYS_MAX} keys. */
  | "tooManyKeys"
  /** Its answer, or the values that it sorts or compares, have more than {@linkcode TRANSACTION_BYTES_MAX} bytes. */
  | "tooManyBytes";

/** The result of a transaction. */
export type TransactionOutcome =
  | { readonly kind: "transaction" } & TransactionAnswer
  | { readonly kind: "transactionRefused"; readonly reason: TransactionRefusal };

/**
 * Runs a checked transaction at a revision. If it changes nothing, the revision is not used.
 *
 * @throws {InvariantError} when it breaks a rule of `checkTransaction`.
 */
export function runTransaction(
  store: MultiVersionStore,
  { transaction, revision }: {
    readonly transaction: Transaction;
    readonly revision: LogIndex;
  },
): TransactionOutcome {
  store.begin(revision);
  try {
    const answer = new Run(store).do(transaction);
    store.commit();
    return { kind: "transaction", ...answer };
  } catch (error) {
    store.rollBack();
    if (!(error instanceof Refusal)) throw error;
    return { kind: "transactionRefused", reason: error.reason };
  }
}

/**
 * Runs a transaction that changes nothing, on the present store: for reads of several keys that need no entry
 * in the log.
 *
 * @throws {InvariantError} when it has a put or a delete.
 */
export function readTransaction(
  store: MultiVersionStore,
  transaction: Transaction,
): TransactionOutcome {
  assert(isReadOnly(transaction), "the transaction is not read-only");
  return catching(
    Refusal,
    () => ({ kind: "transaction", ...new Run(store).do(transaction) }),
    (error) => ({ kind: "transactionRefused", reason: error.reason }),
  );
}

/** Ends a transaction that cannot be done. It never leaves this file. */
class Refusal extends Error {
  readonly reason: TransactionRefusal;

  constructor(reason: TransactionRefusal) {
    super(reason);
    this.reason = reason;
  }
}

/** The branches of a transaction that its conditions choose. */
interface Path {
  readonly succeeded: boolean;
  /** For each operation of the branch, its own path if it is a transaction. */
  readonly nested: readonly (Path | null)[];
}

/** One running transaction, and how much it may still read. */
class Run {
  readonly #store: MultiVersionStore;
  #keysLeft = TRANSACTION_KEYS_MAX;
  #bytesLeft = TRANSACTION_BYTES_MAX;
  #comparedBytesLeft = TRANSACTION_BYTES_MAX;

  constructor(store: MultiVersionStore) {
    this.#store = store;
  }

  do(transaction: Transaction): TransactionAnswer {
    return this.#doBranch(transaction, this.#choose(transaction));
  }

  #choose(transaction: Transaction): Path {
    const succeeded = transaction.conditions.every((condition) => this.#holds(condition));
    const branch = succeeded ? transaction.success : transaction.failure;
    const nested = branch.map((operation) =>
      operation.kind === "transaction" ? this.#choose(operation) : null
    );
    return { succeeded, nested };
  }

  #doBranch(transaction: Transaction, { succeeded, nested }: Path): TransactionAnswer {
    const branch = succeeded ? transaction.success : transaction.failure;
    const answers = branch.map((operation, at) => this.#doOperation(operation, nested[at] ?? null));
    return { succeeded, answers };
  }

  #doOperation(operation: Operation, path: Path | null): OperationAnswer {
    switch (operation.kind) {
      case "put":
        return this.#put(operation);
      case "range":
        return this.#range(operation);
      case "delete":
        return this.#delete(operation);
      case "transaction": {
        const chosen = assertDefined(path, "a nested transaction has no path");
        return { kind: "transaction", ...this.#doBranch(operation, chosen) };
      }
      default:
        return operation satisfies never;
    }
  }

  #put({ key, value, lease, isPreviousWanted }: PutOperation): OperationAnswer {
    const { records, leases } = this.#store;
    const before = this.#store.get(key);
    if (lease !== null && lease !== 0 && !leases.takesKeys(lease)) {
      throw new Refusal("leaseNotFound");
    }
    if (before === 0 && (value === null || lease === null)) throw new Refusal("keyNotFound");
    const previous = isPreviousWanted && before !== 0 ? this.#copy(before) : null;
    const handle = this.#store.put({
      key,
      value: value ?? records.value(before),
      lease: lease ?? records.lease(before),
    });
    return {
      kind: "put",
      createRevision: toLogIndex(records.createRevision(handle)),
      version: records.version(handle),
      ...(isPreviousWanted ? { previous } : {}),
    };
  }

  #delete({ keys, isPreviousWanted }: DeleteOperation): OperationAnswer {
    const handles = [...this.#live(keys)];
    const previous = isPreviousWanted ? handles.map((handle) => this.#copy(handle)) : [];
    for (const handle of handles) this.#store.remove(this.#store.records.key(handle), "delete");
    const deleted = handles.length;
    return { kind: "delete", deleted, ...(isPreviousWanted ? { previous } : {}) };
  }

  #range(operation: RangeOperation): OperationAnswer {
    const { limit = Infinity, sortBy, order, show, countAll } = operation;
    const isAllNeeded = sortBy !== "key" || countAll || show === "count";
    const found: number[] = [];
    for (const handle of this.#live(operation.keys, sortBy === "key" ? order : "ascending")) {
      if (!passesFilter(this.#store, handle, operation)) continue;
      found.push(handle);
      if (!isAllNeeded && found.length > limit) break;
    }
    const count = isAllNeeded ? found.length : Math.min(found.length, limit);
    const hasMore = show !== "count" && found.length > limit;
    if (show === "count") return { kind: "range", rows: [], count, hasMore };
    if (sortBy !== "key") this.#sort(found, operation);
    const rows = found.slice(0, limit).map((handle) =>
      show === "keys" ? this.#copyKey(handle) : this.#copy(handle)
    );
    return { kind: "range", rows, count, hasMore };
  }

  /** Sorts. Equal rows stay in the order of their keys. */
  #sort(handles: number[], { sortBy, order }: RangeOperation): void {
    const { records } = this.#store;
    if (sortBy === "value") {
      for (const handle of handles) this.#takeCompared(records.valueLength(handle));
    }
    const direction = order === "ascending" ? 1 : -1;
    handles.sort((left, right) =>
      direction *
      (sortBy === "value"
        ? compareValues(records.value(left), records.value(right))
        : this.#numberOf(left, sortBy) - this.#numberOf(right, sortBy))
    );
  }

  #numberOf(handle: number, target: NumberTarget | "key"): number {
    return target === "key" || handle === 0 ? 0 : this.#store.records[target](handle);
  }

  #holds(condition: Condition): boolean {
    switch (condition.target) {
      case "fence":
        return this.#isHeld(condition.lock, condition.revision);
      case "exists":
        return (this.#first(condition.keys) !== 0) === condition.exists;
      case "value":
        return this.#holdsForValues(condition);
      default:
        return this.#holdsForNumbers(condition);
    }
  }

  #first(keys: KeyRange): number {
    for (const handle of this.#live(keys)) return handle;
    return 0;
  }

  #holdsForValues(
    { keys, relation, value }: Extract<Condition, { target: "value" }>,
  ): boolean {
    let isAny = false;
    for (const handle of this.#live(keys)) {
      isAny = true;
      const { records } = this.#store;
      this.#takeCompared(Math.min(records.valueLength(handle), value.length));
      const difference = compareValues(records.value(handle), value);
      if (!isRelated(difference, relation)) return false;
    }
    // etcd: for the value of a key that does not exist, no comparison is true, not even "not equal".
    return isAny;
  }

  #holdsForNumbers(
    { keys, target, relation, number }: Extract<Condition, { target: NumberTarget }>,
  ): boolean {
    let isAny = false;
    for (const handle of this.#live(keys)) {
      isAny = true;
      if (!isRelated(this.#numberOf(handle, target) - number, relation)) return false;
    }
    return isAny || isRelated(-number, relation);
  }

  #isHeld(name: Uint8Array, fence: number): boolean {
    const { records } = this.#store;
    let first = Infinity;
    for (const handle of this.#live(lockKeys(name))) {
      const claim = { name, key: records.key(handle), lease: records.lease(handle) };
      if (isClaim(claim)) first = Math.min(first, records.createRevision(handle));
    }
    return first === fence;
  }

  /** The existing keys of a range. Each one counts against the number of keys that may be read. */
  *#live(keys: KeyRange, order?: RangeOperation["order"]): Generator<number, void> {
    const scan = new Scan(this.#store, {
      keys,
      revision: Infinity,
      ...(order === undefined ? {} : { order }),
    });
    for (; scan.isAtKey; scan.next()) {
      const { handle } = scan;
      if (handle === 0) continue;
      if (--this.#keysLeft < 0) throw new Refusal("tooManyKeys");
      yield handle;
    }
  }

  #copy(handle: number): KeyValueRow {
    this.#takeBytes(this.#store.records.valueLength(handle));
    this.#takeBytes(this.#store.records.key(handle).length);
    return this.#store.records.copy(handle);
  }

  #copyKey(handle: number): KeyValueRow {
    this.#takeBytes(this.#store.records.key(handle).length);
    return this.#store.records.copyWithoutValue(handle);
  }

  /** Counts bytes of values before they are compared. */
  #takeCompared(bytes: number): void {
    this.#comparedBytesLeft -= bytes;
    if (this.#comparedBytesLeft < 0) throw new Refusal("tooManyBytes");
  }

  #takeBytes(bytes: number): void {
    this.#bytesLeft -= bytes;
    if (this.#bytesLeft < 0) throw new Refusal("tooManyBytes");
  }
}

function isRelated(difference: number, relation: Relation): boolean {
  switch (relation) {
    case "=":
      return difference === 0;
    case "!=":
      return difference !== 0;
    case "<":
      return difference < 0;
    case ">":
      return difference > 0;
    default:
      return relation satisfies never;
  }
}
