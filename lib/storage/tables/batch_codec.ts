/**
 * The encoding of batches for the worker, and of rows from the worker.
 *
 * On disk, a row has its key, then the content without table and key, then the CRC-32 of the whole content.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { assertDefined } from "../../assert.ts";
import { encodeUtf8 } from "../../bytes.ts";
import { InputError } from "../../errors.ts";
import { ByteReader, ByteWriter, type TableBatch } from "../../kv/mod.ts";
import { toLogIndex } from "../../types.ts";
import {
  beginContent,
  MANY_BYTES_MAX,
  numberKey,
  readContent,
  ROW_BYTES_MAX,
  type TableName,
  writeChange,
  writeLease,
  writeRemembered,
  writeState,
  writeToken,
  writeVersion,
} from "./rows.ts";

/** One change of one table. */
export type RowChange =
  /** `row` is the column beside the key: the rest of the content, then its checksum. */
  | { kind: "put"; table: TableName; key: Uint8Array; row: Uint8Array }
  | { kind: "remove"; table: TableName; key: Uint8Array }
  /** Removes every row whose key is below this one. */
  | { kind: "removeBelow"; table: TableName; key: Uint8Array };

const CHANGE_KINDS = ["put", "remove", "removeBelow"] as const;

/**
 * Bytes of the CRC-32 at a row's end. It detects damage by disks, cables and memory. It does not protect
 * against an attacker who can write the file. Neither would a SHA-256, at a hundred times the cost.
 */
const CHECKSUM_BYTES = 4;

/** A part of a batch is closed when it has this many bytes, so that it does not block the loop. */
const PART_BYTES_MAX = 512 * 1024;

/** The one row of `state`. */
const STATE_KEY = new Uint8Array([1]);

/** Encodes a batch as parts, each made on request. All parts together are one transaction. */
export function* encodeBatch(
  batch: TableBatch,
  forgottenBefore: number,
): Generator<Uint8Array<ArrayBuffer>> {
  const part = new PartWriter();
  const forgottenIndex = Math.max(batch.forgottenIndex, forgottenBefore);
  for (const write of changesOf({ ...batch, forgottenIndex })) {
    write(part);
    if (part.isFull) yield part.finish();
  }
  yield part.finish();
}

function* changesOf(batch: TableBatch): Generator<(part: PartWriter) => void> {
  for (const row of batch.puts) {
    yield (part) => part.put("keys", row.key, (writer) => writeVersion(writer, row));
  }
  for (const key of batch.deletes) yield (part) => part.remove("keys", key);
  yield* addMany(batch.history, {
    table: "history",
    indexOf: ({ revision }) => revision,
    write: writeChange,
  });
  yield (part) => part.removeBelow("history", numberKey(batch.compactedRevision + 1));
  for (const [id, row] of batch.leases) {
    yield (part) =>
      row === null
        ? part.remove("leases", numberKey(id))
        : part.put("leases", numberKey(id), (writer) => writeLease(writer, row));
  }
  for (const [id, token] of batch.tokens) {
    const key = encodeUtf8(id);
    yield (part) =>
      token === null
        ? part.remove("tokens", key)
        : part.put("tokens", key, (writer) => writeToken(writer, token));
  }
  yield* addMany(batch.remembered, {
    table: "remembered",
    indexOf: ({ index }) => index,
    write: writeRemembered,
  });
  yield (part) => part.removeBelow("remembered", numberKey(batch.forgottenIndex + 1));
  yield (part) => part.put("state", STATE_KEY, (writer) => writeState(writer, batch));
}

