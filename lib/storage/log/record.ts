/**
 * Records: the units of a log file. Each has a checksum over itself and all records before it.
 *
 * A file begins with 48 bytes: `floe log 1` (16, padded with zeros), its salt (16 random bytes), and the
 * first half of the SHA-256 of both. Records follow, each at a multiple of 8, with zeros between:
 *
 * | bytes | what |
 * | ---: | --- |
 * | 16 | the file's salt |
 * | 8 | the record's number: the previous record's plus one, across files |
 * | 4 | length of the payload |
 * | 1 | its kind, then 3 zeros |
 * | 4 | CRC-32 of these 32 bytes, then 4 zeros |
 * | 32 | SHA-256 of: the previous record's SHA-256, the fields above, the payload |
 * | | the payload |
 *
 * A record is written with one write, and only when the record before it is durable. So an invalid record
 * was interrupted if no record follows it, and is damaged if one does. The search for a following record
 * looks for the salt. Clients do not know the salt, so no value in the log can look like a record.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { encodeUtf8, equalBytes } from "../../bytes.ts";

/** What a record is for. */
export const RECORD_KINDS = {
  /** The first of a file: its owner, and all that the log needs of earlier files. */
  head: 1,
  /** Batches of the core. */
  batches: 2,
  /** The last of a file that another file follows. */
  end: 3,
  /** The node stopped in order: all earlier records are durable. */
  closed: 4,
} as const;
/** A name of {@linkcode RECORD_KINDS}. */
export type RecordKind = keyof typeof RECORD_KINDS;

/** A place in a file between two records. */
export interface Position {
  /** In bytes from the file's beginning. */
  readonly offset: number;
  /** Number of the last record. */
  readonly number: number;
  /** Its 32 bytes of SHA-256. */
  readonly chain: Uint8Array;
}

/** A valid record. */
export interface FoundRecord {
  readonly kind: RecordKind;
  /** The payload: a view into the file's bytes. */
  readonly payload: Uint8Array;
  /** The place behind it. */
  readonly end: Position;
}

/** Stands in for the previous record's SHA-256 in a log's first record. */
export const CHAIN_START: Uint8Array = new Uint8Array(32);
/** Bytes of a file before its first record. */
export const FILE_HEAD_BYTES = 48;
/** Bytes of a record before its payload. */
export const RECORD_HEAD_BYTES = 72;
/** Bytes of a file's salt. */
export const SALT_BYTES = 16;

/** A new file's salt. */
export function drawSalt(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(SALT_BYTES));
}

const CHECKED_BYTES = 32;
const CHAIN_OFFSET = 40;
/** The layout of the files. */
const FORMAT = "1";
const MAGIC = new Uint8Array(16);
MAGIC.set(encodeUtf8(`floe log ${FORMAT}`));

/** The first bytes of a file with this salt. */
export function encodeFileHead(salt: Uint8Array): Uint8Array {
  const head = new Uint8Array(FILE_HEAD_BYTES);
  head.set(MAGIC);
  head.set(salt, MAGIC.length);
  head.set(checkOfHead(head), 32);
  return head;
}

/** The salt of a file; null when its first bytes are invalid. */
export function readSalt(file: Uint8Array): Uint8Array | null {
  if (file.length < FILE_HEAD_BYTES) return null;
  const salt = file.slice(MAGIC.length, MAGIC.length + SALT_BYTES);
  return equalBytes(file.subarray(0, FILE_HEAD_BYTES), encodeFileHead(salt)) ? salt : null;
}

/** The format of a file that another version of Floe wrote; null for any other file. */
export function otherFormat(file: Uint8Array): string | null {
  if (!equalBytes(file.subarray(32, FILE_HEAD_BYTES), checkOfHead(file))) return null;
  const found = /^floe log (\d+)\0/.exec(String.fromCharCode(...file.subarray(0, MAGIC.length)));
  const format = found?.[1];
  return format === undefined || format === FORMAT ? null : format;
}

/** How many bytes of a file a record with a payload of this length takes. */
export function recordBytes(payloadBytes: number): number {
  return Math.ceil((RECORD_HEAD_BYTES + payloadBytes) / 8) * 8;
}

/**
 * Completes a record in `buffer`: writes its head before the payload, which begins at
 * {@linkcode RECORD_HEAD_BYTES}.
 *
 * @returns the place behind it; the record takes {@linkcode recordBytes} of the buffer.
 */
