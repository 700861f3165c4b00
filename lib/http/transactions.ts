/**
 * `POST /v1/txn` and `POST /v1/compact`.
 *
 * @module
 */

import { InvariantError } from "../assert.ts";
import { catching, InputError } from "../errors.ts";
import {
  accessOf,
  checkTransaction,
  type Condition,
  isReadOnly,
  type KeyRange,
  type KeyValueRow,
  NUMBER_TARGETS,
  type Operation,
  type OperationAnswer,
  type PutOperation,
  type RangeOperation,
  type Relation,
  RELATIONS,
  type Transaction,
  type TransactionAnswer,
} from "../kv/mod.ts";
import type { NodeApi } from "../node/mod.ts";
import type { LogIndex } from "../types.ts";
import {
  type CompactedBody,
  compactionSchema,
  type ConditionBody,
  fromJsonText,
  keyBody,
  type KeysBody,
  keyValueBody,
  type OperationBody,
  type OperationResultBody,
  type PutOperationBody,
  type RangeOperationBody,
  type TransactionAnswerBody,
  type TransactionBody,
  type TransactionResultBody,
  transactionSchema,
} from "../wire/mod.ts";
import { noteChangedKeys } from "./audit.ts";
import type { Caller } from "./authorization.ts";
import { type RequestGate, throughGate, TRANSACTION_BODY_BYTES_MAX } from "./connections.ts";
import {
  declaredLength,
  readConsistency,
  readJson,
  readQuery,
  readTimeoutMs,
  toKeyRange,
} from "./parameters.ts";
import { jsonResponse, Problem } from "./problem.ts";
import { addRoute, needsWithBody, type RequestContext, type Router } from "./route.ts";
import {
  idempotencyKeyReused,
  readUnconditional,
  replayHeaders,
  transactionRefused,
} from "./writes.ts";

/** The settings of the routes of transactions. */
interface TransactionOptions {
  /** The node that reads and writes. */
  readonly node: NodeApi;
  /** Limits the running requests. */
  readonly gate: RequestGate;
  /** How long a body may take to arrive. */
  readonly bodyTimeoutMs?: number;
}

/** Adds `/v1/txn` and `/v1/compact`. */
export function addTransactionRoutes(router: Router, options: TransactionOptions): void {
  const { gate } = options;
  addRoute(router, "/v1/txn", {
    POST: needsWithBody("any", (context, caller) => {
      const bodyBytes = declaredLength(context.req.raw) ?? TRANSACTION_BODY_BYTES_MAX;
      const reserved = Math.min(bodyBytes, TRANSACTION_BODY_BYTES_MAX);
      return throughGate(gate, reserved, () => transact({ ...options, router }, caller, context));
    }),
  });
  addRoute(router, "/v1/compact", {
    POST: needsWithBody(
      "admin",
      (context, caller) =>
        throughGate(gate, COMPACTION_BYTES_MAX, () => compact(options, caller, context)),
    ),
  });
}

async function transact(
  { node, router, bodyTimeoutMs }: TransactionOptions & { readonly router: Router },
  caller: Caller,
  { req }: RequestContext,
): Promise<Response> {
  const query = readQuery(req.url, ["consistency", "timeoutMs"]);
  const [consistency, timeoutMs] = [readConsistency(query), readTimeoutMs(query)];
  const options = readUnconditional(req.raw.headers, caller);
  const body = await readJson(req.raw, {
    what: "transaction",
    schema: transactionSchema,
    bytesMax: TRANSACTION_BODY_BYTES_MAX,
    ...(bodyTimeoutMs === undefined ? {} : { timeoutMs: bodyTimeoutMs }),
  });
  const transaction = toTransaction(body);
  const access = accessOf(transaction);
  noteChangedKeys(req.raw, access.writes);
  router.authorizer.admitAccess(caller, access);
  checkTransaction(transaction);
  if (isReadOnly(transaction) && options.idempotency === undefined) {
    const view = await node.view({ consistency, timeoutMs });
    const result = { ...view.transaction(transaction), revision: view.revision };
    if (result.kind === "transactionRefused") throw transactionRefused(result.reason);
    return jsonResponse(answerBody(body, result));
  }
  if (query["consistency"] !== undefined) {
    throw new Problem("invalid_parameter", "consistency is for transactions that only read");
  }
  const answer = await node.write({ kind: "transaction", ...transaction, ...options }, {
    timeoutMs,
  });
  const { result } = answer;
  if (result.kind === "transactionRefused") throw transactionRefused(result.reason);
  if (result.kind === "idempotencyKeyReused") throw idempotencyKeyReused("transaction", result);
  if (result.kind !== "transaction") throw new InvariantError(`A transaction, not ${result.kind}`);
  return jsonResponse(answerBody(body, result), { headers: replayHeaders(answer) });
}

