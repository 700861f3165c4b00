/**
 * `/v1/kv/{key}`: put, get, delete. The one hot path of the API.
 *
 * @module
 */

import { accepts } from "hono/accepts";
import { InvariantError } from "../assert.ts";
import {
  type KeyValueRow,
  type Operation,
  singleKey,
  type TransactionCommand,
  VALUE_BYTES_MAX,
} from "../kv/mod.ts";
import type { NodeApi, WriteAnswer } from "../node/mod.ts";
import type { LogIndex } from "../types.ts";
import {
  type DeleteBody,
  entityTag,
  KEY_PATH_PREFIX,
  keyFields,
  keyValueBody,
  type PutBody,
  RAW_MEDIA_TYPE,
  showBytes,
} from "../wire/mod.ts";
import type { Caller } from "./authorization.ts";
import { type RequestGate, throughGate } from "./connections.ts";
import {
  declaredLength,
  readBody,
  readConsistency,
  readCount,
  readKey,
  readQuery,
  readRevision,
  readTimeoutMs,
} from "./parameters.ts";
import { jsonResponse, lengthHeader, NO_STORE, Problem } from "./problem.ts";
import { addRoute, needs, needsWithBody, type RequestContext, type Router } from "./route.ts";
import {
  idempotencyKeyReused,
  readWriteOptions,
  replayHeaders,
  transactionRefused,
  unreadable,
  type WriteOptions,
} from "./writes.ts";

const JSON_MEDIA_TYPE = "application/json";

/** The settings of the routes of single keys. */
interface KeyValueOptions {
  /** The node that reads and writes. */
  readonly node: NodeApi;
  /** Limits the running requests. */
  readonly gate: RequestGate;
  /** How long a value may take to arrive; `BODY_TIMEOUT_MS` of `connections.ts` by default. */
  readonly bodyTimeoutMs?: number;
}

/** Adds the routes of single keys. */
export function addKeyValueRoutes(router: Router, options: KeyValueOptions): void {
  const { node, gate } = options;
  /** Reads the key and checks the caller's prefixes before the request enters the gate. */
  const keyOf = (context: RequestContext, caller: Caller) => {
    const key = readKey(context.req.path);
    if (caller.prefixes.length > 0) router.authorizer.admitKeys(caller, singleKey(key));
    return key;
  };
  addRoute(router, `${KEY_PATH_PREFIX}*`, {
    PUT: needsWithBody("write", (context, caller) => {
      const key = keyOf(context, caller);
      // The declared length, or else the largest length, counts against the limit from the start.
      const bodyBytes = declaredLength(context.req.raw) ?? VALUE_BYTES_MAX;
      if (bodyBytes > VALUE_BYTES_MAX) throw valueTooLarge();
      return throughGate(gate, bodyBytes, () => putKey(options, { key, caller }, context));
    }),
    GET: needs("read", (context, caller) => {
      const key = keyOf(context, caller);
      return throughGate(gate, 0, () => getKey(node, key, context));
    }),
    DELETE: needs("write", (context, caller) => {
      const key = keyOf(context, caller);
      return throughGate(gate, 0, () => deleteKey(node, { key, caller }, context));
    }),
  });
}

/** A key, and the caller that may use it. */
interface KeyOfCaller {
  readonly key: Uint8Array;
  readonly caller: Caller;
}

async function putKey(
  { node, bodyTimeoutMs }: KeyValueOptions,
  { key, caller }: KeyOfCaller,
  context: RequestContext,
): Promise<Response> {
  const query = readQuery(context.req.url, ["lease", "timeoutMs"]);
  const timeoutMs = readTimeoutMs(query);
  const lease = readCount(query, "lease", { least: 0, most: Number.MAX_SAFE_INTEGER }) ?? 0;
  const options = readWriteOptions(context.req.raw.headers, caller);
  const value = await readBody(context.req.raw, {
    bytesMax: VALUE_BYTES_MAX,
    tooLarge: valueTooLarge,
    ...(bodyTimeoutMs === undefined ? {} : { timeoutMs: bodyTimeoutMs }),
  });
  const put: Operation = { kind: "put", key, value, lease, isPreviousWanted: false };
  return writeResponse(key, await node.write(toCommand(put, options), { timeoutMs }));
}

async function deleteKey(
  node: NodeApi,
  { key, caller }: KeyOfCaller,
  context: RequestContext,
): Promise<Response> {
  const timeoutMs = readTimeoutMs(readQuery(context.req.url, ["timeoutMs"]));
  const options = readWriteOptions(context.req.raw.headers, caller);
  const removal: Operation = { kind: "delete", keys: singleKey(key), isPreviousWanted: false };
  return writeResponse(key, await node.write(toCommand(removal, options), { timeoutMs }));
}

/** One operation. If its condition is false, the answer has the revision of the key. */
function toCommand(
  operation: Extract<Operation, { readonly kind: "put" | "delete" }>,
  { ifModRevision, ...options }: WriteOptions,
): TransactionCommand {
  const success = [operation];
  if (ifModRevision === undefined) {
    return { kind: "transaction", conditions: [], success, failure: [], ...options };
  }
  const keys = operation.kind === "put" ? singleKey(operation.key) : operation.keys;
  return {
    kind: "transaction",
    conditions: [{ target: "modRevision", keys, relation: "=", number: ifModRevision }],
    success,
    failure: [
      { kind: "range", keys, sortBy: "key", order: "ascending", show: "keys", countAll: false },
    ],
    ...options,
  };
}

