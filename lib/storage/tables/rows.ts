/**
 * The content of the tables' rows, and how a store is made from them.
 *
 * The content of a row is one byte for its table, its key with its length, then the data of the table. A
 * key of the store has its own row. History and remembered writes have many items in one row, because items
 * are only added at one end and removed at the other.
 *
 * @module
 */

import { assertDefined } from "../../assert.ts";
import { decodeUtf8, encodeUtf8 } from "../../bytes.ts";
import { InputError } from "../../errors.ts";
import {
  ByteReader,
  ByteWriter,
  checkKeyBytes,
  checkLeaseId,
  checkLeaseTtl,
  checkNewToken,
  decodeRememberedResult,
  EXPIRES_BIT,
  expiresBit,
  fromScopeBits,
  type HistoryRow,
  KEY_BYTES_MAX,
  type KeyValueRow,
  type LeaseRow,
  type RememberedRow,
  SECRET_DIGEST_BYTES,
  type Store,
  type StoreLimits,
  StoreLoader,
  type Token,
  toScopeBits,
  VALUE_BYTES_MAX,
} from "../../kv/mod.ts";
import { type LogIndex, toLogIndex } from "../../types.ts";

/** All tables, in the order in which a store is loaded from them. */
export const TABLES = ["state", "leases", "keys", "history", "tokens", "remembered"] as const;

/** One of {@linkcode TABLES}. */
export type TableName = typeof TABLES[number];

/** Most bytes in a row. A row with many items is closed long before. */
export const ROW_BYTES_MAX: number = 1024 * 1024;

/** A row with many items is closed when it has this many bytes. Its last item can be as large as a value. */
export const MANY_BYTES_MAX: number = 256 * 1024;

/** So many items are loaded in one slice of the work: a few milliseconds. */
const SLICE_ITEMS = 500;

/** Why a lease ends, and what a change did, as numbers. */
const ENDINGS = [null, "revoked", "expired"] as const;
const KINDS = ["put", "delete", "expire"] as const;

/** The content of `state`. */
export interface TableState {
  /** The tables have the effects of all entries up to this index, and of no later one. */
  readonly appliedIndex: LogIndex;
  /** The store's revision at that index. */
  readonly revision: LogIndex;
  /** History begins after it. */
  readonly compactedRevision: LogIndex;
  /** Writes up to this index are forgotten. */
  readonly forgottenIndex: number;
}

/** Makes a store from rows, in the order of {@linkcode TABLES}. */
export class RowLoader {
  readonly #loader: StoreLoader;
  #state: TableState | null = null;
  #last: HistoryRow | null = null;
  #lastIndex = 0;
  #items = 0;

  /** Begins with an empty store of these limits. */
  constructor(limits: StoreLimits) {
    this.#loader = new StoreLoader(limits);
  }

  /** The content of `state`. @throws {InputError} when it was not read yet. */
  get state(): TableState {
    if (this.#state === null) {
      throw new InputError("Cannot read rows: the applied index is missing");
    }
    return this.#state;
  }

  /** Adds what a {@linkcode RowWriter} has written, in slices. @throws {InputError} at a row that does not fit. */
  *add(rows: Uint8Array): Generator<void, void> {
    const reader = new ByteReader(rows, "rows");
    while (!reader.isAtEnd) yield* this.#addRow(reader.bytes(ROW_BYTES_MAX));
  }

