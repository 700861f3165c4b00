/**
 * `/v1/kv/{key}`: put, get, delete. The one hot path of the API.
 *
 * @module
 */

import { accepts } from "hono/accepts";
import { InvariantError } from "../assert.ts";
import { decodeUtf8, encodeBase64, encodeUtf8 } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import {
  checkIdempotencyKey,
  type CommandOptions,
  type CommandResult,
  type KeyValueRow,
  type Operation,
  singleKey,
  type TransactionCommand,
  VALUE_BYTES_MAX,
} from "../kv/mod.ts";
import type { NodeApi, WriteAnswer } from "../node/mod.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import type { Caller } from "./authorization.ts";
import { type RequestGate, throughGate } from "./connections.ts";
import {
  declaredLength,
  readBody,
  readConsistency,
  readKey,
  readQuery,
  readTimeoutMs,
} from "./parameters.ts";
import { jsonResponse, lengthHeader, NO_STORE, Problem } from "./problem.ts";
import { addRoute, needs, type RequestContext, type Router } from "./route.ts";
import {
  type DeleteBody,
  entityTag,
  IDEMPOTENCY_KEY_HEADER,
  KEY_PATH_PREFIX,
  type KeyValueBody,
  type PutBody,
  RAW_MEDIA_TYPE,
} from "./wire.ts";

const JSON_MEDIA_TYPE = "application/json";

/** What the routes of the key-value store work with. */
interface KeyValueOptions {
  /** Reads and writes. */
  readonly node: NodeApi;
  /** Bounds the requests under way. */
  readonly gate: RequestGate;
  /** How long a value may take to arrive; `BODY_TIMEOUT_MS` of `connections.ts` by default. */
  readonly bodyTimeoutMs?: number;
}

