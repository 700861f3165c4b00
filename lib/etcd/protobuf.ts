/**
 * Messages as Protocol Buffers, version 3: https://protobuf.dev/programming-guides/encoding/
 *
 * @module
 */

import { decodeUtf8, encodeUtf8 } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { EtcdError } from "./errors.ts";
import { DEPTH_MAX } from "./json.ts";
import {
  type Draft,
  type Field,
  isEmpty,
  type Message,
  NO_ITEMS,
  type Read,
  UNRECOGNIZED,
} from "./shape.ts";

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;
const TWO_TO_32 = 2 ** 32;

/** Reads a message. @throws {EtcdError} `invalidArgument`. */
export function decodeMessage<Which extends Message>(which: Which, bytes: Uint8Array): Read<Which> {
  return new Reader(bytes).message(which, { end: bytes.length, depth: 0 }) as Read<Which>;
}

/** Writes a message. */
export function encodeMessage<Which extends Message>(
  which: Which,
  draft: Draft<Which>,
): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.message(which, draft);
  return writer.bytes;
}

/** Reads untrusted bytes. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;
  /** The last varint, as two halves. */
  #low = 0;
  #high = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  message(
    which: Message,
    { end, depth }: { readonly end: number; readonly depth: number },
  ): Record<string, unknown> {
    if (depth > DEPTH_MAX) throw invalid(`messages are nested deeper than ${DEPTH_MAX}`);
    const read: Record<string, unknown> = { ...which.empty };
    while (this.#at < end) this.#field(which, read, { end, depth });
    if (this.#at !== end) throw invalid("a field is longer than its message");
    return read;
  }

  #field(
    which: Message,
    read: Record<string, unknown>,
    { end, depth }: { readonly end: number; readonly depth: number },
  ): void {
    this.#varint(end);
    const wireType = this.#low & 7;
    const number = this.#high * (TWO_TO_32 / 8) + (this.#low >>> 3);
    const entry = which.byNumber.get(number);
    if (entry === undefined) return this.#skip(wireType, end);
    const [name, field] = entry;
    if (field.isList) return this.#list(entry, read, { wireType, end, depth });
    read[name] = this.#value(field, { wireType, end, depth });
  }

  #list(
    [name, field]: readonly [string, Field],
    read: Record<string, unknown>,
    { wireType, end, depth }: {
      readonly wireType: number;
      readonly end: number;
      readonly depth: number;
    },
  ): void {
    const items = itemsOf(read, name);
    const isPacked = wireType === LENGTH_DELIMITED && wireTypeOf(field) === VARINT;
    if (!isPacked) {
      items.push(this.#value(field, { wireType, end, depth }));
      return;
    }
    const listEnd = this.#length(end);
    while (this.#at < listEnd) {
      items.push(this.#value(field, { wireType: VARINT, end: listEnd, depth }));
    }
  }

  #value(
    field: Field,
    { wireType, end, depth }: {
      readonly wireType: number;
      readonly end: number;
      readonly depth: number;
    },
  ): unknown {
    if (wireType !== wireTypeOf(field)) throw invalid(`field ${field.number} is of another type`);
    if (wireType === VARINT) {
      this.#varint(end);
      return this.#whole(field);
    }
    const valueEnd = this.#length(end);
    if (field.message !== null) {
      return this.message(field.message(), { end: valueEnd, depth: depth + 1 });
    }
    // A copy, because the transport uses the buffer again.
    const bytes = this.#bytes.slice(this.#at, valueEnd);
    this.#at = valueEnd;
    return field.kind === "string" ? toText(bytes) : bytes;
  }

  #whole({ kind, names }: Field): unknown {
    switch (kind) {
      case "bool":
        return this.#low !== 0 || this.#high !== 0;
      case "uint64":
        return BigInt(this.#high) * BigInt(TWO_TO_32) + BigInt(this.#low);
      case "uint32":
        return this.#low;
      case "enum":
        return this.#high === 0 ? names[this.#low] ?? UNRECOGNIZED : UNRECOGNIZED;
      default:
        return (this.#high | 0) * TWO_TO_32 + this.#low;
    }
  }

  #varint(end: number): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= end) throw invalid("a number is cut off");
      const byte = this.#bytes[this.#at++] ?? 0;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw invalid("a number has more than ten bytes");
  }

  /** Reads a length, and returns the end of the value after it. */
  #length(end: number): number {
    this.#varint(end);
    const valueEnd = this.#at + this.#low;
    if (this.#high !== 0 || valueEnd > end) throw invalid("a field is longer than its message");
    return valueEnd;
  }

  #skip(wireType: number, end: number): void {
    if (wireType === VARINT) return this.#varint(end);
    if (wireType === LENGTH_DELIMITED) this.#at = this.#length(end);
    else if (wireType === FIXED64) this.#at += 8;
    else if (wireType === FIXED32) this.#at += 4;
    else throw invalid(`there is no wire type ${wireType}`);
    if (this.#at > end) throw invalid("a field is longer than its message");
  }
}

