/**
 * The log in memory (Raft §5.3). The store mirrors it; `durability.ts` tracks which part is durable.
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";
import { type LogIndex, lowest, plus, type Term } from "../types.ts";
import { type Entry, LOG_START, type LogPosition, type Snapshot } from "./entry.ts";

/** How many entries a log or a message may hold. */
export interface EntryLimits {
  /** Most entries. */
  readonly entriesMax: number;
  /** Most bytes of payload. */
  readonly bytesMax: number;
}

const UNLIMITED: EntryLimits = { entriesMax: Infinity, bytesMax: Infinity };

/** Entries with consecutive indexes after `base`. Their terms never fall. */
export class Log {
  #base: LogPosition;
  #entries: Entry[] = [];
  #bytes = 0;

  /** A log that continues after `base` with `entries`. */
  constructor(entries: readonly Entry[], base: LogPosition = LOG_START) {
    this.#base = base;
    for (const entry of entries) this.append(entry);
  }

  /** The last entry's place, or the base of an empty log. */
  get last(): LogPosition {
    return this.#entries.at(-1) ?? this.#base;
  }

  /** The place before the first entry that is kept. */
  get base(): LogPosition {
    return this.#base;
  }

  /** How many entries are kept. */
  get length(): number {
    return this.#entries.length;
  }

  /** How many bytes of payload are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The entry at `index`, or null when the log does not keep one there. */
  entryAt(index: LogIndex): Entry | null {
    return this.#entries[index - this.#base.index - 1] ?? null;
  }

  /** The term at `index`, or null when the log does not know it. */
  termAt(index: LogIndex): Term | null {
    return index === this.#base.index ? this.#base.term : this.entryAt(index)?.term ?? null;
  }

  /** Adds the next entry. */
  append(entry: Entry): void {
    assert(entry.index === this.last.index + 1, `Log must not skip to index ${entry.index}`);
    assert(entry.term >= this.last.term, `Log terms must not fall to ${entry.term}`);
    this.#entries.push(entry);
    this.#bytes += entry.data.length;
  }

  /** Removes the entry at `index` and all after it. */
  truncateFrom(index: LogIndex): void {
    assert(index > this.#base.index && index <= this.last.index, `Cannot truncate at ${index}`);
    const removed = this.#entries.splice(index - this.#base.index - 1);
    this.#bytes -= payloadBytes(removed);
  }

  /** Forgets the entries up to and including `index`: a snapshot holds their effects. */
  compactTo(index: LogIndex): void {
    const term = assertDefined(this.termAt(index), `Cannot compact to ${index}: not in the log`);
    const removed = this.#entries.splice(0, index - this.#base.index);
    this.#bytes -= payloadBytes(removed);
    this.#base = { index, term };
  }

  /** Forgets everything and begins anew after `position`. */
  reset(position: LogPosition): void {
    this.#base = position;
    this.#entries = [];
    this.#bytes = 0;
  }

  /** The lowest base with which the remaining log is within the limits. */
  baseToKeep(limits: EntryLimits): LogIndex {
    let bytes = 0;
    let kept = 0;
    while (kept < Math.min(this.#entries.length, limits.entriesMax)) {
      bytes += this.#entries[this.#entries.length - 1 - kept]?.data.length ?? 0;
      if (bytes > limits.bytesMax) break;
      kept++;
    }
    return plus(this.last.index, -kept);
  }

  /**
   * The entries from `from` up to `through`, within the limits if given; at least one entry where there
   * is one.
   */
  slice(from: LogIndex, through: LogIndex, limits: EntryLimits = UNLIMITED): readonly Entry[] {
    assert(from > this.#base.index, `Log no longer keeps index ${from}`);
    const start = from - this.#base.index - 1;
    const available = Math.min(through - this.#base.index, this.#entries.length);
    const stopBefore = Math.min(available, start + limits.entriesMax);
    let stop = start;
    for (let bytes = 0; stop < stopBefore; stop++) {
      bytes += assertDefined(this.#entries[stop], "Log has no holes").data.length;
      if (bytes > limits.bytesMax && stop > start) break;
    }
    return this.#entries.slice(start, stop);
  }

  /** Raft §5.4.1: whether a log that ends at `other` is at least as up to date as this one. */
  isUpToDate(other: LogPosition): boolean {
    const last = this.last;
    return other.term > last.term || (other.term === last.term && other.index >= last.index);
  }

  /**
   * The highest place at or below `index` whose term is at most `term`: the first at which this
   * log can match one that has `term` at `index` (Raft §5.3, the conflict-term optimisation).
   */
  highestPossibleMatch(index: LogIndex, term: Term): LogPosition {
    let candidate = lowest(index, this.last.index);
    while (candidate > this.#base.index && (this.termAt(candidate) ?? term) > term) {
      candidate = plus(candidate, -1);
    }
    return { index: candidate, term: this.termAt(candidate) ?? this.#base.term };
  }
}

function payloadBytes(entries: readonly Entry[]): number {
  return entries.reduce((sum, { data }) => sum + data.length, 0);
}

/** This node's own snapshot: at most one that is ready, and at most one being made. */
export class OwnSnapshot {
  #latest: Snapshot | null = null;
  #makingFromIndex: LogIndex | null = null;
  #retryTick = 0;

  /** The newest snapshot that a log with this base can continue, or null. */
  usableFrom(baseIndex: LogIndex): Snapshot | null {
    return this.#latest !== null && this.#latest.index >= baseIndex ? this.#latest : null;
  }

  /** Whether one may be made now: not while another is being made, nor just after a failure. */
  mayBeMade(nowTick: number): boolean {
    return this.#makingFromIndex === null && nowTick >= this.#retryTick;
  }

  /** One is being made; it includes at least all entries up to `index`. */
  making(index: LogIndex): void {
    this.#makingFromIndex = index;
  }

  /** It was made. */
  made(snapshot: Snapshot): void {
    this.#makingFromIndex = null;
    this.#latest = snapshot;
  }

  /** It could not be made. The next attempt is at `retryTick` or later. */
  failed(retryTick: number): void {
    this.#makingFromIndex = null;
    this.#retryTick = retryTick;
  }

  /** The lowest index that the one being made can have; null when none is being made. */
  get makingFromIndex(): LogIndex | null {
    return this.#makingFromIndex;
  }
}