/** Adds the routes of the key-value store. */
export function addKeyValueRoutes(router: Router, options: KeyValueOptions): void {
  const { node, gate } = options;
  /** Reads the key and checks the caller's prefixes before anything is taken from the gate. */
  const keyOf = (context: RequestContext, caller: Caller) => {
    const key = readKey(context.req.path);
    router.authorizer.admitKey(caller, key);
    return key;
  };
  addRoute(router, `${KEY_PATH_PREFIX}*`, {
    PUT: needs("write", (context, caller) => {
      const key = keyOf(context, caller);
      // What the client declares, or the most it may send, is taken from the budget up front.
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
  readonly key: string;
  readonly caller: Caller;
}

async function putKey(
  { node, bodyTimeoutMs }: KeyValueOptions,
  { key, caller }: KeyOfCaller,
  context: RequestContext,
): Promise<Response> {
  const timeoutMs = readTimeoutMs(readQuery(context.req.url, ["timeoutMs"]));
  const options = readWriteOptions(context.req.raw.headers, caller);
  const value = await readBody(context.req.raw, {
    bytesMax: VALUE_BYTES_MAX,
    tooLarge: valueTooLarge,
    ...(bodyTimeoutMs === undefined ? {} : { timeoutMs: bodyTimeoutMs }),
  });
  const put: Operation = {
    kind: "put",
    key: encodeUtf8(key),
    value,
    lease: 0,
    isPreviousWanted: false,
  };
  return writeResponse(key, await node.write(toCommand(put, options), { timeoutMs }));
}

async function deleteKey(
  node: NodeApi,
  { key, caller }: KeyOfCaller,
  context: RequestContext,
): Promise<Response> {
  const timeoutMs = readTimeoutMs(readQuery(context.req.url, ["timeoutMs"]));
  const options = readWriteOptions(context.req.raw.headers, caller);
  const keys = singleKey(encodeUtf8(key));
  const removal: Operation = { kind: "delete", keys, isPreviousWanted: false };
  return writeResponse(key, await node.write(toCommand(removal, options), { timeoutMs }));
}

/** One operation; where its condition does not hold, the answer says which revision the key has. */
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
  key: string,
  context: RequestContext,
): Promise<Response> {
  const query = readQuery(context.req.url, ["consistency", "timeoutMs"]);
  const consistency = readConsistency(query);
  const view = await node.view({ consistency, timeoutMs: readTimeoutMs(query) });
  const answer: ReadAnswer = { row: view.get(encodeUtf8(key)), revision: view.appliedIndex };
  if (answer.row === null) {
    throw new Problem("key_not_found", `There is no key ${JSON.stringify(key)}`, {
      headers: readHeaders(answer),
    });
  }
  return wantsRaw(context) ? rawValue(answer.row, answer) : jsonValue(key, answer.row, answer);
}

/** What a read found. */
interface ReadAnswer {
  readonly row: KeyValueRow | null;
  /** The node's applied index at the read. */
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

function jsonValue(key: string, row: KeyValueRow, answer: ReadAnswer): Response {
  const { createRevision, modRevision, version } = row;
  const body = { key, ...encodeValue(row.value), createRevision, modRevision, version };
  return jsonResponse(body satisfies KeyValueBody, { headers: readHeaders(answer) });
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
      ...NO_STORE,
      ...lengthHeader(row.value),
      ...readHeaders(answer),
    },
  });
}

/**
 * `Floe-Revision`: up to which revision the node had applied the log when it read. `ETag`: what a
 * later write can name in If-Match. It stands for the value, whichever form the value is sent in.
 */
function readHeaders({ row, revision }: ReadAnswer): Readonly<Record<string, string>> {
  return {
    "floe-revision": String(revision),
    "vary": "accept",
    ...(row === null ? {} : { "etag": entityTag(row.modRevision) }),
  };
}

/** A value as JSON can carry it, without loss. */
function encodeValue(value: Uint8Array): Pick<KeyValueBody, "value" | "encoding"> {
  return catching(
    InputError,
    () => ({ value: decodeUtf8(value), encoding: "utf8" }),
    () => ({ value: encodeBase64(value), encoding: "base64" }),
  );
}

function valueTooLarge(): Problem {
  return new Problem(
    "value_too_large",
    `Cannot take the value: it is above ${VALUE_BYTES_MAX} bytes`,
  );
}

/** The response header that says that the answer is an earlier attempt's. */
const IDEMPOTENCY_REPLAYED_HEADER = "idempotency-replayed";

/** What any write may ask for besides its effect. */
interface WriteOptions extends CommandOptions {
  /**
   * The write takes effect only while this is the key's modRevision; 0 stands for a key that is not
   * there. Whether it holds is decided by the log: where the command stands, not where it was sent.
   */
  readonly ifModRevision?: LogIndex;
}

/**
 * Reads `If-Match: "<modRevision>"`, `If-None-Match: *` and `Idempotency-Key`. The key may stand in
 * double quotes, as the draft writes it, or without; that makes no difference. Of the conditions only
 * these two forms are known, and every other is refused: a write whose condition is ignored would
 * do what its client asked it not to.
 *
 * @throws {Problem} `invalid_header`.
 */
export function readWriteOptions(headers: Headers, { id }: Pick<Caller, "id"> = {}): WriteOptions {
  const ifModRevision = readCondition(headers);
  const key = readIdempotencyKey(headers);
  return {
    ...(ifModRevision === null ? {} : { ifModRevision }),
    // The key is the token's: other tokens can neither occupy it nor learn from it.
    ...(key === null ? {} : { idempotency: { token: id ?? null, key } }),
  };
}

function readCondition(headers: Headers): LogIndex | null {
  const ifMatch = headers.get("if-match");
  const ifNoneMatch = headers.get("if-none-match");
  if (ifMatch !== null && ifNoneMatch !== null) {
    throw invalid("Cannot read conditions: If-Match and If-None-Match exclude each other");
  }
  if (ifMatch !== null) return readRevision(ifMatch);
  if (ifNoneMatch === null) return null;
  if (ifNoneMatch === "*") return toLogIndex(0);
  throw invalid(`Cannot read If-None-Match: ${JSON.stringify(ifNoneMatch)} is not *`);
}

const ENTITY_TAG_PATTERN = /^"([1-9][0-9]{0,15})"$/;

function readRevision(ifMatch: string): LogIndex {
  const revision = Number(ENTITY_TAG_PATTERN.exec(ifMatch)?.[1]);
  if (Number.isSafeInteger(revision)) return toLogIndex(revision);
  throw invalid(
    `Cannot read If-Match: ${JSON.stringify(ifMatch)} is not one modRevision in double quotes`,
  );
}

function readIdempotencyKey(headers: Headers): string | null {
  const value = headers.get(IDEMPOTENCY_KEY_HEADER);
  if (value === null) return null;
  const key = /^"(.*)"$/.exec(value)?.[1] ?? value;
  return catching(InputError, () => {
    checkIdempotencyKey(key);
    return key;
  }, (cause) => {
    throw new Problem("invalid_header", cause.message, { cause });
  });
}

function invalid(message: string): Problem {
  return new Problem("invalid_header", message);
}

type ResponseHeaders = Readonly<Record<string, string>>;

/**
 * The response to a write of `key`. A replay differs from the first answer in one header only, but that
 * what the key's revision was is not remembered of a condition that failed.
 *
 * @throws {Problem} `precondition_failed` or `idempotency_key_reused`.
 */
function writeResponse(key: string, answer: WriteAnswer): Response {
  const { result } = answer;
  if (result.kind === "idempotencyKeyReused") {
    throw idempotencyKeyReused(JSON.stringify(key), result);
  }
  const [done] = result.kind === "transaction" ? result.answers : [];
  const { revision } = result;
  const headers = replayHeaders(answer);
  switch (done?.kind) {
    case "put":
      return putResponse(key, { ...done, modRevision: revision }, headers);
    case "delete": {
      const body: DeleteBody = { key, deleted: done.deleted > 0, revision };
      return jsonResponse(body, { headers });
    }
    case "range":
      throw preconditionFailed(key, done.rows[0]?.modRevision ?? null, headers);
    case "notRemembered":
      throw new Problem(
        "precondition_failed",
        `Cannot write ${JSON.stringify(key)}: its condition did not hold`,
        { headers },
      );
    default:
      throw new InvariantError(`A write of a key was answered as ${result.kind}`);
  }
}

/** The headers that mark an answer as an earlier attempt's. */
export function replayHeaders({ isReplay }: WriteAnswer): Readonly<Record<string, string>> {
  return isReplay ? { [IDEMPOTENCY_REPLAYED_HEADER]: "true" } : {};
}

/** The refusal of a write of `what` whose idempotency key is another write's. */
export function idempotencyKeyReused(
  what: string,
  { firstIndex }: Extract<CommandResult, { readonly kind: "idempotencyKeyReused" }>,
): Problem {
  return new Problem(
    "idempotency_key_reused",
    `Cannot write ${what}: its idempotency key already stands for another write, at revision ` +
      `${firstIndex}`,
  );
}

function putResponse(
  key: string,
  result: {
    readonly createRevision: LogIndex;
    readonly modRevision: LogIndex;
    readonly version: number;
  },
  replayed: ResponseHeaders,
): Response {
  const { modRevision, createRevision, version } = result;
  const body: PutBody = { key, createRevision, modRevision, version };
  return jsonResponse(body, { headers: { "etag": entityTag(modRevision), ...replayed } });
}

/** The key's own tag stands on the refusal, so that the client can decide without another read. */
function preconditionFailed(
  key: string,
  modRevision: LogIndex | null,
  replayed: ResponseHeaders,
): Problem {
  const name = JSON.stringify(key);
  return modRevision === null
    ? new Problem("precondition_failed", `Cannot write ${name}: there is no such key`, {
      headers: replayed,
    })
    : new Problem("precondition_failed", `Cannot write ${name}: its revision is ${modRevision}`, {
      headers: { "etag": entityTag(modRevision), ...replayed },
    });
}