/** Most bytes in the request of a compaction. */
const COMPACTION_BYTES_MAX = 256;

async function compact(
  { node }: TransactionOptions,
  caller: Caller,
  { req }: RequestContext,
): Promise<Response> {
  const timeoutMs = readTimeoutMs(readQuery(req.url, ["timeoutMs"]));
  const options = readUnconditional(req.raw.headers, caller);
  const limit = { what: "compaction", schema: compactionSchema, bytesMax: COMPACTION_BYTES_MAX };
  const { revision } = await readJson(req.raw, limit);
  const answer = await node.write({ kind: "compact", revision, ...options }, { timeoutMs });
  const { result } = answer;
  if (result.kind === "idempotencyKeyReused") throw idempotencyKeyReused("compaction", result);
  if (result.kind !== "compacted") throw new InvariantError(`A compaction, not ${result.kind}`);
  const { compactedRevision } = result;
  const body: CompactedBody = { compactedRevision, revision: result.revision };
  return jsonResponse(body, { headers: replayHeaders(answer) });
}

/** Converts a transaction for the store. @throws {InputError} that says what is wrong, and where. */
function toTransaction(body: TransactionBody): Transaction {
  return {
    conditions: each(body.if, "if", toCondition),
    success: each(body.then, "then", toOperation),
    failure: each(body.else, "else", toOperation),
  };
}

function each<Body, Result>(
  bodies: readonly Body[] | undefined,
  name: string,
  read: (body: Body) => Result,
): readonly Result[] {
  return (bodies ?? []).map((body, at) =>
    catching(InputError, () => read(body), (cause) => {
      throw new InputError(`${name}[${at}]: ${cause.message}`, { cause });
    })
  );
}

function keysOf({ keyEncoding, ...names }: KeysBody): KeyRange {
  const read = (text: string | undefined) =>
    text === undefined ? null : fromJsonText(text, keyEncoding);
  const { key, prefix, start, end } = names;
  return toKeyRange({ key: read(key), prefix: read(prefix), start: read(start), end: read(end) });
}

function toCondition(body: ConditionBody): Condition {
  const { value, exists, fence } = body;
  const numbers = NUMBER_TARGETS.filter((target) => body[target] !== undefined);
  const tests = [...numbers, value, exists, fence].filter((test) => test !== undefined);
  if (tests.length !== 1) {
    throw new InputError(
      `a condition has one of value, ${NUMBER_TARGETS.join(", ")}, exists or fence`,
    );
  }
  if (fence !== undefined) return toFence(body, fence);
  const keys = keysOf(body);
  if (exists !== undefined) return { target: "exists", keys, exists };
  if (value !== undefined) {
    const { relation, than } = toComparison(value);
    return { target: "value", keys, relation, value: fromJsonText(than, body.encoding) };
  }
  const [target = "version"] = numbers;
  const { relation, than } = toComparison(body[target] ?? {});
  return { target, keys, relation, number: than };
}

function toFence(
  body: ConditionBody,
  { lock, lockEncoding, revision }: NonNullable<ConditionBody["fence"]>,
): Condition {
  const names = [body.key, body.prefix, body.start, body.end].filter((name) => name !== undefined);
  if (names.length > 0) throw new InputError("a fence names its lock, and no keys");
  return { target: "fence", lock: fromJsonText(lock, lockEncoding), revision };
}

