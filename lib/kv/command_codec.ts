/**
 * Commands as bytes: the form of a write inside a log entry.
 *
 * The first byte is the version of the format, the second is the kind. Then come the fields of the kind, as
 * `byte_fields.ts` writes them, in the order of this file. A command has exactly one encoding, so a hash of
 * the bytes identifies the command. A range of one key, or of one prefix, is always written in that form, not
 * with its two bounds. The meaning of a version never changes: a new kind or field needs a new version, and a
 * node that does not know the version stops.
 *
 * @module
 */

import { decodeUtf8, encodeUtf8 } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import {
  IDEMPOTENCY_KEY_LENGTH_MAX,
  KEY_BYTES_MAX,
  TOKEN_ID_LENGTH,
  VALUE_BYTES_MAX,
} from "../limits.ts";
import { toLogIndex, toTerm } from "../types.ts";
import { ByteReader, ByteWriter } from "./byte_fields.ts";
import { checkCommand, type Command, EXPIRED_LEASES_MAX, type Idempotency } from "./command.ts";
import {
  ALL_KEYS,
  checkRange,
  type KeyRange,
  keysWithPrefix,
  prefixOf,
  singleKey,
  singleKeyOf,
} from "./key_range.ts";
import { LOCK_NAME_BYTES_MAX } from "./lock.ts";
import {
  EXPIRES_BIT,
  expiresBit,
  fromScopeBits,
  SECRET_DIGEST_BYTES,
  TOKEN_NAME_LENGTH_MAX,
  TOKEN_PREFIXES_MAX,
  toScopeBits,
} from "./token.ts";
import {
  type Condition,
  NUMBER_TARGETS,
  type Operation,
  OPERATIONS_MAX,
  RANGE_SHOWS,
  type RangeOperation,
  RELATIONS,
  SORT_TARGETS,
  type Transaction,
} from "./transaction.ts";

/**
 * The version of the format. Versions 1 and 2 had no transactions, 3 and 4 no limit of what all branches of a
 * transaction have together, and ended leases by their ids alone. A node that knows only those would apply
 * other things, so it must stop.
 */
export const COMMAND_VERSION = 5;

/**
 * A command in a format that this Floe does not know. It differs from other bad input: a newer Floe can read
 * the same bytes. See `store.ts`.
 */
export class CommandVersionError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "CommandVersionError";
}

/** Most bytes in an encoded command, as in etcd. A transaction with many large values can exceed it. */
export const COMMAND_BYTES_MAX: number = 1536 * 1024;

const KINDS = [
  "transaction",
  "grantLease",
  "revokeLease",
  "expireLeases",
  "compact",
  "createToken",
  "revokeToken",
] as const;
const OPERATION_KINDS = ["put", "range", "delete", "transaction"] as const;
const TARGETS = ["value", ...NUMBER_TARGETS, "exists", "fence"] as const;
const RANGE_FORMS = ["key", "prefix", "bounds", "all from"] as const;
const ORDERS = ["ascending", "descending"] as const;
const FILTERS = [
  "limit",
  "modRevisionMin",
  "modRevisionMax",
  "createRevisionMin",
  "createRevisionMax",
] as const;

/** Most levels of nested transactions: 128 operations cannot have more. */
const DEPTH_MAX = OPERATIONS_MAX;

/** One writer for all commands, because it keeps a buffer. */
const writer = new ByteWriter();

/**
 * Writes a command for the log, at most {@linkcode COMMAND_BYTES_MAX} bytes.
 *
 * @throws {InputError} when a part of it exceeds a limit.
 */
export function encodeCommand(command: Command): Uint8Array<ArrayBuffer> {
  checkCommand(command);
  writer.begin().byte(COMMAND_VERSION).byte(KINDS.indexOf(command.kind));
  if (command.kind !== "expireLeases") writeIdempotency(command.idempotency);
  writeFields(command);
  const bytes = writer.finishShared();
  checkLength(bytes);
  return bytes;
}

/**
 * Reads a command from untrusted bytes. Keys and values are views into `bytes`.
 *
 * @throws {CommandVersionError} when the version is another one.
 * @throws {InputError} for everything that {@linkcode encodeCommand} would not have written.
 */
export function decodeCommand(bytes: Uint8Array): Command {
  checkLength(bytes);
  const reader = new ByteReader(bytes, "command");
  const version = reader.byte();
  if (version !== COMMAND_VERSION) {
    throw new CommandVersionError(
      `Cannot read command: its format is ${version}, and this version of Floe knows ${COMMAND_VERSION}`,
    );
  }
  const command = readCommand(reader);
  reader.end();
  checkCommand(command);
  return command;
}

/** Whether {@linkcode decodeCommand} can read these bytes. */
export function isCommand(bytes: Uint8Array): boolean {
  return catching(InputError, () => {
    decodeCommand(bytes);
    return true;
  }, () => false);
}

