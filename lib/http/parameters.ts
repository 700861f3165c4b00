/**
 * Reads the parts of a request: query parameters, the key in the path, and the body.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { decodeUtf8 } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import { JSON_PARTS_MAX, measureJson } from "../json.ts";
import {
  checkKeyBytes,
  checkRange,
  KEY_BYTES_MAX,
  type KeyRange,
  keysWithPrefix,
  singleKey,
} from "../kv/mod.ts";
import type { Consistency } from "../node/mod.ts";
import { readAtMost } from "../streams.ts";
import { type LogIndex, type NodeId, toLogIndex, toNodeId } from "../types.ts";
import {
  canStandInPath,
  decodePercent,
  KEY_PATH_PREFIX,
  REQUEST_TIMEOUT_MS_MAX,
  type Schema,
  showBytes,
} from "../wire/mod.ts";
import { BODY_TIMEOUT_MS, REQUEST_TIMEOUT_MS_DEFAULT } from "./connections.ts";
import { Problem } from "./problem.ts";

/** The query parameters of one request. A route checks each one when it reads it. */
export type Query = Readonly<Record<string, string>>;

const NO_QUERY: Query = {};

/**
 * The query parameters of `url`. An unknown parameter is refused, not ignored: it could be a condition of a
 * later version, on which the write depends.
 *
 * @throws {Problem} `invalid_parameter` for an unknown or a repeated one.
 */
export function readQuery(url: string, known: readonly string[]): Query {
  const start = url.indexOf("?");
  if (start < 0) return NO_QUERY;
  const query: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(url.slice(start + 1))) {
    if (!known.includes(name)) {
      const list = known.length === 0 ? "none" : known.join(", ");
      throw invalid(`Unknown parameter ${JSON.stringify(name)}: this path takes ${list}`);
    }
    if (name in query) throw invalid(`Parameter ${name} is given twice`);
    query[name] = value;
  }
  return query;
}

/** `?consistency=`, linearizable by default. @throws {Problem} `invalid_parameter`. */
export function readConsistency(query: Query): Consistency {
  const value = query["consistency"] ?? "linearizable";
  if (value === "linearizable" || value === "lease" || value === "stale") return value;
  throw invalid(
    `Cannot read consistency: ${JSON.stringify(value)} is none of linearizable, lease, stale`,
  );
}

/** `?timeoutMs=`, within {@linkcode REQUEST_TIMEOUT_MS_MAX}. @throws {Problem} `invalid_parameter`. */
export function readTimeoutMs(query: Query): number {
  return readCount(query, "timeoutMs", { least: 1, most: REQUEST_TIMEOUT_MS_MAX }) ??
    REQUEST_TIMEOUT_MS_DEFAULT;
}

/** A node's id. @throws {Problem} `invalid_parameter`. */
export function readNodeId(value: string): NodeId {
  try {
    return toNodeId(value);
  } catch (error) {
    throw error instanceof InputError ? invalid(error.message) : error;
  }
}

const COUNT_PATTERN = /^(0|[1-9][0-9]*)$/;

/**
 * A whole number without sign or leading zeros, or null when it is not given.
 *
 * @throws {Problem} `invalid_parameter` for anything else, or outside of its range.
 */
export function readCount(
  query: Query,
  name: string,
  range: { readonly least: number; readonly most: number },
): number | null {
  const text = query[name];
  if (text === undefined) return null;
  const value = COUNT_PATTERN.test(text) ? Number(text) : NaN;
  if (value >= range.least && value <= range.most) return value;
  throw invalid(
    `Cannot read ${name}: ${JSON.stringify(text)} is not a whole number ` +
      `from ${range.least} to ${range.most}`,
  );
}

/** A parameter that is `true` or `false`. @throws {Problem} `invalid_parameter`. */
export function readFlag(query: Query, name: string): boolean {
  const text = query[name] ?? "false";
  if (text === "true" || text === "false") return text === "true";
  throw invalid(`Cannot read ${name}: ${JSON.stringify(text)} is neither true nor false`);
}

/** One of a few words, the first of which is the default. @throws {Problem} `invalid_parameter`. */
export function readChoice<Choice extends string>(
  query: Query,
  name: string,
  choices: readonly [Choice, ...Choice[]],
): Choice {
  const text = query[name];
  if (text === undefined) return choices[0];
  const choice = choices.find((known) => known === text);
  if (choice !== undefined) return choice;
  throw invalid(`Cannot read ${name}: ${JSON.stringify(text)} is none of ${choices.join(", ")}`);
}

