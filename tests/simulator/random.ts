/**
 * Chance from a seed. A stream is named by its path from the seed, so what one part of a
 * simulation draws never shifts what another part draws, and a new part disturbs no old one.
 *
 * @module
 */

import { assert } from "../../lib/assert.ts";

/** One stream of numbers (sfc32, a small fast counting generator). */
export class Random {
  readonly #path: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** The stream of this name: the same name, the same numbers. */
  constructor(path: string) {
    this.#path = path;
    this.#a = hash(path, 0x9e3779b9);
    this.#b = hash(path, 0x85ebca6b);
    this.#c = hash(path, 0xc2b2ae35);
    for (let warmUp = 0; warmUp < 12; warmUp++) this.#next();
  }

  /** Another stream, named below this one; how far this one has come does not matter. */
  split(name: string): Random {
    return new Random(`${this.#path}/${name}`);
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    return this.#next() / 2 ** 32;
  }

  /** A whole number from 0 up to and without `limit`. */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True this often. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** One of the items. */
  pick<Item>(items: readonly Item[]): Item {
    assert(items.length > 0, "Nothing to pick from");
    return items[this.below(items.length)] as Item;
  }

  /** A whole number from an exponential distribution of this mean, at most ten times the mean. */
  exponential(mean: number): number {
    return Math.round(Math.min(10 * mean, -Math.log(1 - this.fraction()) * mean));
  }

  /** The items in another order. */
  shuffled<Item>(items: readonly Item[]): Item[] {
    return items.map((item) => ({ item, rank: this.#next() }))
      .sort((left, right) => left.rank - right.rank)
      .map(({ item }) => item);
  }

  /** `length` bytes. */
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at++) bytes[at] = this.#next() & 0xff;
    return bytes;
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum | 0;
    return sum >>> 0;
  }
}

/** A 32-bit hash of a text (FNV-1a with a final mix), different for each `basis`. */
function hash(text: string, basis: number): number {
  let mixed = basis;
  for (let at = 0; at < text.length; at++) {
    mixed = Math.imul(mixed ^ text.charCodeAt(at), 0x01000193);
  }
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return mixed ^ (mixed >>> 15);
}