function toComparison<Value>(
  comparison: { readonly [relation in Relation]?: Value | undefined },
): { readonly relation: Relation; readonly than: Value } {
  const found = RELATIONS.flatMap((relation) => {
    const than = comparison[relation];
    return than === undefined ? [] : [{ relation, than }];
  });
  const [only] = found;
  if (found.length === 1 && only !== undefined) return only;
  throw new InputError(`a comparison has one of ${RELATIONS.join(" ")}`);
}

function toOperation(body: OperationBody): Operation {
  const kinds = Object.values(body).filter((operation) => operation !== undefined);
  if (kinds.length !== 1) {
    throw new InputError("an operation is one of put, get, range, delete or txn");
  }
  const { put, get, range, delete: removal, txn } = body;
  if (put !== undefined) return toPut(put);
  if (get !== undefined) return toRead(keysOf(get), {});
  if (range !== undefined) return toRead(keysOf(range), range);
  if (txn !== undefined) return { kind: "transaction", ...toTransaction(txn) };
  const { previous = false, ...keys } = removal ?? {};
  return { kind: "delete", keys: keysOf(keys), isPreviousWanted: previous };
}

function toPut(body: PutOperationBody): PutOperation {
  const { value, lease, keepValue = false, keepLease = false, previous = false } = body;
  if ((value === undefined) !== keepValue) {
    throw new InputError("a put has a value, or keepValue: true");
  }
  if (lease !== undefined && keepLease) {
    throw new InputError("a put has a lease, or keepLease: true");
  }
  return {
    kind: "put",
    key: fromJsonText(body.key, body.keyEncoding),
    value: value === undefined ? null : fromJsonText(value, body.encoding),
    lease: keepLease ? null : lease ?? 0,
    isPreviousWanted: previous,
  };
}

function toRead(keys: KeyRange, body: RangeOperationBody): RangeOperation {
  const { limit, order = "asc", sortBy = "key", keysOnly = false, countOnly = false } = body;
  if (keysOnly && countOnly) throw new InputError("a range has keysOnly or countOnly");
  const filters = [
    "modRevisionMin",
    "modRevisionMax",
    "createRevisionMin",
    "createRevisionMax",
  ] as const;
  const filter = Object.fromEntries(
    filters.flatMap((name) => body[name] === undefined ? [] : [[name, body[name]]]),
  );
  return {
    kind: "range",
    keys,
    sortBy,
    order: order === "asc" ? "ascending" : "descending",
    show: countOnly ? "count" : keysOnly ? "keys" : "rows",
    countAll: false,
    ...(limit === undefined ? {} : { limit }),
    ...filter,
  };
}

function answerBody(
  body: TransactionBody,
  { revision, ...answer }: TransactionAnswer & { readonly revision: LogIndex },
): TransactionAnswerBody {
  return { revision, ...resultBody(body, answer) };
}

function resultBody(
  body: TransactionBody,
  { succeeded, answers }: TransactionAnswer,
): TransactionResultBody {
  const done = (succeeded ? body.then : body.else) ?? [];
  const results = answers.map((answer, at) => operationResult(done[at] ?? {}, answer));
  return { succeeded, results };
}

function operationResult(body: OperationBody, answer: OperationAnswer): OperationResultBody {
  switch (answer.kind) {
    case "put": {
      const { createRevision, version, previous } = answer;
      const before = previous === undefined ? {} : { previous: rowBody(previous) };
      return { put: { createRevision, version, ...before } };
    }
    case "delete": {
      const { deleted, previous } = answer;
      const before = previous === undefined ? {} : { previous: previous.map(keyValueBody) };
      return { delete: { deleted, ...before } };
    }
    case "range": {
      if (body.get !== undefined) return { get: rowBody(answer.rows[0] ?? null) };
      const { rows, count, hasMore: more } = answer;
      const items = rows.map(body.range?.keysOnly === true ? keyBody : keyValueBody);
      return { range: { items, count, more } };
    }
    case "transaction":
      return { txn: resultBody(body.txn ?? {}, answer) };
    case "notRemembered":
      return { notRemembered: true };
    default:
      return answer satisfies never;
  }
}

function rowBody(row: KeyValueRow | null) {
  return row === null ? null : keyValueBody(row);
}
