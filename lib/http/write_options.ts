/**
 * What the headers of a write ask for: a condition (RFC 9110 §13.1) and an idempotency key
 * (draft-ietf-httpapi-idempotency-key-header).
 *
 * @module
 */

import { InputError } from "../errors.ts";
import type { WriteOptions } from "../kv/command.ts";
import { checkIdempotencyKey } from "../kv/command_codec.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import { Problem } from "./problem.ts";

/** The request header that names a write for all its attempts. */
export const IDEMPOTENCY_KEY_HEADER = "idempotency-key";
/** The response header that says that the answer is an earlier attempt's. */
export const IDEMPOTENCY_REPLAYED_HEADER = "idempotency-replayed";

/**
 * Reads `If-Match: "<modRevision>"`, `If-None-Match: *` and `Idempotency-Key`. The key may stand in
 * double quotes, as the draft writes it, or without; that makes no difference. Of the conditions only
 * these two forms are known, and every other is refused: a write whose condition is ignored would
 * do what its client asked it not to.
 *
 * @throws {Problem} `invalid_header`.
 */
export function readWriteOptions(headers: Headers): WriteOptions {
  const ifModRevision = readCondition(headers);
  const idempotencyKey = readIdempotencyKey(headers);
  return {
    ...(ifModRevision === null ? {} : { ifModRevision }),
    ...(idempotencyKey === null ? {} : { idempotencyKey }),
  };
}

/** The entity tag of what a write left behind: its modRevision in quotes (RFC 9110 §8.8.3). */
export function entityTag(modRevision: LogIndex): string {
  return `"${modRevision}"`;
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
  try {
    checkIdempotencyKey(key);
    return key;
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw new Problem("invalid_header", cause.message, { cause });
  }
}

function invalid(message: string): Problem {
  return new Problem("invalid_header", message);
}
