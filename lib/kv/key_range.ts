/**
 * Keys as bytes, and ranges of keys. Keys are ordered by their bytes.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { InputError } from "../errors.ts";
import { KEY_BYTES_MAX } from "../limits.ts";

/** The keys from `start` up to, but without, `end`: `start <= key < end`. */
export interface KeyRange {
  /** The lower bound, which is in the range. Empty bytes are below every key. */
  readonly start: Uint8Array;
  /** The upper bound, which is not in the range; null means every key from `start` on. */
  readonly end: Uint8Array | null;
}

const NO_BYTES = new Uint8Array(0);

/** The range of all keys. */
export const ALL_KEYS: KeyRange = { start: NO_BYTES, end: null };

/** One key as a range. */
export function singleKey(key: Uint8Array): KeyRange {
  return { start: key, end: nextKey(key) };
}

/** The keys that begin with these bytes. */
export function keysWithPrefix(prefix: Uint8Array): KeyRange {
  return { start: prefix, end: prefixEnd(prefix) };
}

/** The key of a range with exactly one key; null for other ranges. */
export function singleKeyOf({ start, end }: KeyRange): Uint8Array | null {
  if (end === null || start.length === 0 || end.length !== start.length + 1) return null;
  if (end[start.length] !== 0) return null;
  return startsWith(end, start) ? start : null;
}

/** The prefix that every key of this range has, and no other key has; null if there is none. */
export function prefixOf({ start, end }: KeyRange): Uint8Array | null {
  return sameEnd(prefixEnd(start), end) ? start : null;
}

/** The first key after all keys that begin with these bytes; null if there is none. */
export function prefixEnd(prefix: Uint8Array): Uint8Array<ArrayBuffer> | null {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return null;
  const end = prefix.slice(0, length);
  end[length - 1] = (end[length - 1] ?? 0) + 1;
  return end as Uint8Array<ArrayBuffer>;
}

/** The smallest byte string above this one: its bytes, then a zero. */
export function nextKey(key: Uint8Array): Uint8Array<ArrayBuffer> {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** Negative, 0 or positive when `left` is below, equal to or above `right`. */
export function compareKeys(left: Uint8Array, right: Uint8Array): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** From this length on, the native comparison is faster than a loop. */
const NATIVE_BYTES_MIN = 64;

/** The order of {@linkcode compareKeys}, for values: they can be long, and differ in their last byte. */
export function compareValues(left: Uint8Array, right: Uint8Array): number {
  const isLong = Math.min(left.length, right.length) >= NATIVE_BYTES_MIN;
  return isLong ? Buffer.compare(left, right) : compareKeys(left, right);
}

/** Whether `bytes` begin with `prefix`. */
export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length < prefix.length) return false;
  for (let at = 0; at < prefix.length; at++) if (bytes[at] !== prefix[at]) return false;
  return true;
}

/** Whether a key is in a range. */
export function inRange({ start, end }: KeyRange, key: Uint8Array): boolean {
  return compareKeys(key, start) >= 0 && isBelow(key, end);
}

/** Whether every key of `inner` is in `outer`. An empty range is in every other. */
export function rangeCovers(outer: KeyRange, inner: KeyRange): boolean {
  if (isEmptyRange(inner)) return true;
  if (compareKeys(inner.start, outer.start) < 0) return false;
  return outer.end === null || (inner.end !== null && compareKeys(inner.end, outer.end) <= 0);
}

/** Whether no key can be in a range. */
export function isEmptyRange({ start, end }: KeyRange): boolean {
  return end !== null && compareKeys(start, end) >= 0;
}

/** Whether a key is below a bound; null is above every key. */
export function isBelow(key: Uint8Array, end: Uint8Array | null): boolean {
  return end === null || compareKeys(key, end) < 0;
}

/** Bytes as a string for the key of a map: one character for each byte. */
export function keyText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/**
 * Checks the bounds of a range. The end may have one byte more than a key: it can then follow the longest
 * key.
 *
 * @throws {InputError} when a bound is longer than that.
 */
export function checkRange({ start, end }: KeyRange): void {
  if (start.length > KEY_BYTES_MAX) {
    throw new InputError(
      `Cannot read range: its start of ${start.length} bytes is above ${KEY_BYTES_MAX}`,
    );
  }
  if (end !== null && (end.length === 0 || end.length > KEY_BYTES_MAX + 1)) {
    throw new InputError(
      `Cannot read range: its end of ${end.length} bytes is not from 1 to ${KEY_BYTES_MAX + 1}`,
    );
  }
}

function sameEnd(left: Uint8Array | null, right: Uint8Array | null): boolean {
  if (left === null || right === null) return left === right;
  return compareKeys(left, right) === 0;
}