/** A revision, or null when it is not given. @throws {Problem} `invalid_parameter`. */
export function readRevision(query: Query, name = "revision"): LogIndex | null {
  const revision = readCount(query, name, { least: 0, most: Number.MAX_SAFE_INTEGER });
  return revision === null ? null : toLogIndex(revision);
}

/**
 * The bytes of a parameter, percent-decoded once, with `+` for a space as in forms; null when it is absent.
 * Unlike {@linkcode readQuery}, it accepts any byte.
 *
 * @throws {Problem} `invalid_parameter`.
 */
export function readBytes(url: string, query: Query, name: string): Uint8Array | null {
  if (query[name] === undefined) return null;
  const parts = url.slice(url.indexOf("?") + 1).split("&").map((part) => part.split("="));
  // A parameter whose name is percent-encoded is not found here.
  const found = parts.find(([encoded]) => encoded === name);
  if (found === undefined) throw invalid(`Cannot read ${name}: its name must not be encoded`);
  const [, ...value] = found;
  return inParameter(name, () => decodePercent(value.join("=").replaceAll("+", "%20")));
}

/** The parameters that name keys. */
export const KEY_PARAMETERS = ["key", "prefix", "start", "end"] as const;

/**
 * The keys that a query names: by `prefix`, by `start` and `end`, or by `key` if the route takes it.
 *
 * @throws {Problem} `invalid_parameter`.
 */
export function readKeys(url: string, query: Query): KeyRange {
  const [key, prefix, start, end] = KEY_PARAMETERS.map((name) => readBytes(url, query, name));
  return inParameter("keys", () => toKeyRange({ key, prefix, start, end }));
}

/** The ways to name keys: one key, all keys with a prefix, or all keys from a start up to an end. */
type KeyNames = Readonly<
  Record<"key" | "prefix" | "start" | "end", Uint8Array | null | undefined>
>;

/** The keys that are named. @throws {InputError} unless they are named in exactly one way. */
export function toKeyRange({ key, prefix, start, end }: KeyNames): KeyRange {
  const isPart = (start ?? end ?? null) !== null;
  const ways = [(key ?? null) !== null, (prefix ?? null) !== null, isPart].filter(Boolean).length;
  if (ways !== 1) {
    throw new InputError("name them in one way: a key, a prefix (empty: all), or start and end");
  }
  if (key) {
    checkKeyBytes(key);
    return singleKey(key);
  }
  const keys = prefix
    ? keysWithPrefix(prefix)
    : { start: start ?? new Uint8Array(), end: end ?? null };
  checkRange(keys);
  return keys;
}

function inParameter<Result>(name: string, read: () => Result): Result {
  return catching(InputError, read, ({ message }) => {
    throw invalid(`Cannot read ${name}: ${message}`);
  });
}

/**
 * The key that a path names: everything after `/v1/kv/`, percent-decoded once. A slash belongs to the key,
 * both as `/` and as `%2F`: `/v1/kv/a/b` and `/v1/kv/a%2Fb` both name `a/b`.
 *
 * @throws {Problem} `key_empty`, `key_invalid` or `key_too_large`.
 */
export function readKey(path: string): Uint8Array {
  const encoded = path.slice(KEY_PATH_PREFIX.length);
  if (encoded === "") throw new Problem("key_empty", `Cannot read key: nothing after /v1/kv/`);
  const key = catching(InputError, () => decodePercent(encoded), ({ message }) => {
    throw invalidKey(message);
  });
  if (!canStandInPath(key)) {
    throw invalidKey(`${showBytes(key)} is not allowed as a key in a path`);
  }
  if (key.length <= KEY_BYTES_MAX) return key;
  throw new Problem(
    "key_too_large",
    `Cannot read key: ${key.length} bytes are above ${KEY_BYTES_MAX}`,
  );
}

function invalid(message: string): Problem {
  return new Problem("invalid_parameter", message);
}

function invalidKey(reason: string): Problem {
  return new Problem("key_invalid", `Cannot read key: ${reason}`);
}

/** How large and how slow a body may be. */
interface BodyLimit {
  /** Most bytes. */
  readonly bytesMax: number;
  /** Makes the refusal of a larger body. */
  readonly tooLarge: () => Problem;
  /** How long it may take to arrive; {@linkcode BODY_TIMEOUT_MS} by default. */
  readonly timeoutMs?: number;
}

