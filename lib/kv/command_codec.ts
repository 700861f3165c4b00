/**
 * Commands as bytes: what a client's write looks like inside a log entry.
 *
 * The first byte is the format's version. What follows is a MessagePack array. Version 1 has
 * `["put", key, ifModRevision, idempotencyKey, value]` and
 * `["delete", key, ifModRevision, idempotencyKey]`; version 2 has
 * `["createToken", idempotencyKey, id, secretDigest, name, scopes, prefixes]` and
 * `["revokeToken", idempotencyKey, id]`. Texts are byte strings in UTF-8, nil is what was not asked
 * for. An idempotency key that belongs to a token stands after the token's id and a space, which no
 * key has in it. One command has exactly one encoding, and how a version is read never changes: entries written
 * today are replayed by every later Floe. A new kind of command is a new version, at which a node that
 * does not know it stops, rather than pass over it while others apply it.
 *
 * @module
 */

import { decode, Encoder } from "@msgpack/msgpack";
import { concatBytes, decodeUtf8, encodeUtf8, equalBytes } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import { toLogIndex } from "../types.ts";
import {
  type Command,
  IDEMPOTENCY_KEY_LENGTH_MAX,
  type IdempotencyOptions,
  KEY_BYTES_MAX,
  type KeyCommand,
  type TokenCommand,
  VALUE_BYTES_MAX,
  type WriteOptions,
} from "./command.ts";
import {
  checkTokenId,
  decodeTokenFields,
  encodeTokenFields,
  TOKEN_ID_LENGTH,
  TOKEN_PREFIXES_MAX,
} from "./token.ts";

/** The version of the format that commands for keys are written in. */
export const KEY_COMMAND_VERSION = 1;
/** The version of the format that commands for tokens are written in. */
export const TOKEN_COMMAND_VERSION = 2;
/** The newest version of the format that this Floe knows; it reads all versions from 1 to this one. */
export const COMMAND_VERSION: number = TOKEN_COMMAND_VERSION;

/** One for all commands, as it sets a buffer aside that it uses again. */
const encoder = new Encoder();

/** Most bytes that an array's head, a kind, a revision and the heads of byte strings can take. */
const FRAME_BYTES_MAX = 32;

/** Most characters in an idempotency key with its owner before it; each is one byte. */
export const SCOPED_KEY_LENGTH_MAX: number = TOKEN_ID_LENGTH + 1 + IDEMPOTENCY_KEY_LENGTH_MAX;

/** Most bytes in an encoded command: a put's, as no other kind has a value. */
export const COMMAND_BYTES_MAX: number = 1 + FRAME_BYTES_MAX + KEY_BYTES_MAX +
  SCOPED_KEY_LENGTH_MAX + VALUE_BYTES_MAX;

/**
 * A command in a format that this Floe does not know. Apart from other bad input because the same
 * bytes mean something to a newer Floe: see `state_machine.ts`.
 */
export class CommandVersionError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "CommandVersionError";
}

/**
 * Writes a command as it stands in the log, at most {@linkcode COMMAND_BYTES_MAX} bytes.
 *
 * @throws {InputError} when the key, the value or the idempotency key is outside its limits.
 */
export function encodeCommand(command: Command): Uint8Array<ArrayBuffer> {
  const { version, fields } = isKeyCommand(command)
    ? { version: KEY_COMMAND_VERSION, fields: encodeKeyFields(command) }
    : {
      version: TOKEN_COMMAND_VERSION,
      fields: [command.kind, encodeIdempotencyKey(command), ...encodeTokenFields(command)],
    };
  return concatBytes(Uint8Array.of(version), encoder.encodeSharedRef(fields));
}

/**
 * Reads a command from untrusted bytes. The value is a view into `bytes`.
 *
 * @throws {CommandVersionError} when the version is above {@linkcode COMMAND_VERSION}.
 * @throws {InputError} for everything that {@linkcode encodeCommand} would not have written.
 */
export function decodeCommand(bytes: Uint8Array): Command {
  const version = readVersion(bytes);
  if (bytes.length > COMMAND_BYTES_MAX) {
    throw new InputError(
      `Cannot read command: ${bytes.length} bytes are above ${COMMAND_BYTES_MAX}`,
    );
  }
  const fields = decodeFields(bytes.subarray(1));
  const command = version === KEY_COMMAND_VERSION ? toKeyCommand(fields) : toTokenCommand(fields);
  checkCanonical(command, bytes);
  return command;
}

/** Whether {@linkcode decodeCommand} can read these bytes. */
export function isCommand(bytes: Uint8Array): boolean {
  return catching(InputError, () => {
    decodeCommand(bytes);
    return true;
  }, () => false);
}

/**
 * Checks a key on its own, for reads.
 *
 * @throws {InputError} when it is empty, longer than {@linkcode KEY_BYTES_MAX} bytes of UTF-8, or
 * not well-formed Unicode.
 */
export function checkKey(key: string): void {
  encodeKey(key);
}

/**
 * The bytes of a key: 1 to {@linkcode KEY_BYTES_MAX} of them.
 *
 * @throws {InputError} as {@linkcode checkKey} does.
 */
function encodeKey(key: string): Uint8Array<ArrayBuffer> {
  // A lone surrogate has no UTF-8: encoded, it would silently become another key.
  if (!key.isWellFormed()) throw new InputError("Cannot read key: not well-formed Unicode");
  const bytes = encodeUtf8(key);
  if (bytes.length === 0) throw new InputError("Cannot read key: it is empty");
  if (bytes.length > KEY_BYTES_MAX) {
    throw new InputError(`Cannot read key: ${bytes.length} bytes are above ${KEY_BYTES_MAX}`);
  }
  return bytes;
}

