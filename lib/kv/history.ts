/**
 * What changed at which revision: a queue of changes, oldest first, each with the version that it made. The
 * version before it has the old value. Changes beyond the limits are forgotten, oldest first.
 *
 * @module
 */

import { assert } from "../assert.ts";

/** How much history is kept at most. */
export interface HistoryLimits {
  /** Most changes. */
  readonly changesMax: number;
  /** Most bytes of values that only history keeps. */
  readonly bytesMax: number;
  /** Most ticks that a change is kept, exact to one {@linkcode AGE_STEPS}th; null means no limit. */
  readonly ageTicksMax: number | null;
}

/** The default limits: more changes and bytes than the log has. History is in memory, so it is bounded. */
export const HISTORY_LIMITS: HistoryLimits = {
  changesMax: 100_000,
  bytesMax: 32 * 1024 * 1024,
  ageTicksMax: null,
};

/** The age of changes is measured in this many steps. */
const AGE_STEPS = 32;

const CAPACITY_START = 1024;

/**
 * Handles by rising revision, oldest first. Each has a sequence number. These count up without gaps, unlike
 * revisions, and a number is never used again.
 */
export class RevisionQueue {
  #revisions = new Float64Array(CAPACITY_START);
  #handles = new Uint32Array(CAPACITY_START);
  #first = 0;
  #end = 0;

  /** Sequence number of the oldest change. */
  get first(): number {
    return this.#first;
  }

  /** Sequence number of the next change. */
  get end(): number {
    return this.#end;
  }

  /** How many changes there are. */
  get count(): number {
    return this.#end - this.#first;
  }

  /** Adds the newest change. Revisions never fall. */
  push(revision: number, handle: number): void {
    if (this.count === this.#handles.length) this.#grow();
    assert(this.count === 0 || this.revision(this.#end - 1) <= revision, "Revisions never fall");
    const at = this.#end & (this.#handles.length - 1);
    this.#revisions[at] = revision;
    this.#handles[at] = handle;
    this.#end++;
  }

  /** Removes the newest change and returns its handle. */
  pop(): number {
    assert(this.count > 0, "there is no change to remove");
    this.#end--;
    return this.#handles[this.#end & (this.#handles.length - 1)] ?? 0;
  }

  /** Forgets the oldest change. */
  shift(): number {
    const handle = this.handle(this.#first);
    this.#first++;
    return handle;
  }

  /** Revision of a change. @throws {InvariantError} when it is not there. */
  revision(sequence: number): number {
    return this.#revisions[this.#at(sequence)] ?? 0;
  }

  /** The version that a change made. @throws {InvariantError} when it is not there. */
  handle(sequence: number): number {
    return this.#handles[this.#at(sequence)] ?? 0;
  }

  /** Sets the version that a change made, while the history is loaded. */
  setHandle(sequence: number, handle: number): void {
    this.#handles[this.#at(sequence)] = handle;
  }

  /** The first change at or above a revision; {@linkcode end} when there is none. */
  from(revision: number): number {
    let low = this.#first;
    let high = this.#end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.revision(middle) < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The first change after all those of the same revision as `sequence`. */
  afterRevisionOf(sequence: number): number {
    const revision = this.revision(sequence);
    let next = sequence + 1;
    while (next < this.#end && this.revision(next) === revision) next++;
    return next;
  }

  #at(sequence: number): number {
    assert(sequence >= this.#first && sequence < this.#end, `change ${sequence} does not exist`);
    return sequence & (this.#handles.length - 1);
  }

  #grow(): void {
    const revisions = new Float64Array(this.#handles.length * 2);
    const handles = new Uint32Array(this.#handles.length * 2);
    for (let sequence = this.#first; sequence < this.#end; sequence++) {
      const at = sequence & (handles.length - 1);
      revisions[at] = this.revision(sequence);
      handles[at] = this.handle(sequence);
    }
    this.#revisions = revisions;
    this.#handles = handles;
  }
}

/** Counts ticks, and says which revisions are too old. */
export class HistoryAge {
  readonly #ticksMax: number;
  readonly #stepTicks: number;
  /** The store's revision at some ticks, by rising tick. */
  readonly #marks: { readonly tick: number; readonly revision: number }[] = [];
  #tick = 0;

  /** Changes become too old after `ticksMax` ticks. */
  constructor(ticksMax: number) {
    this.#ticksMax = ticksMax;
    this.#stepTicks = Math.max(1, Math.floor(ticksMax / AGE_STEPS));
  }

  /**
   * Counts a tick. `revision` is the store's at this tick.
   *
   * @returns the last revision that is too old; null when there is none, or when it has not changed.
   */
  tick(revision: number): number | null {
    this.#tick++;
    if (this.#tick % this.#stepTicks === 0) this.#marks.push({ tick: this.#tick, revision });
    const [oldest] = this.#marks;
    if (oldest === undefined || this.#tick - oldest.tick < this.#ticksMax) return null;
    this.#marks.shift();
    return oldest.revision;
  }
}