/** Puts rows with many items. The key is the index of the last item, then the row's number in the batch. */
function* addMany<Item>(
  items: Iterable<Item>,
  { table, indexOf, write }: {
    readonly table: TableName;
    readonly indexOf: (item: Item) => number;
    readonly write: (writer: ByteWriter, item: Item) => void;
  },
): Generator<(part: PartWriter) => void> {
  const left = items[Symbol.iterator]();
  for (let number = 0, next = left.next(); !next.done; number++) {
    yield (part) => {
      const writer = new ByteWriter();
      let last = 0;
      for (; !next.done && writer.length < MANY_BYTES_MAX; next = left.next()) {
        write(writer, next.value);
        last = indexOf(next.value);
      }
      part.put(table, numberKey(last, number), (content) => content.raw(writer.finish()));
    };
  }
}

/** Collects changes. */
class PartWriter {
  readonly #content = new ByteWriter();
  readonly #part = new ByteWriter();

  get isFull(): boolean {
    return this.#part.length >= PART_BYTES_MAX;
  }

  put(table: TableName, key: Uint8Array, write: (writer: ByteWriter) => void): void {
    this.#begin(table, key);
    write(this.#content);
    // The worker puts the checksum into the space after the content.
    this.#part.byte(CHANGE_KINDS.indexOf("put")).bytes(this.#content.finish()).raw(ROOM);
  }

  remove(table: TableName, key: Uint8Array): void {
    this.#change("remove", table, key);
  }

  removeBelow(table: TableName, key: Uint8Array): void {
    this.#change("removeBelow", table, key);
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#part.finish();
  }

  #change(kind: RowChange["kind"], table: TableName, key: Uint8Array): void {
    this.#begin(table, key);
    this.#part.byte(CHANGE_KINDS.indexOf(kind)).bytes(this.#content.finish());
  }

  #begin(table: TableName, key: Uint8Array): void {
    beginContent(this.#content, table, key);
  }
}

const ROOM = new Uint8Array(CHECKSUM_BYTES);

/** The changes in a part of a batch. Checksums are filled in. */
export function* decodePart(part: Uint8Array): Generator<RowChange> {
  const reader = new ByteReader(part, "part of a batch");
  while (!reader.isAtEnd) {
    const kind = assertDefined(CHANGE_KINDS[reader.choice(CHANGE_KINDS.length)], "A kind");
    const content = reader.bytes(ROW_BYTES_MAX);
    const { table, key, rest } = readContent(content);
    if (kind !== "put") yield { kind, table, key };
    else {
      viewOf(reader.raw(CHECKSUM_BYTES)).setUint32(0, crc32(content));
      yield { kind, table, key, row: extend(rest, CHECKSUM_BYTES) };
    }
  }
}

function extend(view: Uint8Array, bytes: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.length + bytes);
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length);
}

/** The row of `state` in new tables. */
export function encodeFirstState(): { readonly key: Uint8Array; readonly row: Uint8Array } {
  const zero = toLogIndex(0);
  const state = { appliedIndex: zero, revision: zero, compactedRevision: zero, forgottenIndex: 0 };
  const part = new PartWriter();
  part.put("state", STATE_KEY, (writer) => writeState(writer, state));
  const [change] = decodePart(part.finish());
  if (change?.kind !== "put") throw new InputError("no state");
  return change;
}

/** Collects checked rows from disk for a store. */
export class RowWriter {
  readonly #content = new ByteWriter();
  readonly #rows = new ByteWriter();

  /** Bytes of all rows so far. */
  get length(): number {
    return this.#rows.length;
  }

  /**
   * Adds a row. `row` is the column beside the key.
   *
   * @returns its content.
   * @throws {InputError} when its checksum is not that of the rest.
   */
  add(table: TableName, key: Uint8Array, row: Uint8Array): Uint8Array {
    const end = row.length - CHECKSUM_BYTES;
    if (end < 0) throw new InputError("it is too short");
    const content = beginContent(this.#content, table, key).raw(row.subarray(0, end)).finish();
    if (crc32(content) !== viewOf(row.subarray(end)).getUint32(0)) {
      throw new InputError("its checksum does not match what it says");
    }
    this.#rows.bytes(content);
    return content;
  }

  /** All rows that were added, for {@linkcode RowLoader}. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#rows.finish();
  }
}
