/**
 * What is remembered of a write that came with an idempotency key, and for how long.
 *
 * @module
 */

import { decode, Encoder } from "@msgpack/msgpack";
import { equalBytes } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import { IDEMPOTENCY_KEY_LENGTH_MAX, type WriteResult } from "./command.ts";

/**
 * For how many entries of the log a write is remembered, its own included: a retry that reaches
 * the log before so many have followed is answered as the first attempt was. An entry holds at most
 * one write, so this is also the most writes that are ever remembered.
 *
 * The window is part of what all nodes must agree on: another number is another state machine.
 */
export const REMEMBERED_ENTRIES = 250_000;

/** One for all results, as it sets a buffer aside that it uses again. */
const encoder = new Encoder();

/** Bytes of a SHA-256. */
const DIGEST_BYTES = 32;

/** Most bytes of an encoded result: array, kind and two numbers; no other kind has more. */
const RESULT_BYTES_MAX = 1 + 1 + "preconditionFailed".length + 2 * 9;

/** Most bytes that all remembered writes have together, without what a store adds of its own. */
export const REMEMBERED_BYTES_MAX: number = REMEMBERED_ENTRIES *
  (IDEMPOTENCY_KEY_LENGTH_MAX + DIGEST_BYTES + 8 + RESULT_BYTES_MAX);

/** A write as it is remembered under its idempotency key. Its revision is its result's. */
export interface RememberedWrite {
  /** The key that the client gave it. */
  readonly idempotencyKey: string;
  /** SHA-256 of the encoded command, to tell a retry from another command: 32 bytes. */
  readonly commandDigest: Uint8Array;
  /** How it was answered, and will be. */
  readonly result: WriteResult;
}

/**
 * Writes a result for a store: a MessagePack array of its kind and of what it says besides its
 * revision, which the store keeps next to it.
 */
export function encodeResult(result: WriteResult): Uint8Array<ArrayBuffer> {
  return encoder.encode(fieldsOf(result));
}

/**
 * Reads what {@linkcode encodeResult} wrote for the write of this revision.
 *
 * @throws {InputError} for anything else.
 */
export function decodeResult(bytes: Uint8Array, revision: LogIndex): WriteResult {
  const result = toResult(decodeFields(bytes), revision);
  if (equalBytes(encodeResult(result), bytes)) return result;
  throw new InputError("Cannot read result: not in its one canonical encoding");
}

function fieldsOf(result: WriteResult): readonly (string | number | boolean)[] {
  switch (result.kind) {
    case "put":
      return [result.kind, result.createRevision, result.version];
    case "delete":
      return [result.kind, result.deleted];
    case "preconditionFailed":
      return [result.kind, result.modRevision];
    case "tokenCreated":
      return [result.kind];
    case "tokenRefused":
      return [result.kind, result.reason];
    case "tokenRevoked":
      return [result.kind, result.revoked];
    default:
      return result satisfies never;
  }
}

function decodeFields(bytes: Uint8Array): readonly unknown[] {
  try {
    const fields = decode(bytes, { maxMapLength: 0, maxExtLength: 0 });
    if (Array.isArray(fields)) return fields;
  } catch (cause) {
    throw new InputError("Cannot read result: not valid MessagePack", { cause });
  }
  throw new InputError("Cannot read result: not an array");
}

function toResult(fields: readonly unknown[], revision: LogIndex): WriteResult {
  const [kind, first, second] = fields;
  switch (kind) {
    case "put":
      return {
        kind,
        revision,
        createRevision: toLogIndex(first),
        version: toLogIndex(second),
      };
    case "delete":
      return { kind, revision, deleted: first === true };
    case "preconditionFailed":
      return { kind, revision, modRevision: toLogIndex(first) };
    case "tokenCreated":
      return { kind, revision };
    case "tokenRefused":
      return { kind, revision, reason: first === "exists" ? first : "tooMany" };
    case "tokenRevoked":
      return { kind, revision, revoked: first === true };
    default:
      throw new InputError("Cannot read result: unknown kind");
  }
}