/** Visible ASCII without `"` and `\`, so that it stands in a quoted HTTP header as it is. */
const IDEMPOTENCY_KEY_PATTERN = /^[!#-[\]-~]+$/;

/**
 * Checks an idempotency key on its own.
 *
 * @throws {InputError} unless it is 1 to {@linkcode IDEMPOTENCY_KEY_LENGTH_MAX} visible ASCII
 * characters without `"` and `\`.
 */
export function checkIdempotencyKey(idempotencyKey: string): void {
  const { length } = idempotencyKey;
  if (length > IDEMPOTENCY_KEY_LENGTH_MAX) {
    throw new InputError(
      `Cannot read idempotency key: ${length} characters are above ${IDEMPOTENCY_KEY_LENGTH_MAX}`,
    );
  }
  if (IDEMPOTENCY_KEY_PATTERN.test(idempotencyKey)) return;
  throw new InputError(
    'Cannot read idempotency key: it must be visible ASCII characters other than " and \\',
  );
}

function isKeyCommand(command: Command): command is KeyCommand {
  return command.kind === "put" || command.kind === "delete";
}

function encodeKeyFields(command: KeyCommand): readonly unknown[] {
  const { kind, key, ifModRevision = null } = command;
  const fields = [kind, encodeKey(key), ifModRevision, encodeIdempotencyKey(command)];
  if (command.kind === "put") {
    checkValue(command.value);
    fields.push(command.value);
  }
  return fields;
}

function encodeIdempotencyKey(options: IdempotencyOptions): Uint8Array | null {
  const key = scopedIdempotencyKey(options);
  return key === null ? null : encodeUtf8(key);
}

/**
 * An idempotency key as the state remembers it: with its owner before it; null where there is none.
 *
 * @throws {InputError} when one of both is malformed, or there is an owner of no key.
 */
export function scopedIdempotencyKey(options: IdempotencyOptions): string | null {
  const { idempotencyKey, idempotencyOwner } = options;
  if (idempotencyKey === undefined) {
    if (idempotencyOwner === undefined) return null;
    throw new InputError("Cannot read command: an owner of no idempotency key");
  }
  checkIdempotencyKey(idempotencyKey);
  if (idempotencyOwner === undefined) return idempotencyKey;
  checkTokenId(idempotencyOwner);
  return `${idempotencyOwner} ${idempotencyKey}`;
}

function checkValue(value: Uint8Array): void {
  if (value.length > VALUE_BYTES_MAX) {
    throw new InputError(`Cannot read value: ${value.length} bytes are above ${VALUE_BYTES_MAX}`);
  }
}

function readVersion(bytes: Uint8Array): number {
  const version = bytes[0];
  if (version === undefined) throw new InputError("Cannot read command: it is empty");
  if (version === KEY_COMMAND_VERSION || version === TOKEN_COMMAND_VERSION) return version;
  throw new CommandVersionError(
    `Cannot read command: format ${version} is not from 1 to ${COMMAND_VERSION}`,
  );
}

/**
 * MessagePack can say one thing in several ways: in wider heads, and a number in several types of
 * one width. The value needs no comparison: it stands last, so with equal lengths and equal bytes
 * before it, it is the same view.
 */
function checkCanonical(command: Command, bytes: Uint8Array): void {
  const canonical = encodeCommand(command);
  const headLength = canonical.length - (command.kind === "put" ? command.value.length : 0);
  const isEqual = canonical.length === bytes.length &&
    equalBytes(canonical.subarray(0, headLength), bytes.subarray(0, headLength));
  if (!isEqual) throw new InputError("Cannot read command: not in its one canonical encoding");
}

function decodeFields(bytes: Uint8Array): readonly unknown[] {
  let fields: unknown;
  try {
    fields = decode(bytes, {
      maxArrayLength: TOKEN_PREFIXES_MAX,
      maxBinLength: VALUE_BYTES_MAX,
      maxStrLength: "createToken".length,
      maxMapLength: 0,
      maxExtLength: 0,
    });
  } catch (cause) {
    throw new InputError("Cannot read command: not valid MessagePack within its limits", { cause });
  }
  if (Array.isArray(fields)) return fields;
  throw new InputError("Cannot read command: not an array");
}

function toTokenCommand(fields: readonly unknown[]): TokenCommand {
  const [kind, idempotencyKey, ...rest] = fields;
  return { ...decodeTokenFields(kind, rest), ...toIdempotencyKey(idempotencyKey) };
}

function toKeyCommand(fields: readonly unknown[]): KeyCommand {
  const [kind, keyBytes, ifModRevision, idempotencyKey, value] = fields;
  if (!(keyBytes instanceof Uint8Array)) throw new InputError("Cannot read command: no key");
  const key = decodeUtf8(keyBytes);
  const options = { ...toIfModRevision(ifModRevision), ...toIdempotencyKey(idempotencyKey) };
  if (kind === "put" && fields.length === 5 && value instanceof Uint8Array) {
    return { kind, key, value, ...options };
  }
  if (kind === "delete" && fields.length === 4) return { kind, key, ...options };
  throw new InputError("Cannot read command: neither a put nor a delete with its fields");
}

function toIfModRevision(field: unknown): Pick<WriteOptions, "ifModRevision"> {
  return field === null ? {} : { ifModRevision: toLogIndex(field) };
}

function toIdempotencyKey(field: unknown): IdempotencyOptions {
  if (field === null) return {};
  if (field instanceof Uint8Array) {
    const text = decodeUtf8(field);
    const end = text.indexOf(" ");
    if (end < 0) return { idempotencyKey: text };
    return { idempotencyKey: text.slice(end + 1), idempotencyOwner: text.slice(0, end) };
  }
  throw new InputError("Cannot read command: its idempotency key is not a byte string");
}
