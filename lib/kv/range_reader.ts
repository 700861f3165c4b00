/**
 * Reads ranges of keys at one revision, in slices: a reader holds its place and its revision
 * between them, and whatever is written meanwhile changes nothing of what it reads. No slice takes
 * longer than its limits allow, however long the range is.
 *
 * @module
 */

import type { LogIndex } from "../types.ts";
import {
  ALL_KEYS,
  compareKeys,
  isBelow,
  KEY_BYTES_MAX,
  type KeyRange,
  nextKey,
  prefixEnd,
  prefixOf,
  startsWith,
} from "./key_range.ts";
import type { MultiVersionStore, Unreadable } from "./multi_version_store.ts";
import type { Cursor } from "./ordered_index.ts";
import type { KeyValueRow } from "./record.ts";

/** Which way through the keys. */
export type KeyOrder = "ascending" | "descending";

/** Keeps only keys whose revisions are within; what is absent limits nothing. */
export interface RevisionFilter {
  /** Least modRevision. */
  readonly modRevisionMin?: number;
  /** Greatest modRevision. */
  readonly modRevisionMax?: number;
  /** Least createRevision. */
  readonly createRevisionMin?: number;
  /** Greatest createRevision. */
  readonly createRevisionMax?: number;
}

/** What is to be read. */
export interface RangeQuery extends RevisionFilter {
  /** From its start, up to its end and without it. */
  readonly keys: KeyRange;
  /** The store as it stood at this revision. */
  readonly revision: LogIndex;
  /** Most items; absent: all. */
  readonly limit?: number;
  /** Begins behind this key, or behind the folder of this name, in the order of the query. */
  readonly after?: Uint8Array;
  /** Ascending, if absent. */
  readonly order?: KeyOrder;
  /** Rows come without their values. */
  readonly keysOnly?: boolean;
  /** No rows come, only their number. */
  readonly countOnly?: boolean;
  /**
   * Goes on counting when the limit is reached: {@linkcode RangeSlice.count} is of the whole
   * range.
   */
  readonly countAll?: boolean;
  /**
   * Keys that have it behind the prefix that all keys of the range share become one folder, up to
   * its first place.
   */
  readonly delimiter?: Uint8Array;
}

/** Something read. */
export type RangeItem =
  /** A key. */
  | { readonly kind: "row"; readonly row: KeyValueRow }
  /** One or more keys that begin with this name, which ends in the delimiter. */
  | { readonly kind: "folder"; readonly name: Uint8Array };

/** How much one slice may take. */
export interface SliceLimits {
  /** Most keys looked at, tombstones included. */
  readonly keysMax: number;
  /** Most bytes of keys and values; one item comes even if it has more. */
  readonly bytesMax: number;
}

/** Some 1,000 rows of 256 bytes: 4 ms were measured on a machine that was busy with other things. */
const SLICE_LIMITS: SliceLimits = { keysMax: 2_000, bytesMax: 256 * 1024 };

/** As much as one turn of the loop reads. */
export interface RangeSlice {
  /** The tag. */
  readonly kind: "slice";
  /** What was read, in order. */
  readonly items: readonly RangeItem[];
  /**
   * Items so far, those before this slice included; of the whole range once it is done and all
   * are counted.
   */
  readonly count: number;
  /** Whether there is nothing more to read: the range is at its end, or the limit reached. */
  readonly isDone: boolean;
  /** Whether the range has more items than the limit. Known once done. */
  readonly hasMore: boolean;
}

/**
 * The keys of a range that were there at a revision, one by one. It may rest between two steps for
 * as long as it likes: once the index has changed, it finds its place again by the last key.
 */
export class Scan {
  readonly #store: MultiVersionStore;
  readonly #revision: number;
  readonly #isDescending: boolean;
  readonly #keys: KeyRange;
  #cursor: Cursor;
  #changes: number;
  /** The bound where a resting scan goes on: at or above it, or below it when descending. */
  #bound: Uint8Array | null;

