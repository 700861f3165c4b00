/**
 * One version of one key in memory.
 *
 * A record has 40 bytes of numbers, then the key, then the value. The numbers are modRevision,
 * createRevision, version and lease with 64 bits each, a 32-bit word with the lengths of key (11 bits) and
 * value (21 bits), and the handle of the version before. A tombstone says that the key was removed at this
 * revision. Its length of the value is one that no value can have, and says why the key was removed.
 *
 * @module
 */

import { type LogIndex, toLogIndex } from "../types.ts";
import { Arena } from "./arena.ts";
import { compareKeys } from "./key_range.ts";

/** One version of a key with its value. */
export interface KeyValueRow {
  /** The key: 1 to 1,024 bytes. */
  readonly key: Uint8Array;
  /** The value, at most 512 KiB. */
  readonly value: Uint8Array;
  /** Revision of the write that created the key. */
  readonly createRevision: LogIndex;
  /** Revision of the write that produced this value. */
  readonly modRevision: LogIndex;
  /** The number of writes of the key since it was created, from 1. */
  readonly version: number;
  /** The lease that the key is attached to; 0 for none. */
  readonly lease: number;
}

/** What a change did: set a key, removed it on request, or removed it because its lease expired. */
export type ChangeKind = "put" | "delete" | "expire";

/** The content of a new version. */
export type NewVersion = Omit<KeyValueRow, "modRevision" | "createRevision"> & {
  /** Revision of the write. */
  readonly modRevision: number;
  /** Revision of the write that created the key. */
  readonly createRevision: number;
};

const HEAD_BYTES = 40;
const VALUE_LENGTH_BITS = 21;
const VALUE_LENGTH_MASK = 2 ** VALUE_LENGTH_BITS - 1;
const DELETED = VALUE_LENGTH_MASK - 1;
const EXPIRED = VALUE_LENGTH_MASK;
const LENGTHS_WORD = 8;
const PREVIOUS_WORD = 9;

/** Versions in an arena. A handle is valid until its version is freed. */
export class Records {
  readonly #arena = new Arena();

  /** How many versions there are. */
  get count(): number {
    return this.#arena.records;
  }

  /** Bytes of their slots. */
  get bytes(): number {
    return this.#arena.bytes;
  }

  /** Bytes reserved for them. */
  get reservedBytes(): number {
    return this.#arena.reservedBytes;
  }

  /** Adds a version with a value. Copies key and value. */
  add(version: NewVersion): number {
    const { key, value } = version;
    const handle = this.#addHead(key, value.length, value.length);
    const { numbers, bytes } = this.#arena.slab(handle);
    const offset = this.#arena.offset(handle);
    const at = offset >>> 3;
    numbers[at] = version.modRevision;
    numbers[at + 1] = version.createRevision;
    numbers[at + 2] = version.version;
    numbers[at + 3] = version.lease;
    bytes.set(value, offset + HEAD_BYTES + key.length);
    return handle;
  }

  /** Adds a tombstone. Copies the key. */
  addTombstone(
    { key, modRevision, kind }: {
      readonly key: Uint8Array;
      readonly modRevision: number;
      readonly kind: Exclude<ChangeKind, "put">;
    },
  ): number {
    const handle = this.#addHead(key, 0, kind === "delete" ? DELETED : EXPIRED);
    const { numbers } = this.#arena.slab(handle);
    const at = this.#arena.offset(handle) >>> 3;
    numbers[at] = modRevision;
    numbers.fill(0, at + 1, at + 4);
    return handle;
  }

  /** Frees a version. */
  free(handle: number): void {
    this.#arena.free(handle);
  }

  /** Revision of the write that made this version. */
  modRevision(handle: number): number {
    return this.#number(handle, 0);
  }

  /** Revision that created the key; 0 for a tombstone. */
  createRevision(handle: number): number {
    return this.#number(handle, 1);
  }

  /** The number of writes since the key was created; 0 for a tombstone. */
  version(handle: number): number {
    return this.#number(handle, 2);
  }

  /** The lease that the key is attached to; 0 for none. */
  lease(handle: number): number {
    return this.#number(handle, 3);
  }

  /** Sets the two numbers that depend on the version before. */
  setAge(handle: number, createRevision: number, version: number): void {
    const { numbers } = this.#arena.slab(handle);
    const at = this.#arena.offset(handle) >>> 3;
    numbers[at + 1] = createRevision;
    numbers[at + 2] = version;
  }

  /** The version before; 0 when there is none, or when history has forgotten it. */
  previous(handle: number): number {
    return this.#word(handle, PREVIOUS_WORD);
  }

