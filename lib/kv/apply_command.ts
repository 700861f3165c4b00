/**
 * What one command does to the store: at most once under an idempotency key, and only where its
 * condition holds.
 *
 * @module
 */

import { decode, Encoder } from "@msgpack/msgpack";
import { createHash } from "node:crypto";
import { equalBytes } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import {
  type Command,
  type CommandResult,
  type KeyCommand,
  type KeyResult,
  type TokenCommand,
  type TokenResult,
  type WriteResult,
} from "./command.ts";
import { SCOPED_KEY_LENGTH_MAX, scopedIdempotencyKey } from "./command_codec.ts";
import type { KeyValueStore } from "./state_machine.ts";
import { TOKENS_MAX } from "./token.ts";

/** A command at its place in the log. */
export interface PlacedCommand {
  /** The index of its entry. */
  readonly index: LogIndex;
  readonly command: Command;
  /** The command as its entry holds it. */
  readonly data: Uint8Array;
}

/** How a command is answered. */
type CommandAnswer =
  /** By itself. */
  | { readonly kind: "command"; readonly result: CommandResult }
  /** As an earlier attempt at the same write was; nothing changed. */
  | { readonly kind: "replayed"; readonly result: WriteResult };

/**
 * Applies a command, unless its idempotency key is remembered: then nothing changes, and it is
 * answered as the first time if it is the same command. What a write's condition came to is
 * remembered too: a write that failed once must not take effect by a copy that comes later.
 *
 * The digest is of the bytes in the log: a command has one encoding, so equal bytes and equal commands
 * are the same thing.
 */
export function applyOnce(store: KeyValueStore, placed: PlacedCommand): CommandAnswer {
  const { index, command, data } = placed;
  const idempotencyKey = scopedIdempotencyKey(command);
  if (idempotencyKey === null) {
    return { kind: "command", result: applyCommand(store, command, index) };
  }
  const commandDigest = sha256(data);
  const remembered = store.remembered.get(idempotencyKey);
  if (remembered === null) {
    const result = applyCommand(store, command, index);
    store.remembered.add({ idempotencyKey, commandDigest, result });
    return { kind: "command", result };
  }
  const { result } = remembered;
  if (equalBytes(remembered.commandDigest, commandDigest)) return { kind: "replayed", result };
  const firstRevision = result.revision;
  return {
    kind: "command",
    result: { kind: "idempotencyKeyReused", revision: index, firstRevision },
  };
}

function applyCommand(store: KeyValueStore, command: Command, revision: LogIndex): WriteResult {
  switch (command.kind) {
    case "put":
    case "delete":
      return applyToKey(store, command, revision);
    case "createToken":
    case "revokeToken":
      return applyToTokens(store, command, revision);
    default:
      return command satisfies never;
  }
}

function applyToKey(store: KeyValueStore, command: KeyCommand, revision: LogIndex): KeyResult {
  const current = store.get(command.key);
  const modRevision = current?.modRevision ?? toLogIndex(0);
  const { ifModRevision = modRevision } = command;
  if (ifModRevision !== modRevision) return { kind: "preconditionFailed", revision, modRevision };
  if (command.kind === "delete") {
    if (current !== null) store.delete(command.key);
    return { kind: "delete", revision, deleted: current !== null };
  }
  const { key, value } = command;
  const createRevision = current?.createRevision ?? revision;
  const version = (current?.version ?? 0) + 1;
  store.put({ key, value, createRevision, modRevision: revision, version });
  return { kind: "put", revision, createRevision, version };
}

function applyToTokens(
  { tokens }: KeyValueStore,
  command: TokenCommand,
  revision: LogIndex,
): TokenResult {
  const { id } = command;
  const isThere = tokens.get(id) !== null;
  if (command.kind === "revokeToken") {
    if (isThere) tokens.delete(id);
    return { kind: "tokenRevoked", revision, revoked: isThere };
  }
  if (isThere) return { kind: "tokenRefused", revision, reason: "exists" };
  if (tokens.count >= TOKENS_MAX) return { kind: "tokenRefused", revision, reason: "tooMany" };
  const { secretDigest, name, scopes, prefixes } = command;
  tokens.add({ id, secretDigest, name, scopes, prefixes, createRevision: revision });
  return { kind: "tokenCreated", revision };
}

function sha256(data: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(data).digest());
}

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
  (SCOPED_KEY_LENGTH_MAX + DIGEST_BYTES + 8 + RESULT_BYTES_MAX);

/** A write as it is remembered under its idempotency key. Its revision is its result's. */
export interface RememberedWrite {
  /** The key that the client gave it, with its owner before it, if it has one. */
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