/** The list of a field, which the first item makes. */
function itemsOf(read: Record<string, unknown>, name: string): unknown[] {
  const items = read[name];
  if (Array.isArray(items) && items !== NO_ITEMS) return items;
  const made: unknown[] = [];
  read[name] = made;
  return made;
}

const CAPACITY_START = 256;

class Writer {
  #bytes = new Uint8Array(CAPACITY_START);
  #at = 0;

  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#at);
  }

  message(which: Message, draft: Readonly<Record<string, unknown>>): void {
    for (const [name, field] of which.entries) {
      const value = draft[name];
      if (value === undefined) continue;
      if (!field.isList) {
        if (!isEmpty(field, value)) this.#field(field, value);
      } else if (Array.isArray(value)) { for (const item of value) this.#field(field, item); }
    }
  }

  #field(field: Field, value: unknown): void {
    this.#varint(0, field.number * 8 + wireTypeOf(field));
    if (field.message !== null) this.#inner(field.message(), value as Record<string, unknown>);
    else if (value instanceof Uint8Array) this.#append(value);
    else if (field.kind === "string") this.#append(encodeUtf8(String(value)));
    else if (typeof value === "bigint") {
      this.#varint(Number(value >> 32n), Number(value & 0xffff_ffffn));
    } else if (field.kind === "enum") this.#varint(0, field.names.indexOf(String(value)));
    else this.#whole(Number(value));
  }

  /** Writes an inner message. Its length comes first but is known last, so room is made for it. */
  #inner(which: Message, draft: Readonly<Record<string, unknown>>): void {
    const start = this.#at;
    this.message(which, draft);
    const length = this.#at - start;
    const head = varintLength(length);
    this.#reserve(head);
    this.#bytes.copyWithin(start + head, start, this.#at);
    this.#at = start;
    this.#varint(0, length);
    this.#at += length;
  }

  #append(bytes: Uint8Array): void {
    this.#varint(0, bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Negative numbers are written with 64 bits. */
  #whole(value: number): void {
    this.#varint(Math.floor(value / TWO_TO_32) >>> 0, value >>> 0);
  }

  #varint(high: number, low: number): void {
    this.#reserve(10);
    while (high > 0 || low > 0x7f) {
      this.#bytes[this.#at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#bytes[this.#at++] = low;
  }

  #reserve(length: number): void {
    if (this.#at + length <= this.#bytes.length) return;
    const bytes = new Uint8Array(Math.max(2 * this.#bytes.length, this.#at + length));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }
}

function wireTypeOf({ kind }: Field): number {
  return kind === "bytes" || kind === "string" || kind === "message" ? LENGTH_DELIMITED : VARINT;
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 0x80)) length++;
  return length;
}

function toText(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw invalid("a text is not UTF-8", { cause });
  }
}

function invalid(what: string, options?: ErrorOptions): EtcdError {
  return new EtcdError("invalidArgument", `Cannot read the message: ${what}`, options);
}