const LENGTH_PATTERN = /^[0-9]{1,15}$/;

/** The body's length as the client declares it, or null when it sends chunks without one. */
export function declaredLength(request: Request): number | null {
  const header = request.headers.get("content-length");
  if (header === null) return request.body === null ? 0 : null;
  return LENGTH_PATTERN.test(header) ? Number(header) : null;
}

/**
 * Reads a body. A body with a declared length above the limit is refused before any byte is read. A body
 * without a declared length is refused as soon as it exceeds the limit.
 *
 * @throws {Problem} the limit's own, `body_timeout`, or `body_incomplete` when the client stops sending.
 */
export async function readBody(
  request: Request,
  limit: BodyLimit,
): Promise<Uint8Array<ArrayBuffer>> {
  const length = declaredLength(request);
  if (length !== null && length > limit.bytesMax) throw limit.tooLarge();
  const timeoutMs = limit.timeoutMs ?? BODY_TIMEOUT_MS;
  const reading = length === null ? readChunks(request, limit) : request.bytes();
  const bytes = await withTimeout(reading, timeoutMs);
  if (bytes.length > limit.bytesMax) throw limit.tooLarge();
  return bytes;
}

/**
 * Reads a body that is JSON with a given schema.
 *
 * @throws {Problem} as {@linkcode readBody}, and `request_too_large`.
 * @throws {InputError} when it is not JSON, or does not match the schema.
 */
export async function readJson<Body>(
  request: Request,
  { what, schema, ...limit }: Omit<BodyLimit, "tooLarge"> & {
    /** The name of the body in error messages. */
    readonly what: string;
    readonly schema: Schema<Body>;
  },
): Promise<Body> {
  const { bytesMax } = limit;
  const tooLarge = () =>
    new Problem("request_too_large", `Cannot take the ${what}: it is above ${bytesMax} bytes`);
  const bytes = await readBody(request, { ...limit, tooLarge });
  const parsed = schema.safeParse(parseJson(bytes, what));
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.slice(0, ISSUES_SHOWN_MAX)
    .map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new InputError(`Cannot read ${what}: ${places.join("; ").slice(0, SHOWN_LENGTH_MAX)}`);
}

/** Most faults that the description of an invalid body names. */
const ISSUES_SHOWN_MAX = 10;
/** Most characters in the description of an invalid body. */
const SHOWN_LENGTH_MAX = 1_000;
/** Most nested brackets: three for each of 32 transactions, and four in the last one. */
const JSON_DEPTH_MAX = 100;

function parseJson(bytes: Uint8Array, what: string): unknown {
  const { depth, parts } = measureJson(bytes);
  if (depth > JSON_DEPTH_MAX) throw new InputError(`Cannot read ${what}: it is nested too deep`);
  if (parts > JSON_PARTS_MAX) {
    throw new InputError(
      `Cannot read ${what}: its ${parts} JSON objects, lists and items are above ${JSON_PARTS_MAX}; ` +
        "divide it",
    );
  }
  try {
    return JSON.parse(decodeUtf8(bytes));
  } catch (cause) {
    throw new InputError(`Cannot read ${what}: the body is not JSON`, { cause });
  }
}

async function readChunks(request: Request, limit: BodyLimit): Promise<Uint8Array<ArrayBuffer>> {
  if (request.body === null) return new Uint8Array();
  const bytes = await readAtMost(request.body, limit.bytesMax);
  if (bytes === null) throw limit.tooLarge();
  return bytes;
}

async function withTimeout<Value>(reading: Promise<Value>, timeoutMs: number): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expired = (): Promise<never> =>
    new Promise((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new Problem("body_timeout", `The body did not arrive within ${timeoutMs} ms`)),
        timeoutMs,
      );
    });
  try {
    // Most bodies have already arrived. A timer for each would cost a third of the time of a request.
    const read = await Promise.race([reading, nextTurn()]);
    return read === NOT_YET ? await Promise.race([reading, expired()]) : read;
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem("body_incomplete", "The body broke off before its end", { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

const NOT_YET = Symbol();
let turn: Promise<typeof NOT_YET> | null = null;

/** One promise for all requests that wait in the same turn of the event loop. */
function nextTurn(): Promise<typeof NOT_YET> {
  return turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = null;
      resolve(NOT_YET);
    });
  });
}
