/**
 * Finds the owners of all ranges that contain a key. For ranges of one key or one prefix it finds them
 * directly. Other ranges are in a tree.
 *
 * @module
 */

import { type KeyRange, keyText, prefixOf, singleKeyOf } from "./key_range.ts";
import { RangeTree } from "./range_tree.ts";

/** A set of owners, each with the ranges that it has added. */
export class RangeOwners<Owner> {
  readonly #byKey = new Map<string, Set<Owner>>();
  /** The owners of prefixes, by the length of the prefix, then by the prefix. */
  readonly #byPrefix = new Map<number, Map<string, Set<Owner>>>();
  readonly #others = new RangeTree<Owner>();

  /** Adds an owner of a range. */
  add(keys: KeyRange, owner: Owner): void {
    const single = singleKeyOf(keys);
    const prefix = prefixOf(keys);
    if (single !== null) addTo(this.#byKey, keyText(single), owner);
    else if (prefix === null) this.#others.add(keys, owner);
    else {
      const sameLength = this.#byPrefix.get(prefix.length) ?? new Map<string, Set<Owner>>();
      this.#byPrefix.set(prefix.length, sameLength);
      addTo(sameLength, keyText(prefix), owner);
    }
  }

  /** Removes an owner of a range. */
  remove(keys: KeyRange, owner: Owner): void {
    const single = singleKeyOf(keys);
    const prefix = prefixOf(keys);
    if (single !== null) removeFrom(this.#byKey, keyText(single), owner);
    else if (prefix === null) this.#others.remove(owner);
    else {
      const sameLength = this.#byPrefix.get(prefix.length);
      if (sameLength === undefined) return;
      removeFrom(sameLength, keyText(prefix), owner);
      if (sameLength.size === 0) this.#byPrefix.delete(prefix.length);
    }
  }

  /** The owners of every range that contains a key, in a new list. */
  of(key: Uint8Array): readonly Owner[] {
    const found: Owner[] = [];
    if (this.#byKey.size > 0 || this.#byPrefix.size > 0) {
      const text = keyText(key);
      found.push(...this.#byKey.get(text) ?? []);
      for (const [length, sameLength] of this.#byPrefix) {
        if (length <= text.length) found.push(...sameLength.get(text.slice(0, length)) ?? []);
      }
    }
    this.#others.collect(key, found);
    return found;
  }
}

function addTo<Owner>(map: Map<string, Set<Owner>>, text: string, owner: Owner): void {
  const owners = map.get(text) ?? new Set();
  owners.add(owner);
  map.set(text, owners);
}

function removeFrom<Owner>(map: Map<string, Set<Owner>>, text: string, owner: Owner): void {
  const owners = map.get(text);
  if (owners === undefined) return;
  owners.delete(owner);
  if (owners.size === 0) map.delete(text);
}
