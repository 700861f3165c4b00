/**
 * Converts etcd's transactions to the store's, and the store's answers to etcd's.
 *
 * @module
 */

import { InvariantError } from "../assert.ts";
import { InputError } from "../errors.ts";
import {
  checkKeyBytes,
  checkRange,
  checkTransaction,
  type Condition,
  type NumberTarget,
  type Operation,
  type OperationAnswer,
  OPERATIONS_MAX,
  type PutOperation,
  type Relation,
  type Transaction,
  TRANSACTION_PARTS_MAX,
  type TransactionAnswer,
  VALUE_BYTES_MAX,
} from "../kv/mod.ts";
import { EtcdError, refuse } from "./errors.ts";
import type {
  Compare,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  RequestOp,
  ResponseHeader,
  ResponseOp,
  TxnRequest,
  TxnResponse,
} from "./messages.ts";
import {
  checkRangeRequest,
  rowsNeeded,
  toKeyRange,
  toKeyValue,
  toRangeResponse,
} from "./ranges.ts";
import { UNRECOGNIZED } from "./shape.ts";

/** Checks a whole transaction, in the same order as etcd. @throws {EtcdError} */
export function checkTxn(request: TxnRequest): void {
  const parts = partsOf(request);
  if (parts > TRANSACTION_PARTS_MAX) {
    throw new EtcdError(
      "invalidArgument",
      `etcdserver: too many operations in txn request: ${parts} operations and comparisons in all ` +
        `its branches are above ${TRANSACTION_PARTS_MAX}; divide it`,
    );
  }
  if (longestPath(request) > OPERATIONS_MAX || countOf(request) > OPERATIONS_MAX) {
    throw refuse("tooManyOperations");
  }
  checkParts(request);
}

/** Counts everything, in all branches. No list is spread: a client chose how long it is. */
function partsOf({ compare, success, failure }: TxnRequest): number {
  let parts = compare.length + success.length + failure.length;
  for (const { request_txn } of success) {
    if (request_txn !== undefined) parts += partsOf(request_txn);
  }
  for (const { request_txn } of failure) {
    if (request_txn !== undefined) parts += partsOf(request_txn);
  }
  return parts;
}

/** Counts operations as etcd does: the largest list on each level of nesting. */
function longestPath({ compare, success, failure }: TxnRequest): number {
  const inner = [...success, ...failure].reduce(
    (longest, { request_txn }) =>
      request_txn === undefined ? longest : Math.max(longest, longestPath(request_txn)),
    0,
  );
  return Math.max(compare.length, success.length, failure.length) + inner;
}

/** Counts operations as the store does: everything in a branch, including nested transactions. */
function countOf({ compare, success, failure }: TxnRequest): number {
  return Math.max(compare.length, countOperations(success), countOperations(failure));
}

function countOperations(operations: readonly RequestOp[]): number {
  return operations.reduce(
    (count, { request_txn }) => count + 1 + (request_txn === undefined ? 0 : countOf(request_txn)),
    0,
  );
}

function checkParts({ compare, success, failure }: TxnRequest): void {
  for (const { key, range_end } of compare) {
    if (key.length === 0) throw refuse("emptyKey");
    checkRange(toKeyRange(key, range_end));
  }
  success.forEach(checkOperation);
  failure.forEach(checkOperation);
}

function checkOperation(operation: RequestOp): void {
  const { request_range, request_put, request_delete_range, request_txn } = operation;
  if (request_range !== undefined) return checkRangeRequest(request_range);
  if (request_put !== undefined) return checkPut(request_put);
  if (request_delete_range !== undefined) return checkDelete(request_delete_range);
  if (request_txn !== undefined) return checkParts(request_txn);
  throw refuse("keyNotFound");
}

/** Checks a put. @throws {EtcdError} */
export function checkPut({ key, value, lease, ignore_value, ignore_lease }: PutRequest): void {
  if (key.length === 0) throw refuse("emptyKey");
  if (ignore_value && value.length > 0) throw refuse("valueProvided");
  if (ignore_lease && lease !== 0) throw refuse("leaseProvided");
  if (value.length > VALUE_BYTES_MAX) throw refuse("requestTooLarge");
  checkKeyBytes(key);
}

/** Checks a delete. @throws {EtcdError} */
export function checkDelete({ key, range_end }: DeleteRangeRequest): void {
  if (key.length === 0) throw refuse("emptyKey");
  checkRange(toKeyRange(key, range_end));
}

/** Converts a put. @throws {EtcdError} `leaseNotFound` for an id that no lease can have. */
export function toPut(request: PutRequest): PutOperation {
  const { key, value, lease, prev_kv, ignore_value, ignore_lease } = request;
  if (lease < 0 || !Number.isSafeInteger(lease)) throw refuse("leaseNotFound");
  return {
    kind: "put",
    key,
    value: ignore_value ? null : value,
    lease: ignore_lease ? null : lease,
    isPreviousWanted: prev_kv,
  };
}

/** Converts a delete. */
export function toDelete({ key, range_end, prev_kv }: DeleteRangeRequest): Operation {
  return { kind: "delete", keys: toKeyRange(key, range_end), isPreviousWanted: prev_kv };
}

/**
 * The answers to reads of old revisions. They never change, so they are read before the transaction, and the
 * store's transaction does not contain them.
 */
export type PastReads = ReadonlyMap<RangeRequest, RangeResponse | EtcdError>;