  /** Sets the version before. */
  setPrevious(handle: number, previous: number): void {
    this.#arena.slab(handle).words[(this.#arena.offset(handle) >>> 2) + PREVIOUS_WORD] = previous;
  }

  /** The kind of the change that made this version. */
  kind(handle: number): ChangeKind {
    const length = this.#word(handle, LENGTHS_WORD) & VALUE_LENGTH_MASK;
    if (length < DELETED) return "put";
    return length === DELETED ? "delete" : "expire";
  }

  /** Whether this version has a value. */
  isLive(handle: number): boolean {
    return (this.#word(handle, LENGTHS_WORD) & VALUE_LENGTH_MASK) < DELETED;
  }

  /** Bytes of the value; 0 for a tombstone. */
  valueLength(handle: number): number {
    const length = this.#word(handle, LENGTHS_WORD) & VALUE_LENGTH_MASK;
    return length < DELETED ? length : 0;
  }

  /** Bytes of memory that a version takes. */
  sizeOf(handle: number): number {
    return this.#arena.slab(handle).slotBytes;
  }

  /** The key, as a view that is valid until the version is freed. */
  key(handle: number): Uint8Array<ArrayBuffer> {
    const start = this.#arena.offset(handle) + HEAD_BYTES;
    return this.#arena.slab(handle).bytes.subarray(start, start + this.#keyLength(handle));
  }

  /** The value, as a view that is valid until the version is freed. */
  value(handle: number): Uint8Array<ArrayBuffer> {
    const start = this.#arena.offset(handle) + HEAD_BYTES + this.#keyLength(handle);
    return this.#arena.slab(handle).bytes.subarray(start, start + this.valueLength(handle));
  }

  /** A version with a value. Its bytes are views that are valid until it is freed. */
  view(handle: number): KeyValueRow {
    return this.#row(handle, this.key(handle), this.value(handle));
  }

  /** A version with a value. Its bytes are copied. */
  copy(handle: number): KeyValueRow {
    return this.#row(handle, this.key(handle).slice(), this.value(handle).slice());
  }

  /** A version with a value, returned without its value. Its key is copied. */
  copyWithoutValue(handle: number): KeyValueRow {
    return this.#row(handle, this.key(handle).slice(), NO_BYTES);
  }

  /** Compares a key with the key of a version, like `compareKeys`. */
  compare(key: Uint8Array, handle: number): number {
    const slab = this.#arena.slab(handle);
    const offset = Arena.offsetIn(slab, handle);
    const { bytes } = slab;
    const start = offset + HEAD_BYTES;
    const keyLength = (slab.words[(offset >>> 2) + LENGTHS_WORD] ?? 0) >>> VALUE_LENGTH_BITS;
    const length = Math.min(key.length, keyLength);
    for (let at = 0; at < length; at++) {
      const difference = (key[at] ?? 0) - (bytes[start + at] ?? 0);
      if (difference !== 0) return difference;
    }
    return key.length - keyLength;
  }

  /** Whether two versions are of one key. */
  isSameKey(left: number, right: number): boolean {
    return compareKeys(this.key(left), this.key(right)) === 0;
  }

  #addHead(key: Uint8Array, valueBytes: number, valueLength: number): number {
    const handle = this.#arena.allocate(HEAD_BYTES + key.length + valueBytes);
    const { words, bytes } = this.#arena.slab(handle);
    const offset = this.#arena.offset(handle);
    const at = offset >>> 2;
    words[at + LENGTHS_WORD] = key.length * 2 ** VALUE_LENGTH_BITS + valueLength;
    words[at + PREVIOUS_WORD] = 0;
    bytes.set(key, offset + HEAD_BYTES);
    return handle;
  }

  #row(handle: number, key: Uint8Array, value: Uint8Array): KeyValueRow {
    return {
      key,
      value,
      createRevision: toLogIndex(this.createRevision(handle)),
      modRevision: toLogIndex(this.modRevision(handle)),
      version: this.version(handle),
      lease: this.lease(handle),
    };
  }

  #keyLength(handle: number): number {
    return this.#word(handle, LENGTHS_WORD) >>> VALUE_LENGTH_BITS;
  }

  #number(handle: number, position: number): number {
    const slab = this.#arena.slab(handle);
    return slab.numbers[(Arena.offsetIn(slab, handle) >>> 3) + position] ?? 0;
  }

  #word(handle: number, position: number): number {
    const slab = this.#arena.slab(handle);
    return slab.words[(Arena.offsetIn(slab, handle) >>> 2) + position] ?? 0;
  }
}

const NO_BYTES = new Uint8Array(0);