function checkLength({ length }: Uint8Array): void {
  if (length > COMMAND_BYTES_MAX) {
    throw new InputError(
      `Cannot read command: ${length} bytes are above ${COMMAND_BYTES_MAX}`,
    );
  }
}

function writeIdempotency(idempotency: Idempotency | undefined): void {
  if (idempotency === undefined) {
    writer.byte(0);
    return;
  }
  const { token, key } = idempotency;
  writer.byte(token === null ? 1 : 2);
  if (token !== null) writer.raw(encodeUtf8(token));
  writer.bytes(encodeUtf8(key));
}

function readIdempotency(reader: ByteReader): { readonly idempotency?: Idempotency } {
  const form = reader.choice(3);
  if (form === 0) return {};
  const token = form === 1 ? null : decodeUtf8(reader.raw(TOKEN_ID_LENGTH));
  return { idempotency: { token, key: decodeUtf8(reader.bytes(IDEMPOTENCY_KEY_LENGTH_MAX)) } };
}

function writeFields(command: Command): void {
  switch (command.kind) {
    case "transaction":
      return writeTransaction(command);
    case "grantLease":
      writer.number(command.id).number(command.ttlSeconds);
      return;
    case "revokeLease":
      writer.number(command.id);
      return;
    case "expireLeases":
      writer.number(command.term).number(command.appliedIndex).list(
        command.ids,
        (id) => writer.number(id),
      );
      return;
    case "compact":
      writer.number(command.revision);
      return;
    case "createToken":
      writer.raw(encodeUtf8(command.id)).raw(command.secretDigest)
        .bytes(encodeUtf8(command.name)).byte(toScopeBits(command.scopes) | expiresBit(command))
        .list(command.prefixes, (prefix) => writer.bytes(encodeUtf8(prefix)));
      if (command.expiresAtMs !== null) writer.number(command.expiresAtMs);
      return;
    case "revokeToken":
      writer.raw(encodeUtf8(command.id));
      return;
    default:
      return command satisfies never;
  }
}

function readCommand(reader: ByteReader): Command {
  const kind = KINDS[reader.choice(KINDS.length)] ?? reader.refuse("no kind");
  if (kind === "expireLeases") {
    const term = toTerm(reader.number());
    const appliedIndex = toLogIndex(reader.number());
    return {
      kind,
      term,
      appliedIndex,
      ids: reader.list(EXPIRED_LEASES_MAX, () => reader.number()),
    };
  }
  const options = readIdempotency(reader);
  switch (kind) {
    case "transaction":
      return { kind, ...readTransaction(reader, DEPTH_MAX), ...options };
    case "grantLease":
      return { kind, id: reader.number(), ttlSeconds: reader.number(), ...options };
    case "revokeLease":
      return { kind, id: reader.number(), ...options };
    case "compact":
      return { kind, revision: reader.number(), ...options };
    case "createToken":
      return { kind, ...readToken(reader), ...options };
    case "revokeToken":
      return { kind, id: decodeUtf8(reader.raw(TOKEN_ID_LENGTH)), ...options };
    default:
      return kind satisfies never;
  }
}

function readToken(reader: ByteReader) {
  const id = decodeUtf8(reader.raw(TOKEN_ID_LENGTH));
  const secretDigest = reader.raw(SECRET_DIGEST_BYTES);
  const name = decodeUtf8(reader.bytes(TOKEN_NAME_LENGTH_MAX));
  const bits = reader.byte();
  return {
    ...{ id, secretDigest, name, scopes: fromScopeBits(bits & ~EXPIRES_BIT) },
    prefixes: reader.list(TOKEN_PREFIXES_MAX, () => decodeUtf8(reader.bytes(KEY_BYTES_MAX))),
    expiresAtMs: (bits & EXPIRES_BIT) === 0 ? null : reader.number(),
  };
}

function writeTransaction({ conditions, success, failure }: Transaction): void {
  writer.list(conditions, writeCondition).list(success, writeOperation)
    .list(failure, writeOperation);
}

function readTransaction(reader: ByteReader, depth: number): Transaction {
  if (depth === 0) return reader.refuse(`transactions are nested deeper than ${DEPTH_MAX}`);
  return {
    conditions: reader.list(OPERATIONS_MAX, () => readCondition(reader)),
    success: reader.list(OPERATIONS_MAX, () => readOperation(reader, depth)),
    failure: reader.list(OPERATIONS_MAX, () => readOperation(reader, depth)),
  };
}

function writeCondition(condition: Condition): void {
  writer.byte(TARGETS.indexOf(condition.target));
  if (condition.target === "fence") {
    writer.bytes(condition.lock).number(condition.revision);
    return;
  }
  writeRange(condition.keys);
  if (condition.target === "exists") {
    writer.byte(condition.exists ? 1 : 0);
    return;
  }
  writer.byte(RELATIONS.indexOf(condition.relation));
  if (condition.target === "value") writer.bytes(condition.value);
  else writer.number(condition.number);
}

