/**
 * Commands as bytes: what a client's write looks like inside a log entry.
 *
 * The first byte is the format's version. What follows is a MessagePack array,
 * `["put", key, ifModRevision, idempotencyKey, value]` or
 * `["delete", key, ifModRevision, idempotencyKey]`, with texts as byte strings in UTF-8 and nil for
 * what was not asked for. One command has exactly one encoding, and how version 1 is read never
 * changes: entries written today are replayed by every later Floe.
 *
 * @module
 */

import { decode, Encoder } from "@msgpack/msgpack";
import { concatBytes, decodeUtf8, encodeUtf8, equalBytes } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import {
  type Command,
  IDEMPOTENCY_KEY_LENGTH_MAX,
  KEY_BYTES_MAX,
  VALUE_BYTES_MAX,
  type WriteOptions,
} from "./command.ts";

/** The version of the format that this Floe writes, and the only one that it reads. */
export const COMMAND_VERSION = 1;

const VERSION_BYTE = Uint8Array.of(COMMAND_VERSION);

/** One for all commands, as it sets a buffer aside that it uses again. */
const encoder = new Encoder();

/** Most bytes that an array's head, a kind, a revision and the heads of byte strings can take. */
const FRAME_BYTES_MAX = 32;

/** Most bytes in an encoded command. */
export const COMMAND_BYTES_MAX: number = 1 + FRAME_BYTES_MAX + KEY_BYTES_MAX +
  IDEMPOTENCY_KEY_LENGTH_MAX + VALUE_BYTES_MAX;

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
  const fields = [command.kind, encodeKey(command.key), ...encodeOptions(command)];
  if (command.kind === "put") {
    checkValue(command.value);
    fields.push(command.value);
  }
  return concatBytes(VERSION_BYTE, encoder.encodeSharedRef(fields));
}

/**
 * Reads a command from untrusted bytes. The value is a view into `bytes`.
 *
 * @throws {CommandVersionError} when the version is another than {@linkcode COMMAND_VERSION}.
 * @throws {InputError} for everything that {@linkcode encodeCommand} would not have written.
 */
export function decodeCommand(bytes: Uint8Array): Command {
  checkVersion(bytes);
  if (bytes.length > COMMAND_BYTES_MAX) {
    throw new InputError(
      `Cannot read command: ${bytes.length} bytes are above ${COMMAND_BYTES_MAX}`,
    );
  }
  const command = toCommand(decodeFields(bytes.subarray(1)));
  checkCanonical(command, bytes);
  return command;
}

/** Whether {@linkcode decodeCommand} can read these bytes. */
export function isCommand(bytes: Uint8Array): boolean {
  try {
    decodeCommand(bytes);
    return true;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return false;
  }
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
export function encodeKey(key: string): Uint8Array<ArrayBuffer> {
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

function encodeOptions(
  { ifModRevision, idempotencyKey }: WriteOptions,
): (string | number | null | Uint8Array)[] {
  if (idempotencyKey !== undefined) checkIdempotencyKey(idempotencyKey);
  return [
    ifModRevision ?? null,
    idempotencyKey === undefined ? null : encodeUtf8(idempotencyKey),
  ];
}

function checkValue(value: Uint8Array): void {
  if (value.length > VALUE_BYTES_MAX) {
    throw new InputError(`Cannot read value: ${value.length} bytes are above ${VALUE_BYTES_MAX}`);
  }
}

function checkVersion(bytes: Uint8Array): void {
  const version = bytes[0];
  if (version === undefined) throw new InputError("Cannot read command: it is empty");
  if (version !== COMMAND_VERSION) {
    throw new CommandVersionError(
      `Cannot read command: format ${version} is not ${COMMAND_VERSION}`,
    );
  }
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

function decodeFields(bytes: Uint8Array): unknown {
  try {
    return decode(bytes, {
      maxArrayLength: 5,
      maxBinLength: VALUE_BYTES_MAX,
      maxStrLength: "delete".length,
      maxMapLength: 0,
      maxExtLength: 0,
    });
  } catch (cause) {
    throw new InputError("Cannot read command: not valid MessagePack within its limits", { cause });
  }
}

function toCommand(fields: unknown): Command {
  if (!Array.isArray(fields)) throw new InputError("Cannot read command: not an array");
  const [kind, keyBytes, ifModRevision, idempotencyKey, value] = fields as readonly unknown[];
  if (!(keyBytes instanceof Uint8Array)) throw new InputError("Cannot read command: no key");
  const key = decodeUtf8(keyBytes);
  const options = toOptions(ifModRevision, idempotencyKey);
  if (kind === "put" && fields.length === 5 && value instanceof Uint8Array) {
    return { kind, key, value, ...options };
  }
  if (kind === "delete" && fields.length === 4) return { kind, key, ...options };
  throw new InputError("Cannot read command: neither a put nor a delete with its fields");
}

function toOptions(ifModRevision: unknown, idempotencyKey: unknown): WriteOptions {
  const options: { ifModRevision?: LogIndex; idempotencyKey?: string } = {};
  if (ifModRevision !== null) options.ifModRevision = toLogIndex(ifModRevision);
  if (idempotencyKey instanceof Uint8Array) options.idempotencyKey = decodeUtf8(idempotencyKey);
  else if (idempotencyKey !== null) {
    throw new InputError("Cannot read command: its idempotency key is not a byte string");
  }
  return options;
}