export function sealRecord(
  buffer: Uint8Array,
  { salt, kind, payloadBytes, after }: {
    readonly salt: Uint8Array;
    readonly kind: RecordKind;
    readonly payloadBytes: number;
    readonly after: Position;
  },
): Position {
  const number = after.number + 1;
  const end = RECORD_HEAD_BYTES + payloadBytes;
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  buffer.fill(0, 0, RECORD_HEAD_BYTES);
  buffer.fill(0, end, recordBytes(payloadBytes));
  buffer.set(salt);
  view.setUint32(16, Math.floor(number / 2 ** 32));
  view.setUint32(20, number >>> 0);
  view.setUint32(24, payloadBytes);
  view.setUint8(28, RECORD_KINDS[kind]);
  const checked = buffer.subarray(0, CHECKED_BYTES);
  view.setUint32(CHECKED_BYTES, crc32(checked));
  const chain = chainOf(after, checked, buffer.subarray(RECORD_HEAD_BYTES, end));
  buffer.set(chain, CHAIN_OFFSET);
  return { offset: after.offset + recordBytes(payloadBytes), number, chain };
}

/** A record with this payload, in a buffer of its own. */
export function encodeRecord(
  payload: Uint8Array,
  options: { readonly salt: Uint8Array; readonly kind: RecordKind; readonly after: Position },
): { readonly bytes: Uint8Array; readonly end: Position } {
  const bytes = new Uint8Array(recordBytes(payload.length));
  bytes.set(payload, RECORD_HEAD_BYTES);
  const end = sealRecord(bytes, { ...options, payloadBytes: payload.length });
  return { bytes, end };
}

/**
 * The first record of a file. Its payload holds the SHA-256 of the record before it, which `chainBefore`
 * extracts. Null when it is not valid.
 */
export function readFirstRecord(
  file: Uint8Array,
  salt: Uint8Array,
  chainBefore: (payload: Uint8Array, number: number) => Uint8Array,
): FoundRecord | null {
  const head = readHead(file, FILE_HEAD_BYTES, salt);
  if (head === null || head.kind !== "head") return null;
  const start = FILE_HEAD_BYTES + RECORD_HEAD_BYTES;
  try {
    const chain = chainBefore(file.subarray(start, start + head.payloadBytes), head.number);
    const after = { offset: FILE_HEAD_BYTES, number: head.number - 1, chain };
    return readRecord(file, { salt, after });
  } catch {
    return null;
  }
}

/** The record at a place of a file; null when there is no valid one. */
export function readRecord(
  file: Uint8Array,
  { salt, after }: { readonly salt: Uint8Array; readonly after: Position },
): FoundRecord | null {
  const head = readHead(file, after.offset, salt);
  if (head === null || head.number !== after.number + 1 || head.kind === null) return null;
  const start = after.offset + RECORD_HEAD_BYTES;
  const payload = file.subarray(start, start + head.payloadBytes);
  if (payload.length < head.payloadBytes) return null;
  const checked = file.subarray(after.offset, after.offset + CHECKED_BYTES);
  const chain = chainOf(after, checked, payload);
  const written = file.subarray(after.offset + CHAIN_OFFSET, start);
  if (!equalBytes(chain, written)) return null;
  const offset = after.offset + recordBytes(head.payloadBytes);
  return { kind: head.kind, payload, end: { offset, number: head.number, chain } };
}

/**
 * The number of a record behind `offset` that is greater than `number`. Its head must be valid, its
 * payload need not be. Null when there is none.
 */
export function findRecordAbove(
  file: Uint8Array,
  { salt, offset, number }: {
    readonly salt: Uint8Array;
    readonly offset: number;
    readonly number: number;
  },
): number | null {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.length);
  for (let at = bytes.indexOf(salt, offset); at !== -1; at = bytes.indexOf(salt, at + 1)) {
    const head = readHead(file, at, salt);
    if (head !== null && head.number > number) return head.number;
  }
  return null;
}

interface RecordHead {
  readonly number: number;
  readonly payloadBytes: number;
  readonly kind: RecordKind | null;
}

function readHead(file: Uint8Array, offset: number, salt: Uint8Array): RecordHead | null {
  if (offset + RECORD_HEAD_BYTES > file.length) return null;
  const view = new DataView(file.buffer, file.byteOffset + offset, RECORD_HEAD_BYTES);
  const checked = file.subarray(offset, offset + CHECKED_BYTES);
  if (!equalBytes(checked.subarray(0, SALT_BYTES), salt)) return null;
  if (view.getUint32(CHECKED_BYTES) !== crc32(checked)) return null;
  const number = view.getUint32(16) * 2 ** 32 + view.getUint32(20);
  return { number, payloadBytes: view.getUint32(24), kind: kindOf(view.getUint8(28)) };
}

function kindOf(code: number): RecordKind | null {
  switch (code) {
    case RECORD_KINDS.head:
      return "head";
    case RECORD_KINDS.batches:
      return "batches";
    case RECORD_KINDS.end:
      return "end";
    case RECORD_KINDS.closed:
      return "closed";
    default:
      return null;
  }
}

/** The checksum of a file's first 32 bytes. */
function checkOfHead(file: Uint8Array): Uint8Array {
  return digest(file.subarray(0, 32)).subarray(0, 16);
}

function chainOf({ chain }: Position, head: Uint8Array, payload: Uint8Array): Uint8Array {
  return digest(chain, head, payload);
}

function digest(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}
