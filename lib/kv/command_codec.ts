/**
 * Commands as bytes: what a client's write looks like inside a log entry.
 *
 * The first byte is the format's version. What follows is a MessagePack array,
 * `["put", key, value]` or `["delete", key]`, with the key as a byte string in UTF-8. One command
 * has exactly one encoding, and how version 1 is read never changes: entries written today are
 * replayed by every later Floe.
 *
 * @module
 */

import { decode, encode } from "@msgpack/msgpack";
import { concatBytes, decodeUtf8, encodeUtf8 } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { type Command, KEY_BYTES_MAX, VALUE_BYTES_MAX } from "./command.ts";

/** The version of the format that this Floe writes, and the only one that it reads. */
export const COMMAND_VERSION = 1;

/** Most bytes that an array's head, a kind and the heads of two byte strings can take. */
const FRAME_BYTES_MAX = 24;

/** Most bytes in an encoded command. */
export const COMMAND_BYTES_MAX: number = 1 + FRAME_BYTES_MAX + KEY_BYTES_MAX + VALUE_BYTES_MAX;

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
 * @throws {InputError} when the key or the value is outside its limits.
 */
export function encodeCommand(command: Command): Uint8Array<ArrayBuffer> {
  const fields: (string | Uint8Array)[] = [command.kind, encodeKey(command.key)];
  if (command.kind === "put") {
    checkValue(command.value);
    fields.push(command.value);
  }
  return concatBytes(Uint8Array.of(COMMAND_VERSION), encode(fields));
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
  // MessagePack can say one thing in several widths. A wider head is the only freedom that the
  // checks above leave, so equal length means equal bytes.
  if (encodeCommand(command).length !== bytes.length) {
    throw new InputError("Cannot read command: not in its one canonical encoding");
  }
  return command;
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

function decodeFields(bytes: Uint8Array): unknown {
  try {
    return decode(bytes, {
      maxArrayLength: 3,
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
  const [kind, key, value] = fields as readonly unknown[];
  if (!(key instanceof Uint8Array)) throw new InputError("Cannot read command: no key");
  if (kind === "put" && fields.length === 3 && value instanceof Uint8Array) {
    return { kind, key: decodeUtf8(key), value };
  }
  if (kind === "delete" && fields.length === 2) return { kind, key: decodeUtf8(key) };
  throw new InputError("Cannot read command: not [put, key, value] or [delete, key]");
}