/** The reads of a transaction that name a revision. */
export function pastReadsOf({ success, failure }: TxnRequest): readonly RangeRequest[] {
  return [...success, ...failure].flatMap(({ request_range, request_txn }) => {
    if (request_txn !== undefined) return pastReadsOf(request_txn);
    return request_range !== undefined && request_range.revision !== 0 ? [request_range] : [];
  });
}

/** Converts a checked transaction. @throws {EtcdError} `duplicateKey` */
export function toTransaction(request: TxnRequest): Transaction {
  const transaction = toParts(request);
  try {
    checkTransaction(transaction);
    return transaction;
  } catch (error) {
    // Everything else was checked before, so the error can only be a key that would change twice.
    if (error instanceof InputError) throw refuse("duplicateKey", { cause: error });
    throw error;
  }
}

function toParts({ compare, success, failure }: TxnRequest): Transaction {
  return {
    conditions: compare.map(toCondition),
    success: success.flatMap(toOperations),
    failure: failure.flatMap(toOperations),
  };
}

function toOperations(operation: RequestOp): readonly Operation[] {
  const { request_range, request_put, request_delete_range, request_txn } = operation;
  if (request_range !== undefined) {
    return request_range.revision === 0 ? [toRange(request_range)] : [];
  }
  if (request_put !== undefined) return [toPut(request_put)];
  if (request_delete_range !== undefined) return [toDelete(request_delete_range)];
  if (request_txn !== undefined) return [{ kind: "transaction", ...toParts(request_txn) }];
  return [];
}

function toRange(request: RangeRequest): Operation {
  return { kind: "range", sortBy: "key", countAll: true, ...rowsNeeded(request) };
}

const RELATION: Readonly<Record<Exclude<Compare["result"], typeof UNRECOGNIZED>, Relation>> = {
  EQUAL: "=",
  GREATER: ">",
  LESS: "<",
  NOT_EQUAL: "!=",
};

function toCondition(compare: Compare): Condition {
  const { result, target, key, range_end, value } = compare;
  if (result === UNRECOGNIZED || target === UNRECOGNIZED) {
    throw new EtcdError("invalidArgument", "etcdserver: invalid comparison");
  }
  const keys = toKeyRange(key, range_end);
  const relation = RELATION[result];
  if (target === "VALUE") return { target: "value", keys, relation, value };
  switch (target) {
    case "VERSION":
      return numberCondition("version", { keys, relation, number: compare.version });
    case "CREATE":
      return numberCondition("createRevision", { keys, relation, number: compare.create_revision });
    case "MOD":
      return numberCondition("modRevision", { keys, relation, number: compare.mod_revision });
    case "LEASE":
      return numberCondition("lease", { keys, relation, number: compare.lease });
    default:
      return target satisfies never;
  }
}

/** The store's numbers are 0 to 2^53 - 1. A number outside is above or below all of them. */
function numberCondition(
  target: NumberTarget,
  { keys, relation, number }: Pick<Extract<Condition, { target: NumberTarget }>, "keys"> & {
    readonly relation: Relation;
    readonly number: number;
  },
): Condition {
  if (Number.isSafeInteger(number) && number >= 0) return { target, keys, relation, number };
  const holds = relation === "!=" || relation === (number < 0 ? ">" : "<");
  return { target, keys, relation: holds ? "<" : ">", number: Number.MAX_SAFE_INTEGER };
}

/** The result of a transaction, with `header` in every answer. */
export function toTxnResponse(
  request: TxnRequest,
  { answer, past, header }: {
    readonly answer: TransactionAnswer;
    readonly past: PastReads;
    readonly header: ResponseHeader;
  },
): TxnResponse {
  const { succeeded } = answer;
  const answers = answer.answers.values();
  const responses = (succeeded ? request.success : request.failure).map((operation): ResponseOp => {
    const old = operation.request_range && past.get(operation.request_range);
    if (old instanceof EtcdError) throw old;
    if (old !== undefined) return { response_range: { ...old, header } };
    const { value } = answers.next();
    if (value === undefined) throw new InvariantError("an operation has no answer");
    return toResponseOp(operation, { answer: value, past, header });
  });
  return { header, succeeded, responses };
}

function toResponseOp(
  { request_range, request_txn }: RequestOp,
  { answer, past, header }: {
    readonly answer: OperationAnswer;
    readonly past: PastReads;
    readonly header: ResponseHeader;
  },
): ResponseOp {
  switch (answer.kind) {
    case "put":
      return { response_put: toPutResponse(answer, header) };
    case "delete":
      return { response_delete_range: toDeleteResponse(answer, header) };
    case "range": {
      if (request_range === undefined) break;
      const { rows, count } = answer;
      return { response_range: { ...toRangeResponse(request_range, rows, count), header } };
    }
    case "transaction": {
      if (request_txn === undefined) break;
      return { response_txn: toTxnResponse(request_txn, { answer, past, header }) };
    }
    case "notRemembered":
      break;
    default:
      return answer satisfies never;
  }
  throw new InvariantError(`the answer to an operation is a ${answer.kind}`);
}

/** The answer to a put. */
export function toPutResponse(
  { previous }: Extract<OperationAnswer, { readonly kind: "put" }>,
  header: ResponseHeader,
): PutResponse {
  return { header, ...(previous ? { prev_kv: toKeyValue(previous) } : {}) };
}

/** The answer to a delete. */
export function toDeleteResponse(
  { deleted, previous = [] }: Extract<OperationAnswer, { readonly kind: "delete" }>,
  header: ResponseHeader,
): DeleteRangeResponse {
  return { header, deleted, prev_kvs: previous.map(toKeyValue) };
}
