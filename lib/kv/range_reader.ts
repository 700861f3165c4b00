/**
 * Reads ranges of keys at one revision, in slices. A reader keeps its place and its revision between the
 * slices, and writes in the meantime do not change what it reads. The limits bound the time of a slice,
 * however long the range is.
 *
 * @module
 */

import { KEY_BYTES_MAX } from "../limits.ts";
import type { LogIndex } from "../types.ts";
import {
  ALL_KEYS,
  compareKeys,
  isBelow,
  type KeyRange,
  nextKey,
  prefixEnd,
  prefixOf,
  startsWith,
} from "./key_range.ts";
import type { MultiVersionStore, Unreadable } from "./multi_version_store.ts";
import type { Cursor, OrderedIndex } from "./ordered_index.ts";
import type { KeyValueRow } from "./record.ts";

/** Whether keys are read in rising or falling order. */
export type KeyOrder = "ascending" | "descending";

/** Keeps only keys whose revisions are within these bounds. An absent bound limits nothing. */
export interface RevisionFilter {
  /** The smallest modRevision. */
  readonly modRevisionMin?: number;
  /** The largest modRevision. */
  readonly modRevisionMax?: number;
  /** The smallest createRevision. */
  readonly createRevisionMin?: number;
  /** The largest createRevision. */
  readonly createRevisionMax?: number;
}

/** A range to read. */
export interface RangeQuery extends RevisionFilter {
  /** The keys to read. */
  readonly keys: KeyRange;
  /** The revision to read at. */
  readonly revision: LogIndex;
  /** Most items; absent means all. */
  readonly limit?: number;
  /** Begins after this key, or after the folder with this name, in the order of the query. */
  readonly after?: Uint8Array;
  /** Ascending, if absent. */
  readonly order?: KeyOrder;
  /** Returns rows without their values. */
  readonly keysOnly?: boolean;
  /** Returns no rows, only their number. */
  readonly countOnly?: boolean;
  /** Continues to count beyond the limit, so that {@linkcode RangeSlice.count} is of the whole range. */
  readonly countAll?: boolean;
  /**
   * Groups keys into folders. A key belongs to a folder when the delimiter is in it after the common prefix
   * of the range. The name of the folder is the key up to and including the first such delimiter.
   */
  readonly delimiter?: Uint8Array;
}

/** A key with its value, or a folder. */
export type RangeItem =
  /** A key. */
  | { readonly kind: "row"; readonly row: KeyValueRow }
  /** One or more keys that begin with this name, which ends in the delimiter. */
  | { readonly kind: "folder"; readonly name: Uint8Array };

/** How much one slice may read. */
export interface SliceLimits {
  /** Most keys that are read, including tombstones. */
  readonly keysMax: number;
  /** Most bytes of keys and values. A single larger item is still returned. */
  readonly bytesMax: number;
}

/** About 1,000 rows of 256 bytes: measured as 4 ms on a busy machine. */
const SLICE_LIMITS: SliceLimits = { keysMax: 2_000, bytesMax: 256 * 1024 };

/** The items that one turn of the loop reads. */
export interface RangeSlice {
  /** The tag. */
  readonly kind: "slice";
  /** The items, in order. */
  readonly items: readonly RangeItem[];
  /**
   * How many items there were so far, including earlier slices. At the end it is the number of the whole
   * range, if all are counted.
   */
  readonly count: number;
  /** Whether there is nothing more to read: the range has ended, or the limit is reached. */
  readonly isDone: boolean;
  /** Whether the range has more items than the limit. It is known once `isDone` is true. */
  readonly hasMore: boolean;
}

/**
 * The keys of a range at a revision, one by one. A scan may pause between two steps for any time: if the
 * index has changed meanwhile, it finds its place again by the last key.
 */
