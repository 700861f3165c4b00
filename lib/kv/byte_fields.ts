/**
 * Fields, one after the other, in a byte string. Each value has exactly one encoding, so equal values have
 * equal bytes.
 *
 * A number is in base 128, lowest digit first, and as short as possible. The top bit of every byte is set,
 * except in the last byte. A byte string is its length, then its bytes.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { InputError } from "../errors.ts";

const CAPACITY_START = 4096;
/** Bytes of the largest number, 2^53 - 1. */
const NUMBER_BYTES_MAX = 8;
/** A larger buffer is not kept from one use to the next. */
const CAPACITY_KEPT = 64 * 1024;
/** Bytes of a shared buffer. The whole buffer is kept as long as one copy in it is used. */
const SHARED_BYTES = 32 * 1024;
/** A longer copy has a buffer of its own. */
const SHARED_LENGTH_MAX = 2 * 1024;

/** Writes fields. A writer can be used many times. */
export class ByteWriter {
  #bytes = new Uint8Array(CAPACITY_START);
  #length = 0;
  /** For {@linkcode ByteWriter.finishShared}, used up to `#sharedLength`. */
  #shared = new Uint8Array(0);
  #sharedLength = 0;

  /** Bytes written since the writer began. */
  get length(): number {
    return this.#length;
  }

  /** Begins again, and forgets what was written and not finished. */
  begin(): this {
    this.#length = 0;
    return this;
  }

  /** Writes one byte: a tag, a flag or a small choice. */
  byte(value: number): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  /** Writes a whole number from 0 to 2^53 - 1. */
  number(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, `Cannot write ${value} as a number`);
    this.#reserve(NUMBER_BYTES_MAX);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = 0x80 | (rest % 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
    return this;
  }

  /** Writes a byte string with its length. */
  bytes(value: Uint8Array): this {
    return this.number(value.length).raw(value);
  }

  /** Writes a byte string whose length the reader knows. */
  raw(value: Uint8Array): this {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  /** Writes the number of items, then each item. */
  list<Item>(items: readonly Item[], write: (item: Item) => void): this {
    this.number(items.length);
    for (const item of items) write(item);
    return this;
  }

  /** Returns a copy of everything that was written. The writer begins again. */
  finish(): Uint8Array<ArrayBuffer> {
    const written = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    if (this.#bytes.length > CAPACITY_KEPT) this.#bytes = new Uint8Array(CAPACITY_START);
    return written;
  }

  /**
   * As {@linkcode finish}, for a copy that lives about as long as those before and after it: short ones share
   * a buffer. A buffer for each would take more memory and time than its bytes.
   */
  finishShared(): Uint8Array<ArrayBuffer> {
    const length = this.#length;
    if (length > SHARED_LENGTH_MAX) return this.finish();
    if (length > this.#shared.length - this.#sharedLength) {
      this.#shared = new Uint8Array(SHARED_BYTES);
      this.#sharedLength = 0;
    }
    const written = this.#shared.subarray(this.#sharedLength, this.#sharedLength += length);
    written.set(this.#bytes.subarray(0, length));
    this.#length = 0;
    return written;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/**
 * Reads fields from untrusted bytes. It refuses everything that a writer would not have written.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  /** Reads `bytes` from the start. Errors name them as `what`. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  /** Reads one byte. @throws {InputError} when there is none. */
  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) return this.refuse("it ends too early");
    this.#at++;
    return value;
  }

  /** Reads one byte as one of `choices` values. @throws {InputError} when it is not below `choices`. */
  choice(choices: number): number {
    const value = this.byte();
    return value < choices ? value : this.refuse(`${value} is not below ${choices}`);
  }

  /** Reads one byte as a yes or no. @throws {InputError} when it is neither 0 nor 1. */
  flag(): boolean {
    return this.choice(2) === 1;
  }

  /** Reads a number. @throws {InputError} when it is too large or not in its shortest form. */
  number(): number {
    let value = 0;
    let scale = 1;
    for (let count = 1; count <= NUMBER_BYTES_MAX; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte >= 0x80) continue;
      if (byte === 0 && count > 1) return this.refuse("a number is longer than it needs to be");
      return Number.isSafeInteger(value) ? value : this.refuse("a number is above 2^53 - 1");
    }
    return this.refuse("a number is above 2^53 - 1");
  }

  /** Reads a byte string as a view. @throws {InputError} when it is longer than `bytesMax`. */
  bytes(bytesMax: number): Uint8Array {
    const length = this.number();
    if (length > bytesMax) return this.refuse(`${length} bytes are above ${bytesMax}`);
    return this.raw(length);
  }

  /** Reads `length` bytes as a view. @throws {InputError} when there are fewer. */
  raw(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) return this.refuse("it ends too early");
    const value = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return value;
  }

  /** Whether nothing is left. */
  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Reads everything that is left, as a view. */
  rest(): Uint8Array {
    return this.raw(this.#bytes.length - this.#at);
  }

  /** Reads a list. @throws {InputError} when it has more than `itemsMax` items. */
  list<Item>(itemsMax: number, read: () => Item): readonly Item[] {
    const count = this.number();
    if (count > itemsMax) return this.refuse(`${count} items are above ${itemsMax}`);
    return Array.from({ length: count }, read);
  }

  /** Checks the end. @throws {InputError} when bytes are left. */
  end(): void {
    if (!this.isAtEnd) this.refuse("there are more bytes after its end");
  }

  /** Refuses the bytes. @throws {InputError} always. */
  refuse(why: string): never {
    throw new InputError(`Cannot read ${this.#what}: ${why} (at byte ${this.#at})`);
  }
}
