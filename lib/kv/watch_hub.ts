/**
 * Watches: who wants to know of which changes, and what they have not been given yet.
 *
 * A watcher is **live** or **behind**. The changes that live ones want are found by their keys as
 * the changes come, and wait for them in a short queue of numbers. A watcher that is behind,
 * because it began in the past or did not take what waited, has nothing but its place in history,
 * and reads on from there until it has caught up. So a slow watcher costs a place, and if history
 * forgets the place, the watcher learns it.
 *
 * Every change that a watcher wants comes once, in order. The last of its events at a revision is
 * marked: only behind a marked event may a client resume, so events of one revision are never split
 * by a resume, whatever node it resumes on.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import { inRange, type KeyRange } from "./key_range.ts";
import type { MultiVersionStore, Unreadable } from "./multi_version_store.ts";
import { RangeOwners } from "./range_owners.ts";
import type { ChangeKind, KeyValueRow } from "./record.ts";

/** Most watchers of one node. */
export const WATCHERS_MAX = 20_000;
/** Most changes that wait for a live watcher; with one more it is behind. */
export const WATCH_QUEUE_MAX = 1_000;

/** What is to be watched. */
export interface WatchQuery {
  /** From its start, up to its end and without it. */
  readonly keys: KeyRange;
  /** The first revision whose changes are wanted, perhaps one to come; absent: from now on. */
  readonly fromRevision?: number;
  /** Kinds of changes that are not wanted. */
  readonly without?: readonly ChangeKind[];
  /** Whether events have the value before. */
  readonly isPreviousWanted?: boolean;
}

/** One change. */
export interface WatchEvent {
  /** What it did. */
  readonly kind: ChangeKind;
  /** The log index of the write. */
  readonly revision: LogIndex;
  /** 1 to 1,024 bytes. */
  readonly key: Uint8Array;
  /** The key as it is after a put, else null. */
  readonly row: KeyValueRow | null;
  /** The key as it was before, if that was wanted: null if it was not there. */
  readonly previous?: KeyValueRow | null;
  /** Whether it is the watcher's last event of its revision: a client may resume behind it. */
  readonly isLastOfRevision: boolean;
}

/** How much one taking may be. */
export interface TakeLimits {
  /** Most changes that a watcher behind looks at. */
  readonly changesMax: number;
  /** Most events. */
  readonly eventsMax: number;
  /** Most bytes; one event comes even if it has more. */
  readonly bytesMax: number;
}

/** Fits well below 10 ms. */
const TAKE_LIMITS: TakeLimits = {
  changesMax: 5_000,
  eventsMax: 1_000,
  bytesMax: 1024 * 1024,
};

/** What a watcher gets. */
export type Taken =
  /** Events in order, perhaps none; and whether there may be more already. */
  | {
    readonly kind: "events";
    readonly events: readonly WatchEvent[];
    readonly hasMore: boolean;
  }
  /**
   * History has forgotten changes that the watcher did not get. It ends; it may begin anew from
   * this revision on.
   */
  | { readonly kind: "compacted"; readonly oldestRevision: LogIndex }
  /** The node ends the watch: it may be begun anew behind what came, here or at another node. */
  | { readonly kind: "closed"; readonly reason: WatchEnd };

/** Why a node ends watches: a snapshot took the place of its store, or it stops. */
export type WatchEnd = "replaced" | "stopping";

/** Where a watcher stands: see the module. */
export type WatchPlace =
  | { readonly kind: "live"; readonly queue: number[] }
  | { readonly kind: "behind"; sequence: number }
  | { readonly kind: "ended"; readonly reason: WatchEnd | null };

/** One watcher, which its hub knows until it ends. */
export class Watcher {
  /** What it watches. */
  readonly query: WatchQuery;
  /** Changes below are not wanted. */
  readonly fromRevision: number;
  /** To be called when something came for it for which nothing waited. */
  readonly onReady: () => void;
  /** Where it stands; for its hub. */
  place: WatchPlace = { kind: "ended", reason: null };
  readonly #hub: WatchHub;

  /** Use {@linkcode WatchHub.watch}. */
  constructor(
    { hub, query, fromRevision, onReady }: {
      readonly hub: WatchHub;
      readonly query: WatchQuery;
      readonly fromRevision: number;
      readonly onReady: () => void;
    },
  ) {
    this.onReady = onReady;
    this.#hub = hub;
    this.query = query;
    this.fromRevision = fromRevision;
  }

  /** The next events, at most so many. */
  take(limits: TakeLimits = TAKE_LIMITS): Taken {
    return this.#hub.take(this, limits);
  }

  /**
   * The revision up to which the watcher has been given everything: a client may resume behind it.
   * Null when history has forgotten what comes next: the next {@linkcode take} says so.
   */
  progress(): LogIndex | null {
    return this.#hub.progressOf(this);
  }

  /** Ends the watch. */
  end(): void {
    this.#hub.end(this);
  }
}

