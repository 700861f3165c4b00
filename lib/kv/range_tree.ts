/**
 * Finds the owners of ranges that contain a key, without looking at every range.
 *
 * The ranges are sorted by their start, as a balanced tree in one list: the middle of a part of the list is
 * the root of the part, and knows how far the ranges of the part reach. New ranges wait outside the tree, so
 * that it is not built again for each one.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { compareKeys, isBelow, type KeyRange } from "./key_range.ts";

/** Most ranges that wait outside the tree, and most that are still in it after their removal. */
const CHANGES_MAX = 64;

interface Entry<Owner> {
  readonly keys: KeyRange;
  readonly owner: Owner;
  /** Where the last range ends of the part whose root this is; null means never. */
  reach: Uint8Array | null;
}

/** Ranges, each with its owner. An owner has one range. */
export class RangeTree<Owner> {
  #entries: readonly Entry<Owner>[] = [];
  /** The owners in the tree, without those that were removed since it was built. */
  readonly #settled = new Map<Owner, KeyRange>();
  readonly #recent = new Map<Owner, KeyRange>();

  /** Adds a range. */
  add(keys: KeyRange, owner: Owner): void {
    this.#recent.set(owner, keys);
    if (this.#recent.size > CHANGES_MAX) this.#build();
  }

  /** Removes the range of an owner. */
  remove(owner: Owner): void {
    this.#recent.delete(owner);
    this.#settled.delete(owner);
    if (this.#entries.length - this.#settled.size > CHANGES_MAX) this.#build();
  }

  /** Adds the owners of every range that contains a key to a list. */
  collect(key: Uint8Array, found: Owner[]): void {
    this.#collect({ low: 0, high: this.#entries.length }, key, found);
    for (const [owner, { start, end }] of this.#recent) {
      if (compareKeys(start, key) <= 0 && isBelow(key, end)) found.push(owner);
    }
  }

  #collect({ low, high }: Part, key: Uint8Array, found: Owner[]): void {
    if (low >= high) return;
    const middle = (low + high) >>> 1;
    const { keys, owner, reach } = this.#at(middle);
    if (!isBelow(key, reach)) return;
    this.#collect({ low, high: middle }, key, found);
    const { start, end } = keys;
    if (compareKeys(start, key) > 0) return;
    // Compared as an object: the owner may have another range by now.
    if (isBelow(key, end) && this.#settled.get(owner) === keys) found.push(owner);
    this.#collect({ low: middle + 1, high }, key, found);
  }

  #build(): void {
    for (const [owner, keys] of this.#recent) this.#settled.set(owner, keys);
    this.#recent.clear();
    this.#entries = Array.from(
      this.#settled,
      ([owner, keys]) => ({ keys, owner, reach: keys.end }),
    ).sort((left, right) => compareKeys(left.keys.start, right.keys.start));
    this.#measure({ low: 0, high: this.#entries.length });
  }

  /** Sets how far each part reaches. @returns how far this one does. */
  #measure({ low, high }: Part): Uint8Array | null {
    if (low >= high) return NO_BYTES;
    const middle = (low + high) >>> 1;
    const entry = this.#at(middle);
    const below = this.#measure({ low, high: middle });
    const above = this.#measure({ low: middle + 1, high });
    entry.reach = further(entry.keys.end, further(below, above));
    return entry.reach;
  }

  #at(place: number): Entry<Owner> {
    return assertDefined(this.#entries[place], "the place is in the list");
  }
}

/** The entries from `low` up to, but without, `high`. */
interface Part {
  readonly low: number;
  readonly high: number;
}

function further(left: Uint8Array | null, right: Uint8Array | null): Uint8Array | null {
  if (left === null || right === null) return null;
  return compareKeys(left, right) < 0 ? right : left;
}

const NO_BYTES = new Uint8Array(0);