  /** Begins at the start of `keys`, or at their end. */
  constructor(
    store: MultiVersionStore,
    { keys, revision, order = "ascending" }: {
      readonly keys: KeyRange;
      readonly revision: number;
      readonly order?: KeyOrder;
    },
  ) {
    this.#store = store;
    this.#revision = revision;
    this.#keys = keys;
    this.#isDescending = order === "descending";
    this.#bound = this.#isDescending ? keys.end : keys.start;
    this.#cursor = this.#find();
    this.#changes = store.index.changes;
  }

  /** Whether there is a key at this place. */
  get isAtKey(): boolean {
    const { handle } = this.#cursor;
    if (handle === 0) return false;
    const { records } = this.#store;
    if (this.#isDescending) return records.compare(this.#keys.start, handle) <= 0;
    return this.#keys.end === null || records.compare(this.#keys.end, handle) > 0;
  }

  /** The key's version at the scan's revision, or 0: it was not there. */
  get handle(): number {
    return this.#store.versionAt(this.#cursor.handle, this.#revision);
  }

  /** The key, as a view. */
  get key(): Uint8Array {
    return this.#store.records.key(this.#cursor.handle);
  }

  /** Goes on to the next key. */
  next(): void {
    if (this.#isDescending) this.#cursor.previous();
    else this.#cursor.next();
  }

  /** Jumps over every key that begins with `prefix`; the scan stands at one of them. */
  skip(prefix: Uint8Array): void {
    if (this.#isDescending) this.#bound = prefix;
    else {
      const end = prefixEnd(prefix);
      // No key is above all that begin so: the scan is at its end.
      this.#bound = end ?? this.#keys.end ?? ABOVE_ALL;
    }
    this.#cursor = this.#find();
  }

  /** To be called before a rest: remembers the place. */
  rest(): void {
    const { handle } = this.#cursor;
    if (handle === 0) return;
    this.#bound = this.#isDescending ? nextKey(this.key) : this.key.slice();
  }

  /** To be called after a rest: finds the place again if anything changed. */
  resume(): void {
    if (this.#changes === this.#store.index.changes) return;
    this.#changes = this.#store.index.changes;
    this.#cursor = this.#find();
  }

  #find(): Cursor {
    const { index } = this.#store;
    return this.#isDescending ? index.before(this.#bound) : index.from(this.#bound ?? NO_BYTES);
  }
}

/** Reads one range; see the module. */
export class RangeReader {
  readonly #store: MultiVersionStore;
  readonly #query: RangeQuery;
  readonly #limit: number;
  readonly #folderFrom: number;
  readonly #scan: Scan;
  /** How many items were found: those above the limit are only counted. */
  #found = 0;

  /** Begins to read; whether the revision can be read is said by the first slice. */
  constructor(store: MultiVersionStore, query: RangeQuery) {
    this.#store = store;
    this.#query = query;
    this.#limit = query.limit ?? Infinity;
    this.#folderFrom = sharedLength(query.keys);
    const { revision, order = "ascending" } = query;
    this.#scan = new Scan(store, { keys: keysBehind(query, this.#folderFrom), revision, order });
  }

  /**
   * Reads the next slice.
   *
   * @returns a refusal when the revision is not there yet, or, between two slices, not any more.
   */
  next(appliedIndex: LogIndex, limits: SliceLimits = SLICE_LIMITS): RangeSlice | Unreadable {
    const refused = this.#store.unreadable(this.#query.revision, appliedIndex);
    if (refused !== null) return refused;
    this.#scan.resume();
    const items: RangeItem[] = [];
    let bytes = 0;
    for (let keys = 0; this.#isReading; keys++) {
      if (keys >= limits.keysMax || bytes >= limits.bytesMax) {
        this.#scan.rest();
        return { kind: "slice", items, count: this.#count, isDone: false, hasMore: false };
      }
      const item = this.#step();
      if (item === null) continue;
      items.push(item);
      bytes += sizeOf(item);
    }
    const hasMore = this.#found > this.#limit;
    return { kind: "slice", items, count: this.#count, isDone: true, hasMore };
  }

  /** One item above the limit is looked for, so that it is known whether there are more. */
  get #isReading(): boolean {
    if (!this.#scan.isAtKey) return false;
    return this.#found <= this.#limit || this.#query.countAll === true;
  }

  get #count(): number {
    return this.#query.countAll === true ? this.#found : Math.min(this.#found, this.#limit);
  }

  /** Looks at one key and goes on; null when it is no item, or none that is wanted. */
  #step(): RangeItem | null {
    const { handle } = this.#scan;
    if (handle === 0 || !passesFilter(this.#store, handle, this.#query)) {
      this.#scan.next();
      return null;
    }
    this.#found++;
    const isWanted = this.#found <= this.#limit && this.#query.countOnly !== true;
    const name = this.#folderOf(this.#scan.key);
    if (name !== null) {
      this.#scan.skip(name);
      return isWanted ? { kind: "folder", name } : null;
    }
    this.#scan.next();
    if (!isWanted) return null;
    const { records } = this.#store;
    const isShort = this.#query.keysOnly === true;
    return { kind: "row", row: isShort ? records.copyWithoutValue(handle) : records.copy(handle) };
  }

  #folderOf(key: Uint8Array): Uint8Array | null {
    const { delimiter } = this.#query;
    return delimiter === undefined ? null : folderOf(key, this.#folderFrom, delimiter);
  }
}

/** Whether a version's revisions are within a filter. */
export function passesFilter(
  { records }: MultiVersionStore,
  handle: number,
  filter: RevisionFilter,
): boolean {
  const { modRevisionMin = 0, modRevisionMax = Infinity } = filter;
  const { createRevisionMin = 0, createRevisionMax = Infinity } = filter;
  const modRevision = records.modRevision(handle);
  const createRevision = records.createRevision(handle);
  return modRevision >= modRevisionMin && modRevision <= modRevisionMax &&
    createRevision >= createRevisionMin && createRevision <= createRevisionMax;
}

/** The beginning of a key up to its first delimiter at or behind `from`, or null. */
function folderOf(key: Uint8Array, from: number, delimiter: Uint8Array): Uint8Array | null {
  for (let at = from; at + delimiter.length <= key.length; at++) {
    const end = at + delimiter.length;
    if (startsWith(key.subarray(at, end), delimiter)) return key.slice(0, end);
  }
  return null;
}

/** What is left of a query's keys behind the item that it begins after. */
function keysBehind(query: RangeQuery, folderFrom: number): KeyRange {
  const { keys, after, order = "ascending", delimiter } = query;
  if (after === undefined) return keys;
  const isFolder = delimiter !== undefined &&
    folderOf(after, folderFrom, delimiter)?.length === after.length;
  if (order === "descending") {
    return isBelow(after, keys.end) ? { start: keys.start, end: after } : keys;
  }
  const start = isFolder ? prefixEnd(after) : nextKey(after);
  if (start === null) return { ...ALL_KEYS, end: NO_BYTES };
  return compareKeys(start, keys.start) > 0 ? { start, end: keys.end } : keys;
}

/** How many bytes all keys of a range begin with alike: where the names of its folders begin. */
function sharedLength(keys: KeyRange): number {
  const prefix = prefixOf(keys);
  if (prefix !== null) return prefix.length;
  const { start, end } = keys;
  let length = 0;
  while (length < start.length && start[length] === end?.[length]) length++;
  return length;
}

function sizeOf(item: RangeItem): number {
  return item.kind === "row" ? item.row.key.length + item.row.value.length : item.name.length;
}

const NO_BYTES = new Uint8Array(0);
/** Above every key, as it is longer than the longest of them and as high. */
const ABOVE_ALL = new Uint8Array(KEY_BYTES_MAX + 1).fill(0xff);