/** See the module. One a store. */
export class WatchHub {
  readonly #keys: MultiVersionStore;
  readonly #watchers = new Set<Watcher>();
  readonly #live = new RangeOwners<Watcher>();
  /** Those for whom something waits that nobody has been told of. */
  readonly #ready = new Set<Watcher>();
  /** Changes before this one were looked at for the live watchers. */
  #sequence: number;
  #revision: LogIndex;

  /** Nobody watches yet. */
  constructor(keys: MultiVersionStore) {
    this.#keys = keys;
    this.#sequence = keys.history.end;
    this.#revision = keys.revision;
  }

  /** How many watchers there are. */
  get count(): number {
    return this.#watchers.size;
  }

  /** Begins a watch; refused if history does not go back so far, or there are too many watchers. */
  watch(
    query: WatchQuery,
    onReady: () => void = () => {},
  ): Watcher | Extract<Unreadable, { kind: "compacted" }> | { readonly kind: "tooMany" } {
    if (this.#watchers.size >= WATCHERS_MAX) return { kind: "tooMany" };
    const { fromRevision = this.#keys.revision + 1 } = query;
    if (fromRevision <= this.#keys.compactedRevision) return this.#compacted();
    if (this.#sequence < this.#keys.history.first) this.#leaveBehind();
    const watcher = new Watcher({ hub: this, query, fromRevision, onReady });
    this.#watchers.add(watcher);
    const sequence = this.#keys.history.from(fromRevision);
    if (sequence >= this.#sequence) this.#goLive(watcher);
    else watcher.place = { kind: "behind", sequence };
    return watcher;
  }

  /**
   * Looks at the changes that came since the last time, in whole revisions, until so many were
   * looked at.
   *
   * @returns the watchers for whom something waits that nothing waited for before, and whether
   * there is more.
   */
  publish(changesMax = 5_000): { readonly ready: readonly Watcher[]; readonly isDone: boolean } {
    const { history } = this.#keys;
    if (this.#sequence < history.first) this.#leaveBehind();
    let end = Math.min(this.#sequence + changesMax, history.end);
    if (end > this.#sequence) end = history.afterRevisionOf(end - 1);
    while (this.#sequence < end) this.#offer(this.#sequence++);
    const isDone = this.#sequence === history.end;
    if (isDone) this.#revision = this.#keys.revision;
    else this.#revision = toLogIndex(history.revision(this.#sequence) - 1);
    const ready = [...this.#ready];
    this.#ready.clear();
    return { ready, isDone };
  }

  /** For {@linkcode Watcher.take}. */
  take(watcher: Watcher, limits: TakeLimits): Taken {
    const next = this.#nextOf(watcher);
    if (next !== null && this.#isForgotten(next)) {
      this.end(watcher);
      return this.#compacted();
    }
    const { place } = watcher;
    switch (place.kind) {
      case "live":
        return this.#takeLive(watcher, { queue: place.queue, limits });
      case "behind":
        return this.#takeBehind(watcher, { place, limits });
      case "ended":
        if (place.reason !== null) return { kind: "closed", reason: place.reason };
        return { kind: "events", events: [], hasMore: false };
      default:
        return place satisfies never;
    }
  }

  /** For {@linkcode Watcher.progress}. */
  progressOf(watcher: Watcher): LogIndex | null {
    const next = this.#nextOf(watcher);
    if (next !== null && this.#isForgotten(next)) return null;
    const known = next === null ? this.#revision : this.#revisionOf(next) - 1;
    return toLogIndex(Math.max(known, watcher.fromRevision - 1));
  }

  /** For {@linkcode Watcher.end}. */
  end(watcher: Watcher): void {
    if (watcher.place.kind === "live") this.#live.remove(watcher.query.keys, watcher);
    watcher.place = { kind: "ended", reason: null };
    this.#ready.delete(watcher);
    this.#watchers.delete(watcher);
  }

  /** Ends every watch; each watcher learns why at its next {@linkcode Watcher.take}. */
  close(reason: WatchEnd): void {
    for (const watcher of this.#watchers) {
      this.end(watcher);
      watcher.place = { kind: "ended", reason };
      watcher.onReady();
    }
  }

  /** The first change that waits for a watcher or that it has yet to look at; null: none does. */
  #nextOf({ place }: Watcher): number | null {
    if (place.kind === "behind") return place.sequence < this.#sequence ? place.sequence : null;
    return place.kind === "live" ? place.queue[0] ?? null : null;
  }

  #isForgotten(sequence: number): boolean {
    const { history, compactedRevision } = this.#keys;
    return sequence < history.first || history.revision(sequence) <= compactedRevision;
  }

  #goLive(watcher: Watcher): void {
    watcher.place = { kind: "live", queue: [] };
    this.#live.add(watcher.query.keys, watcher);
  }

  /** History was forgotten before it was published: live watchers have a gap, and will learn it. */
  #leaveBehind(): void {
    for (const watcher of this.#watchers) {
      if (watcher.place.kind !== "live") continue;
      // It began after all that was forgotten.
      if (watcher.fromRevision > this.#keys.compactedRevision) continue;
      this.#live.remove(watcher.query.keys, watcher);
      watcher.place = { kind: "behind", sequence: watcher.place.queue[0] ?? this.#sequence };
      this.#ready.add(watcher);
    }
    this.#sequence = this.#keys.history.first;
  }

  #offer(sequence: number): void {
    for (const watcher of this.#live.of(this.#keys.records.key(this.#handle(sequence)))) {
      if (!this.#isWanted(watcher, sequence)) continue;
      const { place } = watcher;
      assert(place.kind === "live", "Only live watchers are offered changes");
      if (place.queue.length === 0) this.#ready.add(watcher);
      place.queue.push(sequence);
      if (place.queue.length <= WATCH_QUEUE_MAX) continue;
      this.#live.remove(watcher.query.keys, watcher);
      watcher.place = { kind: "behind", sequence: place.queue[0] ?? sequence };
    }
  }

  /** Whether a watcher wants a change; that its key is in the range is looked at by the caller. */
  #isWanted({ query, fromRevision }: Watcher, sequence: number): boolean {
    if (this.#keys.history.revision(sequence) < fromRevision) return false;
    if (query.without === undefined) return true;
    return !query.without.includes(this.#keys.records.kind(this.#handle(sequence)));
  }

  #isMatch(watcher: Watcher, sequence: number): boolean {
    return inRange(watcher.query.keys, this.#keys.records.key(this.#handle(sequence))) &&
      this.#isWanted(watcher, sequence);
  }

  #takeLive(
    watcher: Watcher,
    { queue, limits }: { readonly queue: number[]; readonly limits: TakeLimits },
  ): Taken {
    const events: WatchEvent[] = [];
    let bytes = 0;
    while (events.length < queue.length) {
      if (events.length >= limits.eventsMax || bytes >= limits.bytesMax) break;
      const sequence = queue[events.length] ?? 0;
      const next = queue[events.length + 1];
      const isLast = next === undefined || this.#revisionOf(next) !== this.#revisionOf(sequence);
      const event = this.#toEvent(watcher, { sequence, isLast });
      events.push(event);
      bytes += sizeOf(event);
    }
    queue.splice(0, events.length);
    return { kind: "events", events, hasMore: queue.length > 0 };
  }

  #takeBehind(
    watcher: Watcher,
    { place, limits }: {
      readonly place: Extract<WatchPlace, { kind: "behind" }>;
      readonly limits: TakeLimits;
    },
  ): Taken {
    const events: WatchEvent[] = [];
    let bytes = 0;
    for (let looked = 0; place.sequence < this.#sequence; looked++) {
      const isFull = events.length >= limits.eventsMax || bytes >= limits.bytesMax;
      if (isFull || looked >= limits.changesMax) return { kind: "events", events, hasMore: true };
      const sequence = place.sequence++;
      if (!this.#isMatch(watcher, sequence)) continue;
      const isLast = !this.#hasMoreInRevision(watcher, sequence);
      const event = this.#toEvent(watcher, { sequence, isLast });
      events.push(event);
      bytes += sizeOf(event);
    }
    this.#goLive(watcher);
    return { kind: "events", events, hasMore: false };
  }

  #hasMoreInRevision(watcher: Watcher, sequence: number): boolean {
    const { history } = this.#keys;
    const revision = this.#revisionOf(sequence);
    for (let next = sequence + 1; next < history.end; next++) {
      if (this.#revisionOf(next) !== revision) return false;
      if (this.#isMatch(watcher, next)) return true;
    }
    return false;
  }

  #toEvent(
    { query }: Watcher,
    { sequence, isLast }: { readonly sequence: number; readonly isLast: boolean },
  ): WatchEvent {
    const { records } = this.#keys;
    const handle = this.#handle(sequence);
    const previous = records.previous(handle);
    const hasPrevious = previous !== 0 && records.isLive(previous);
    const row = records.isLive(handle) ? records.copy(handle) : null;
    return {
      kind: records.kind(handle),
      revision: toLogIndex(this.#revisionOf(sequence)),
      key: row?.key ?? records.key(handle).slice(),
      row,
      ...(query.isPreviousWanted === true
        ? { previous: hasPrevious ? records.copy(previous) : null }
        : {}),
      isLastOfRevision: isLast,
    };
  }

  #handle(sequence: number): number {
    return this.#keys.history.handle(sequence);
  }

  #revisionOf(sequence: number): number {
    return this.#keys.history.revision(sequence);
  }

  #compacted(): Extract<Unreadable, { kind: "compacted" }> {
    const oldestRevision = toLogIndex(this.#keys.compactedRevision + 1);
    return { kind: "compacted", oldestRevision };
  }
}

function sizeOf({ key, row, previous }: WatchEvent): number {
  return key.length + (row?.value.length ?? 0) + (previous?.value.length ?? 0);
}
