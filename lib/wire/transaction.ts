/**
 * Transactions in JSON.
 *
 * @module
 */

import * as z from "zod";
import type { Encoding } from "../json_bytes.ts";
import { type Relation, SORT_TARGETS } from "../kv/mod.ts";
import {
  type KeyValueBody,
  keyValueSchema,
  type RowBody,
  rowSchema,
  type Schema,
} from "./store.ts";

const count = z.number().int().nonnegative();
const text = z.string();
const list = <Item extends z.ZodType>(item: Item) => z.array(item).readonly();
const encoding: Schema<Encoding> = z.enum(["utf8", "base64"]);

const keysShape = {
  key: text.optional(),
  prefix: text.optional(),
  start: text.optional(),
  end: text.optional(),
  keyEncoding: encoding.optional(),
};

/** The value to compare with, under the name of the relation. */
const comparison = <Value extends z.ZodType>(value: Value) =>
  z.strictObject(
    {
      "=": value.optional(),
      "!=": value.optional(),
      "<": value.optional(),
      ">": value.optional(),
    } satisfies Record<Relation, z.ZodType>,
  ).readonly();

const condition = z.strictObject({
  ...keysShape,
  value: comparison(text).optional(),
  encoding: encoding.optional(),
  modRevision: comparison(count).optional(),
  createRevision: comparison(count).optional(),
  version: comparison(count).optional(),
  lease: comparison(count).optional(),
  exists: z.boolean().optional(),
  fence: z.strictObject({ lock: text, lockEncoding: encoding.optional(), revision: count })
    .readonly().optional(),
}).readonly();

const putOperation = z.strictObject({
  key: text,
  keyEncoding: encoding.optional(),
  value: text.optional(),
  encoding: encoding.optional(),
  lease: count.optional(),
  keepValue: z.boolean().optional(),
  keepLease: z.boolean().optional(),
  previous: z.boolean().optional(),
}).readonly();
const getOperation = z.strictObject({ key: text, keyEncoding: encoding.optional() }).readonly();
const rangeOperation = z.strictObject({
  ...keysShape,
  limit: count.optional(),
  order: z.enum(["asc", "desc"]).optional(),
  sortBy: z.enum(SORT_TARGETS).optional(),
  keysOnly: z.boolean().optional(),
  countOnly: z.boolean().optional(),
  modRevisionMin: count.optional(),
  modRevisionMax: count.optional(),
  createRevisionMin: count.optional(),
  createRevisionMax: count.optional(),
}).readonly();
const deleteOperation = z.strictObject({ ...keysShape, previous: z.boolean().optional() })
  .readonly();

/** The keys that a condition or an operation names: one, those of a prefix, or those from start to end. */
export interface KeysBody {
  /** Exactly this one. */
  readonly key?: string | undefined;
  /** All keys that begin with it; empty means all keys. */
  readonly prefix?: string | undefined;
  /** The first key; absent means the first key of all. */
  readonly start?: string | undefined;
  /** The first key after the range; absent means no upper bound. */
  readonly end?: string | undefined;
  /** The encoding of these fields; text if absent. */
  readonly keyEncoding?: Encoding | undefined;
}

/**
 * A condition, which decides the branch of a transaction.
 *
 * @internal
 */
export type ConditionBody = z.infer<typeof condition>;
/**
 * Sets a key in a transaction.
 *
 * @internal
 */
export type PutOperationBody = z.infer<typeof putOperation>;
/**
 * Reads keys in a transaction.
 *
 * @internal
 */
export type RangeOperationBody = z.infer<typeof rangeOperation>;

/**
 * Reads one key in a transaction.
 *
 * @internal
 */
export type GetOperationBody = z.infer<typeof getOperation>;
/**
 * Removes keys in a transaction.
 *
 * @internal
 */
export type DeleteOperationBody = z.infer<typeof deleteOperation>;

/** One step of a transaction: exactly one of these. */
export interface OperationBody {
  /** Sets a key. */
  readonly put?: PutOperationBody | undefined;
  /** Reads a key. */
  readonly get?: GetOperationBody | undefined;
  /** Reads keys. */
  readonly range?: RangeOperationBody | undefined;
  /** Removes keys. */
  readonly delete?: DeleteOperationBody | undefined;
  /** A nested transaction. */
  readonly txn?: TransactionBody | undefined;
}

/** The request's body of `POST /v1/txn`. */
export interface TransactionBody {
  /** The conditions, which must all be true. Without any, the result is true. */
  readonly if?: readonly ConditionBody[] | undefined;
  /** The operations when all conditions are true, in this order. */
  readonly then?: readonly OperationBody[] | undefined;
  /** The operations otherwise, in this order. */
  readonly else?: readonly OperationBody[] | undefined;
}

const operation: z.ZodType<OperationBody> = z.strictObject({
  put: putOperation.optional(),
  get: getOperation.optional(),
  range: rangeOperation.optional(),
  delete: deleteOperation.optional(),
  txn: z.lazy(() => transaction).optional(),
}).readonly();
const transaction: z.ZodType<TransactionBody> = z.strictObject({
  if: list(condition).optional(),
  then: list(operation).optional(),
  else: list(operation).optional(),
}).readonly();

const previous = keyValueSchema.nullable().optional();

/** The result of one step of a transaction, under the name of the step. */
export interface OperationResultBody {
  /** The key's revisions and version now, and the key before if requested. */
  readonly put?: {
    readonly createRevision: number;
    readonly version: number;
    readonly previous?: KeyValueBody | null | undefined;
  } | undefined;
  /** The key, or null. */
  readonly get?: KeyValueBody | null | undefined;
  /** The rows, how many were counted, and whether there are more than the limit. */
  readonly range?: {
    readonly items: readonly RowBody[];
    readonly count: number;
    readonly more: boolean;
  } | undefined;
  /** How many keys were deleted, and the keys before if requested. */
  readonly delete?: {
    readonly deleted: number;
    readonly previous?: readonly KeyValueBody[] | undefined;
  } | undefined;
  /** The result of the nested transaction. */
  readonly txn?: TransactionResultBody | undefined;
  /** The answer to a retry does not contain what the first attempt read. */
  readonly notRemembered?: true | undefined;
}

/** The result of a whole transaction, or of a nested one. */
export interface TransactionResultBody {
  /** Whether its conditions were true. */
  readonly succeeded: boolean;
  /** One result for each step that was done. */
  readonly results: readonly OperationResultBody[];
}

const operationResult: z.ZodType<OperationResultBody> = z.object({
  put: z.object({ createRevision: count, version: count, previous }).readonly().optional(),
  get: keyValueSchema.nullable().optional(),
  range: z.object({ items: list(rowSchema), count, more: z.boolean() }).readonly().optional(),
  delete: z.object({ deleted: count, previous: list(keyValueSchema).optional() }).readonly()
    .optional(),
  txn: z.lazy(() => z.object(resultShape).readonly()).optional(),
  notRemembered: z.literal(true).optional(),
}).readonly();
const resultShape = { succeeded: z.boolean(), results: list(operationResult) };
const transactionResult = z.object({ revision: count, ...resultShape }).readonly();

/**
 * `POST /v1/txn`.
 *
 * @internal
 */
export type TransactionAnswerBody = z.infer<typeof transactionResult>;

/** Reads a transaction to do. */
export const transactionSchema: Schema<TransactionBody> = transaction;
/** Reads the result of a transaction. */
export const transactionAnswerSchema: Schema<TransactionAnswerBody> = transactionResult;
