/**
 * Reading what a request's address says: query parameters and the key in the path.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { KEY_BYTES_MAX } from "../kv/mod.ts";
import type { Consistency } from "../node/mod.ts";
import { readAtMost } from "../streams.ts";
import { type NodeId, toNodeId } from "../types.ts";
import { BODY_TIMEOUT_MS, REQUEST_TIMEOUT_MS_DEFAULT } from "./connections.ts";
import { Problem } from "./problem.ts";
import { canStandInPath, KEY_PATH_PREFIX, REQUEST_TIMEOUT_MS_MAX } from "./wire.ts";

/** The query parameters of one request, checked one by one as a route reads them. */
type Query = Readonly<Record<string, string>>;

const NO_QUERY: Query = {};

/**
 * The query parameters of `url`. One that the route does not know is refused rather than ignored: a
 * parameter that this version does not know may be the very condition that a write depends on.
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

const ASCII_PATTERN = /^[!-~]*$/;

/**
 * The key that a path names: all that follows `/v1/kv/`, percent-decoded once. A slash belongs to
 * the key, written as it is or as `%2F`: `/v1/kv/a/b` and `/v1/kv/a%2Fb` both name `a/b`.
 *
 * @throws {Problem} `key_empty`, `key_invalid` or `key_too_large`.
 */
export function readKey(path: string): string {
  const encoded = path.slice(KEY_PATH_PREFIX.length);
  if (encoded === "") throw new Problem("key_empty", `Cannot read key: nothing after /v1/kv/`);
  const key = decodeKey(encoded);
  if (!canStandInPath(key)) {
    throw invalidKey(`${JSON.stringify(key)} is not allowed as a key`);
  }
  // Every character of the path stands for at most one byte: short paths need no counting.
  if (encoded.length > KEY_BYTES_MAX) checkKeyLength(encodeUtf8(key).length);
  return key;
}

function decodeKey(encoded: string): string {
  if (!ASCII_PATTERN.test(encoded)) {
    throw invalidKey("the path holds characters that must be percent-encoded");
  }
  if (!encoded.includes("%")) return encoded;
  try {
    return decodeURIComponent(encoded);
  } catch (cause) {
    throw invalidKey("the path is not percent-encoded UTF-8", cause);
  }
}

function checkKeyLength(length: number): void {
  if (length <= KEY_BYTES_MAX) return;
  throw new Problem("key_too_large", `Cannot read key: ${length} bytes are above ${KEY_BYTES_MAX}`);
}

function invalid(message: string): Problem {
  return new Problem("invalid_parameter", message);
}

function invalidKey(reason: string, cause?: unknown): Problem {
  return new Problem("key_invalid", `Cannot read key: ${reason}`, { cause });
}

/** What a body may be. */
interface BodyLimit {
  /** Most bytes. */
  readonly bytesMax: number;
  /** The refusal of a body with more. */
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
 * Reads a body. One with a declared length is refused before a byte of it is read, one without as
 * soon as it grows past the limit.
 *
 * @throws {Problem} the limit's own, `body_timeout`, or `body_incomplete` when the client breaks off.
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

async function readChunks(request: Request, limit: BodyLimit): Promise<Uint8Array<ArrayBuffer>> {
  if (request.body === null) return new Uint8Array();
  const bytes = await readAtMost(request.body, limit.bytesMax);
  if (bytes === null) throw limit.tooLarge();
  return bytes;
}

async function withTimeout<Value>(reading: Promise<Value>, timeoutMs: number): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Problem("body_timeout", `The body did not arrive within ${timeoutMs} ms`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([reading, expired]);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem("body_incomplete", "The body broke off before its end", { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
