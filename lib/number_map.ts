/**
 * A map for what comes and goes at high speed.
 *
 * @module
 */

const BUCKETS_START = 64;

interface Link<Value> {
  readonly key: number;
  readonly value: Value;
  next: Link<Value> | null;
}

/**
 * Values by whole numbers. When the table of a JavaScript `Map` is full of deleted entries, V8 makes another, and
 * the old one refers to the new one. Once an old one has reached the old generation of the heap, each later table
 * with all its values goes there too, dead or alive, until a full collection: a node then keeps every request that
 * it has answered. Here a value is unreachable as soon as it is deleted.
 */
export class NumberMap<Value> {
  #buckets: (Link<Value> | null)[] = makeBuckets(BUCKETS_START);
  #size = 0;

  /** How many values there are. */
  get size(): number {
    return this.#size;
  }

  /** The value of a key, if it has one. */
  get(key: number): Value | undefined {
    let link = this.#buckets[this.#bucketOf(key)] ?? null;
    while (link !== null && link.key !== key) link = link.next;
    return link?.value;
  }

  /** Whether the key has a value. */
  has(key: number): boolean {
    return this.get(key) !== undefined;
  }

  /** Sets the value of a key, in place of the one before. */
  set(key: number, value: Value): void {
    this.delete(key);
    if (this.#size >= this.#buckets.length) this.#grow();
    this.#link(key, value);
    this.#size++;
  }

  /** Removes a key, if it is there. */
  delete(key: number): void {
    const bucket = this.#bucketOf(key);
    let before: Link<Value> | null = null;
    let link = this.#buckets[bucket] ?? null;
    while (link !== null && link.key !== key) [before, link] = [link, link.next];
    if (link === null) return;
    if (before === null) this.#buckets[bucket] = link.next;
    else before.next = link.next;
    link.next = null;
    this.#size--;
  }

  /** The keys and values as they are now, by rising key. They can be removed meanwhile. */
  entries(): readonly (readonly [number, Value])[] {
    const entries: (readonly [number, Value])[] = [];
    for (let link of this.#buckets) {
      for (; link !== null; link = link.next) entries.push([link.key, link.value]);
    }
    return entries.sort(([left], [right]) => left - right);
  }

  #bucketOf(key: number): number {
    return key % this.#buckets.length;
  }

  #link(key: number, value: Value): void {
    const bucket = this.#bucketOf(key);
    this.#buckets[bucket] = { key, value, next: this.#buckets[bucket] ?? null };
  }

  #grow(): void {
    const entries = this.entries();
    this.#buckets = makeBuckets(2 * this.#buckets.length);
    for (const [key, value] of entries) this.#link(key, value);
  }
}

function makeBuckets(count: number): null[] {
  return new Array(count).fill(null);
}