  /** Ends the loading, in slices. @throws {InputError} when something is missing or does not fit the rest. */
  *finish(): Generator<void, Store> {
    const { state } = this;
    while (this.#loader.fitSome(SLICE_ITEMS)) yield;
    return this.#loader.finish(state);
  }

  *#addRow(content: Uint8Array): Generator<void, void> {
    const { table, key, rest } = readContent(content);
    const reader = new ByteReader(rest, `row of ${table}`);
    switch (table) {
      case "state":
        if (this.#state !== null) throw new InputError("Cannot read rows: there are two states");
        this.#state = readState(reader);
        break;
      case "leases":
        this.#loader.lease(readLease(reader, key));
        break;
      case "keys":
        this.#loader.key(readKey(reader, key));
        if (this.#isSliceFull()) yield;
        break;
      case "history":
        while (!reader.isAtEnd) {
          this.#addChange(readChange(reader));
          if (this.#isSliceFull()) yield;
        }
        break;
      case "tokens":
        this.#loader.token(readToken(reader, decodeUtf8(key)));
        break;
      case "remembered":
        while (!reader.isAtEnd) {
          this.#addRemembered(readRemembered(reader));
          if (this.#isSliceFull()) yield;
        }
        break;
      default:
        table satisfies never;
    }
    reader.end();
  }

  /** Counts an item. */
  #isSliceFull(): boolean {
    return ++this.#items % SLICE_ITEMS === 0;
  }

  /** A part of the first row with many items can already be forgotten. */
  #addChange(row: HistoryRow): void {
    const last = this.#last;
    const isNext = last === null || row.revision > last.revision ||
      row.revision === last.revision && row.order > last.order;
    if (!isNext) throw new InputError("Cannot read rows: history is not in order");
    this.#last = row;
    if (row.revision > this.state.compactedRevision) this.#loader.history(row);
  }

  #addRemembered(row: RememberedRow): void {
    if (row.index <= this.#lastIndex) {
      throw new InputError("Cannot read rows: writes are not in order");
    }
    this.#lastIndex = row.index;
    if (row.index > this.state.forgottenIndex) this.#loader.remembered(row);
  }
}

/** Does all slices of a work at once, where no loop waits. */
export function atOnce<Result>(work: Generator<void, Result>): Result {
  for (let slice = work.next();; slice = work.next()) if (slice.done) return slice.value;
}

/** Reads the row of `state`. @throws {InputError} when the content is no such row. */
export function decodeState(content: Uint8Array): TableState {
  return readState(new ByteReader(readContent(content).rest, "state"));
}

/** Begins the content of a row. */
export function beginContent(writer: ByteWriter, table: TableName, key: Uint8Array): ByteWriter {
  return writer.begin().byte(TABLES.indexOf(table)).bytes(key);
}

/** The parts of a row's content. @throws {InputError} when it is none. */
export function readContent(
  content: Uint8Array,
): { readonly table: TableName; readonly key: Uint8Array; readonly rest: Uint8Array } {
  const reader = new ByteReader(content, "row");
  const table = assertDefined(TABLES[reader.choice(TABLES.length)], "A table");
  return { table, key: reader.bytes(KEY_BYTES_MAX), rest: reader.rest() };
}

/** The key of a number and a count, as bytes in the same order as the numbers. */
export function numberKey(number: number, count = 0): Uint8Array {
  const view = new DataView(new ArrayBuffer(12));
  view.setBigUint64(0, BigInt(number));
  view.setUint32(8, count);
  return new Uint8Array(view.buffer);
}

/** Writes the content of `state`. */
export function writeState(writer: ByteWriter, state: TableState): void {
  writer.number(state.appliedIndex).number(state.revision).number(state.compactedRevision)
    .number(state.forgottenIndex);
}

function readState(reader: ByteReader): TableState {
  return {
    appliedIndex: toLogIndex(reader.number()),
    revision: toLogIndex(reader.number()),
    compactedRevision: toLogIndex(reader.number()),
    forgottenIndex: reader.number(),
  };
}

/** Writes a version without its key. The value is the rest of the row. */
export function writeVersion(writer: ByteWriter, row: KeyValueRow): ByteWriter {
  return writer.number(row.createRevision).number(row.modRevision).number(row.version)
    .number(row.lease).raw(row.value);
}

function readVersion(reader: ByteReader, key: Uint8Array): KeyValueRow {
  const row = {
    key,
    createRevision: toLogIndex(reader.number()),
    modRevision: toLogIndex(reader.number()),
    version: reader.number(),
    lease: reader.number(),
    value: reader.rest(),
  };
  if (row.value.length > VALUE_BYTES_MAX) reader.refuse("a value is too long");
  return row;
}

function readKey(reader: ByteReader, key: Uint8Array): KeyValueRow {
  checkKeyBytes(key);
  return readVersion(reader, key);
}

/** Writes one of many changes. */
export function writeChange(
  writer: ByteWriter,
  { revision, order, key, kind, before }: HistoryRow,
): void {
  writer.number(revision).number(order).bytes(key).byte(KINDS.indexOf(kind));
  writer.byte(before === null ? 0 : 1);
  if (before !== null) writer.bytes(writeVersion(VERSION_WRITER.begin(), before).finish());
}

const VERSION_WRITER = new ByteWriter();
/** A version's numbers take less than this besides its value. */
const VERSION_BYTES_MAX = VALUE_BYTES_MAX + 64;

function readChange(reader: ByteReader): HistoryRow {
  const revision = toLogIndex(reader.number());
  const order = reader.number();
  const key = reader.bytes(KEY_BYTES_MAX);
  checkKeyBytes(key);
  const kind = assertDefined(KINDS[reader.choice(KINDS.length)], "A kind");
  const before = reader.flag()
    ? readVersion(new ByteReader(reader.bytes(VERSION_BYTES_MAX), "row of history"), key)
    : null;
  return { revision, order, key, kind, before };
}

/** Writes a lease without its id. */
export function writeLease(
  writer: ByteWriter,
  { ttlSeconds, ending, grantedIndex }: LeaseRow,
): void {
  writer.number(ttlSeconds).byte(ENDINGS.indexOf(ending)).number(grantedIndex);
}

function readLease(reader: ByteReader, key: Uint8Array): LeaseRow {
  if (key.length !== numberKey(0).length) reader.refuse("its key is no number");
  const id = Number(new DataView(key.buffer, key.byteOffset).getBigUint64(0));
  checkLeaseId(id);
  const ttlSeconds = reader.number();
  checkLeaseTtl(ttlSeconds);
  const ending = ENDINGS[reader.choice(ENDINGS.length)] ?? null;
  const grantedIndex = toLogIndex(reader.number());
  return { id, ttlSeconds, ending, grantedIndex };
}

/** Writes a token without its id. */
export function writeToken(writer: ByteWriter, token: Token): void {
  writer.raw(token.secretDigest).bytes(encodeUtf8(token.name))
    .byte(toScopeBits(token.scopes) | expiresBit(token)).number(token.createRevision)
    .list(token.prefixes, (prefix) => writer.bytes(encodeUtf8(prefix)));
  if (token.expiresAtMs !== null) writer.number(token.expiresAtMs);
}

function readToken(reader: ByteReader, id: string): Token {
  const secretDigest = reader.raw(SECRET_DIGEST_BYTES).slice();
  const name = decodeUtf8(reader.bytes(KEY_BYTES_MAX));
  const bits = reader.byte();
  const token = {
    ...{ id, secretDigest, name, scopes: fromScopeBits(bits & ~EXPIRES_BIT) },
    createRevision: toLogIndex(reader.number()),
    prefixes: reader.list(KEY_BYTES_MAX, () => decodeUtf8(reader.bytes(KEY_BYTES_MAX))),
    expiresAtMs: (bits & EXPIRES_BIT) === 0 ? null : reader.number(),
  };
  checkNewToken(token);
  return token;
}

/** Writes one of many remembered writes. */
export function writeRemembered(
  writer: ByteWriter,
  { index, text, digest, result }: RememberedRow,
): void {
  writer.number(index).bytes(encodeUtf8(text)).raw(digest).bytes(result);
}

function readRemembered(reader: ByteReader): RememberedRow {
  const index = reader.number();
  const text = decodeUtf8(reader.bytes(KEY_BYTES_MAX));
  const digest = reader.raw(SECRET_DIGEST_BYTES);
  const result = reader.bytes(MANY_BYTES_MAX);
  decodeRememberedResult(result);
  return { index, text, digest, result };
}
