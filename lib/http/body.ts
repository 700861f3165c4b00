/**
 * Reading a request's body without ever holding more of it than is allowed.
 *
 * @module
 */

import { readAtMost } from "../streams.ts";
import { BODY_TIMEOUT_MS } from "./limits.ts";
import { Problem } from "./problem.ts";

/** What a body may be. */
export interface BodyLimit {
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