async function getKey(
  node: NodeApi,
  key: Uint8Array,
  context: RequestContext,
): Promise<Response> {
  const query = readQuery(context.req.url, ["consistency", "revision", "timeoutMs"]);
  const consistency = readConsistency(query);
  const asOf = readRevision(query);
  const view = await node.view({ consistency, timeoutMs: readTimeoutMs(query) });
  const row = asOf === null ? view.get(key) : view.getAt(key, asOf);
  if (row !== null && "kind" in row) throw unreadable(row);
  const answer: ReadAnswer = { row, revision: asOf ?? view.revision };
  if (row === null) {
    throw new Problem("key_not_found", `There is no key ${showBytes(key)}`, {
      headers: readHeaders(answer),
    });
  }
  return wantsRaw(context)
    ? rawValue(row, answer)
    : jsonResponse(keyValueBody(row), { headers: readHeaders(answer) });
}

/** The result of a read. */
interface ReadAnswer {
  readonly row: KeyValueRow | null;
  /** The revision of the read. */
  readonly revision: LogIndex;
}

function wantsRaw(context: RequestContext): boolean {
  const mediaType = accepts(context, {
    header: "Accept",
    supports: [JSON_MEDIA_TYPE, RAW_MEDIA_TYPE],
    default: JSON_MEDIA_TYPE,
  });
  return mediaType === RAW_MEDIA_TYPE;
}

function rawValue(row: KeyValueRow, answer: ReadAnswer): Response {
  return new Response(new Uint8Array(row.value), {
    headers: {
      "content-type": RAW_MEDIA_TYPE,
      // A browser must not guess that a value is a page and run it.
      "x-content-type-options": "nosniff",
      "floe-create-revision": String(row.createRevision),
      "floe-mod-revision": String(row.modRevision),
      "floe-version": String(row.version),
      "floe-lease": String(row.lease),
      ...NO_STORE,
      ...lengthHeader(row.value),
      ...readHeaders(answer),
    },
  });
}

/**
 * `Floe-Revision` is the revision of the read: later writes are not in the answer. `ETag` is for the If-Match of a
 * later write. It is the same for every form in which the value is sent.
 */
function readHeaders({ row, revision }: ReadAnswer): Readonly<Record<string, string>> {
  return {
    "floe-revision": String(revision),
    "vary": "accept",
    ...(row === null ? {} : { "etag": entityTag(row.modRevision) }),
  };
}

function valueTooLarge(): Problem {
  return new Problem(
    "value_too_large",
    `Cannot take the value: it is above ${VALUE_BYTES_MAX} bytes`,
  );
}

type ResponseHeaders = Readonly<Record<string, string>>;

/**
 * The response to a write of `key`. A replay differs from the first answer in one header. And for a failed
 * condition, the replay does not have the key's revision, because it is not remembered.
 *
 * @throws {Problem} `precondition_failed` or `idempotency_key_reused`.
 */
function writeResponse(key: Uint8Array, answer: WriteAnswer): Response {
  const { result } = answer;
  if (result.kind === "transactionRefused") throw transactionRefused(result.reason);
  if (result.kind === "idempotencyKeyReused") {
    throw idempotencyKeyReused(`key ${showBytes(key)}`, result);
  }
  const [done] = result.kind === "transaction" ? result.answers : [];
  const { revision } = result;
  const headers = replayHeaders(answer);
  switch (done?.kind) {
    case "put":
      return putResponse(key, { ...done, modRevision: revision }, headers);
    case "delete": {
      const body: DeleteBody = { ...keyFields(key), deleted: done.deleted > 0, revision };
      return jsonResponse(body, { headers });
    }
    case "range":
      throw preconditionFailed(key, done.rows[0]?.modRevision ?? null, headers);
    case "notRemembered":
      throw new Problem(
        "precondition_failed",
        `Cannot write ${showBytes(key)}: its condition did not hold`,
        { headers },
      );
    default:
      throw new InvariantError(`A write of a key was answered as ${result.kind}`);
  }
}

function putResponse(
  key: Uint8Array,
  result: {
    readonly createRevision: LogIndex;
    readonly modRevision: LogIndex;
    readonly version: number;
  },
  replayed: ResponseHeaders,
): Response {
  const { modRevision, createRevision, version } = result;
  const body: PutBody = { ...keyFields(key), createRevision, modRevision, version };
  return jsonResponse(body, { headers: { "etag": entityTag(modRevision), ...replayed } });
}

/** The refusal has the key's ETag, so that the client can decide without another read. */
function preconditionFailed(
  key: Uint8Array,
  modRevision: LogIndex | null,
  replayed: ResponseHeaders,
): Problem {
  const name = showBytes(key);
  return modRevision === null
    ? new Problem("precondition_failed", `Cannot write ${name}: there is no such key`, {
      headers: replayed,
    })
    : new Problem("precondition_failed", `Cannot write ${name}: its revision is ${modRevision}`, {
      headers: { "etag": entityTag(modRevision), ...replayed },
    });
}