export class Scan {
  readonly #store: MultiVersionStore;
  readonly #index: OrderedIndex;
  readonly #revision: number;
  readonly #isDescending: boolean;
  readonly #keys: KeyRange;
  #cursor: Cursor;
  #changes: number;
  /** The bound where a paused scan continues: at or above it, or below it when descending. */
  #bound: Uint8Array | null;

  /**
   * Begins at the start of `keys`, or at their end. At the revision `Infinity` it looks at no deleted keys.
   */
  constructor(
    store: MultiVersionStore,
    { keys, revision, order = "ascending" }: {
      readonly keys: KeyRange;
      readonly revision: number;
      readonly order?: KeyOrder;
    },
  ) {
    this.#store = store;
    this.#index = revision === Infinity ? store.live : store.index;
    this.#revision = revision;
    this.#keys = keys;
    this.#isDescending = order === "descending";
    this.#bound = this.#isDescending ? keys.end : keys.start;
    this.#cursor = this.#find();
    this.#changes = this.#index.changes;
  }

  /** Whether there is a key at this place. */
  get isAtKey(): boolean {
    const { handle } = this.#cursor;
    if (handle === 0) return false;
    const { records } = this.#store;
    if (this.#isDescending) return records.compare(this.#keys.start, handle) <= 0;
    return this.#keys.end === null || records.compare(this.#keys.end, handle) > 0;
  }

  /** The key's version at the scan's revision; 0 when it did not exist then. */
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

  /** Skips every key that begins with `prefix`. The scan is at one of them. */
  skip(prefix: Uint8Array): void {
    if (this.#isDescending) this.#bound = prefix;
    else {
      const end = prefixEnd(prefix);
      // No key is above all keys with this prefix: the scan is at its end.
      this.#bound = end ?? this.#keys.end ?? ABOVE_ALL;
    }
    this.#cursor = this.#find();
  }

  /** Remembers the place. Called before a pause. */
  rest(): void {
    const { handle } = this.#cursor;
    if (handle === 0) return;
    this.#bound = this.#isDescending ? nextKey(this.key) : this.key.slice();
  }

  /** Finds the place again if the index has changed. Called after a pause. */
  resume(): void {
    if (this.#changes === this.#index.changes) return;
    this.#changes = this.#index.changes;
    this.#cursor = this.#find();
  }

  #find(): Cursor {
    return this.#isDescending
      ? this.#index.before(this.#bound)
      : this.#index.from(this.#bound ?? NO_BYTES);
  }
}

/** Reads one range in slices. */
export class RangeReader {
  readonly #store: MultiVersionStore;
  readonly #query: RangeQuery;
  readonly #limit: number;
  readonly #folderFrom: number;
  readonly #scan: Scan;
  /** How many items were found. Items beyond the limit are only counted. */
  #found = 0;

  /** Begins to read. The first slice says whether the revision can be read. */
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
   * @returns a refusal when the store has not reached the revision yet, or has forgotten it since.
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

  /** Reads one item beyond the limit, to know whether there are more. */
  get #isReading(): boolean {
    if (!this.#scan.isAtKey) return false;
    return this.#found <= this.#limit || this.#query.countAll === true;
  }

  get #count(): number {
    return this.#query.countAll === true ? this.#found : Math.min(this.#found, this.#limit);
  }

  /** Reads one key and moves on; null when the key is no item of the query. */
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

/** The beginning of a key up to its first delimiter at or after `from`; null if there is none. */
function folderOf(key: Uint8Array, from: number, delimiter: Uint8Array): Uint8Array | null {
  for (let at = from; at + delimiter.length <= key.length; at++) {
    const end = at + delimiter.length;
    if (startsWith(key.subarray(at, end), delimiter)) return key.slice(0, end);
  }
  return null;
}

/** The keys of a query that are left after the item that it begins after. */
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

/** The length of the prefix that all keys of a range share. The names of folders differ after it. */
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
/** A bound above every key: it is longer than the longest key, and all its bytes are the highest. */
const ABOVE_ALL = new Uint8Array(KEY_BYTES_MAX + 1).fill(0xff);