function readCondition(reader: ByteReader): Condition {
  const target = TARGETS[reader.choice(TARGETS.length)] ?? reader.refuse("no target");
  if (target === "fence") {
    return { target, lock: reader.bytes(LOCK_NAME_BYTES_MAX), revision: reader.number() };
  }
  const keys = readRange(reader);
  if (target === "exists") return { target, keys, exists: reader.flag() };
  const relation = RELATIONS[reader.choice(RELATIONS.length)] ?? reader.refuse("no relation");
  if (target === "value") return { target, keys, relation, value: reader.bytes(VALUE_BYTES_MAX) };
  return { target, keys, relation, number: reader.number() };
}

function writeOperation(operation: Operation): void {
  writer.byte(OPERATION_KINDS.indexOf(operation.kind));
  switch (operation.kind) {
    case "put":
      writer.bytes(operation.key).byte(
        (operation.isPreviousWanted ? 1 : 0) | (operation.value === null ? 2 : 0) |
          (operation.lease === null ? 4 : 0),
      );
      if (operation.lease !== null) writer.number(operation.lease);
      if (operation.value !== null) writer.bytes(operation.value);
      return;
    case "range":
      return writeRangeOperation(operation);
    case "delete":
      writeRange(operation.keys);
      writer.byte(operation.isPreviousWanted ? 1 : 0);
      return;
    case "transaction":
      return writeTransaction(operation);
    default:
      return operation satisfies never;
  }
}

function readOperation(reader: ByteReader, depth: number): Operation {
  const kinds = OPERATION_KINDS.length;
  const kind = OPERATION_KINDS[reader.choice(kinds)] ?? reader.refuse("no operation");
  switch (kind) {
    case "put": {
      const key = reader.bytes(KEY_BYTES_MAX);
      const flags = reader.choice(8);
      const lease = (flags & 4) === 0 ? reader.number() : null;
      const value = (flags & 2) === 0 ? reader.bytes(VALUE_BYTES_MAX) : null;
      return { kind, key, value, lease, isPreviousWanted: (flags & 1) === 1 };
    }
    case "range":
      return readRangeOperation(reader);
    case "delete":
      return { kind, keys: readRange(reader), isPreviousWanted: reader.flag() };
    case "transaction":
      return { kind, ...readTransaction(reader, depth - 1) };
    default:
      return kind satisfies never;
  }
}

function writeRangeOperation(operation: RangeOperation): void {
  writeRange(operation.keys);
  writer.byte(SORT_TARGETS.indexOf(operation.sortBy)).byte(ORDERS.indexOf(operation.order))
    .byte(RANGE_SHOWS.indexOf(operation.show)).byte(operation.countAll ? 1 : 0);
  const given = FILTERS.map((filter) => operation[filter]);
  writer.byte(
    given.reduce<number>((bits, value, at) => value === undefined ? bits : bits | 1 << at, 0),
  );
  for (const value of given) if (value !== undefined) writer.number(value);
}

function readRangeOperation(reader: ByteReader): RangeOperation {
  const keys = readRange(reader);
  const sortBy = SORT_TARGETS[reader.choice(SORT_TARGETS.length)] ?? reader.refuse("no sort");
  const order = ORDERS[reader.choice(ORDERS.length)] ?? reader.refuse("no order");
  const show = RANGE_SHOWS[reader.choice(RANGE_SHOWS.length)] ?? reader.refuse("no show");
  const countAll = reader.flag();
  const bits = reader.choice(1 << FILTERS.length);
  const filters: { [filter in typeof FILTERS[number]]?: number } = {};
  FILTERS.forEach((filter, at) => {
    if ((bits & 1 << at) !== 0) filters[filter] = reader.number();
  });
  return { kind: "range", keys, sortBy, order, show, countAll, ...filters };
}

function writeRange(keys: KeyRange): void {
  const form = formOf(keys);
  writer.byte(RANGE_FORMS.indexOf(form)).bytes(keys.start);
  if (form === "bounds" && keys.end !== null) writer.bytes(keys.end);
}

function readRange(reader: ByteReader): KeyRange {
  const form = RANGE_FORMS[reader.choice(RANGE_FORMS.length)] ?? reader.refuse("no range");
  const keys = readRangeOf(reader, form);
  checkRange(keys);
  if (formOf(keys) !== form) return reader.refuse("a range is not in its shortest form");
  return keys;
}

function readRangeOf(reader: ByteReader, form: typeof RANGE_FORMS[number]): KeyRange {
  const start = reader.bytes(KEY_BYTES_MAX);
  if (form === "key") return singleKey(start);
  if (form === "prefix") return keysWithPrefix(start);
  return { ...ALL_KEYS, start, end: form === "bounds" ? reader.bytes(KEY_BYTES_MAX + 1) : null };
}

function formOf(keys: KeyRange): typeof RANGE_FORMS[number] {
  if (singleKeyOf(keys) !== null) return "key";
  if (prefixOf(keys) !== null) return "prefix";
  return keys.end === null ? "all from" : "bounds";
}
