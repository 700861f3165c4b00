/**
 * Watches: which watcher wants which changes, and which changes it has not received yet.
 *
 * A watcher is **live** or **behind**. When a change is made, the hub finds the live watchers of its key, and puts
 * the number of the change into their queues, which are short. A watcher is behind when it began in the past, or
 * did not take its events in time. It then has only its place in history, and reads from there until it has caught
 * up. So a slow watcher costs only a number. If history forgets its place, the watcher learns it.
 *
 * A watcher receives every change that it wants once, in order. The last of its events at a revision is marked. A
 * client may resume only after a marked event, on any node. So the events of one revision are never split.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import { inRange, type KeyRange } from "./key_range.ts";
import type { MultiVersionStore, Unreadable } from "./multi_version_store.ts";
import { RangeOwners } from "./range_owners.ts";
import type { ChangeKind, KeyValueRow } from "./record.ts";

/** Most watchers on one node. */
export const WATCHERS_MAX = 20_000;
/** Most changes that wait for a live watcher. With one more, it is behind. */
export const WATCH_QUEUE_MAX = 1_000;

/** The changes to watch. */
export interface WatchQuery {
  /** The keys to watch. */
  readonly keys: KeyRange;
  /** The first revision to watch, also in the future; absent means from now on. */
  readonly fromRevision?: number;
  /** Kinds of changes that are not wanted. */
  readonly without?: readonly ChangeKind[];
  /** Whether events contain the key before the change. */
  readonly isPreviousWanted?: boolean;
}

/** One change, as a watcher receives it. */
export interface WatchEvent {
  /** Whether it set or removed the key, and why. */
  readonly kind: ChangeKind;
  /** The log index of the write. */
  readonly revision: LogIndex;
  /** 1 to 1,024 bytes. */
  readonly key: Uint8Array;
  /** The key after a put; null for other kinds. */
  readonly row: KeyValueRow | null;
  /** The key before the change, if wanted; null when it did not exist. */
  readonly previous?: KeyValueRow | null;
  /** Whether it is the watcher's last event of its revision. A client may resume after it. */
  readonly isLastOfRevision: boolean;
}

/** The limits of one call of {@linkcode Watcher.take}. */
export interface TakeLimits {
  /** Most changes that a watcher reads while it is behind. */
  readonly changesMax: number;
  /** Most events. */
  readonly eventsMax: number;
  /** Most bytes. A single larger event is still returned. */
  readonly bytesMax: number;
}

/** Takes well below 10 ms. */
const TAKE_LIMITS: TakeLimits = {
  changesMax: 5_000,
  eventsMax: 1_000,
  bytesMax: 1024 * 1024,
};

/** The result of {@linkcode Watcher.take}. */
export type Taken =
  /** Events in order, possibly none, and whether there may already be more. */
  | {
    readonly kind: "events";
    readonly events: readonly WatchEvent[];
    readonly hasMore: boolean;
  }
  /**
   * History has forgotten changes that the watcher did not receive. The watch ends. A new watch can begin
   * from this revision on.
   */
  | { readonly kind: "compacted"; readonly oldestRevision: LogIndex }
  /** The node ended the watch. The client can resume after the last event, on this or another node. */
  | { readonly kind: "closed"; readonly reason: WatchEnd };

/** Why a node ends watches: a snapshot replaced its store, or the node stops. */
export type WatchEnd = "replaced" | "stopping";

/** The place of a watcher in history. */
export type WatchPlace =
  | { readonly kind: "live"; readonly queue: number[] }
  | { readonly kind: "behind"; sequence: number }
  | { readonly kind: "ended"; readonly reason: WatchEnd | null };

/** One watcher. Its hub keeps it until it ends. */
export class Watcher {
  /** The changes that it watches. */
  readonly query: WatchQuery;
  /** The first revision that it wants. */
  readonly fromRevision: number;
  /** Called when the first event arrives and none was waiting. */
  readonly onReady: () => void;
  /** Its place in history. Only the hub uses it. */
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

  /** Takes the next events, within the limits. */
  take(limits: TakeLimits = TAKE_LIMITS): Taken {
    return this.#hub.take(this, limits);
  }

  /**
   * The revision up to which the watcher has received everything. A client may resume after it. Null when
   * history has forgotten the next change; the next {@linkcode take} then says so.
   */
  progress(): LogIndex | null {
    return this.#hub.progressOf(this);
  }

  /** Ends the watch. */
  end(): void {
    this.#hub.end(this);
  }
}

/** The watchers of one store. */
export class WatchHub {
  readonly #keys: MultiVersionStore;
  readonly #watchers = new Set<Watcher>();
  readonly #live = new RangeOwners<Watcher>();
  /** Watchers with new events that {@linkcode publish} has not returned yet. */
  readonly #ready = new Set<Watcher>();
  /** The live watchers have received all changes before this one. */
  #sequence: number;
  #revision: LogIndex;

  /** A hub without watchers. */
  constructor(keys: MultiVersionStore) {
    this.#keys = keys;
    this.#sequence = keys.history.end;
    this.#revision = keys.revision;
  }

  /** How many watchers there are. */
  get count(): number {
    return this.#watchers.size;
  }

  /** Begins a watch. Refuses it when history has forgotten the revision, or there are too many watchers. */
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
   * Reads the changes since the last call, in whole revisions, until it has read `changesMax`.
   *
   * @returns the watchers that had no events before and have some now, and whether all changes were read.
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
    if (this.#isForgotten(watcher)) {
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
    if (this.#isForgotten(watcher)) return null;
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

  /** The next change that a watcher takes or reads; null when there is none. */
  #nextOf({ place }: Watcher): number | null {
    if (place.kind === "behind") return place.sequence < this.#sequence ? place.sequence : null;
    return place.kind === "live" ? place.queue[0] ?? null : null;
  }

  /**
   * Whether a watcher misses its next change. A live watcher has been given its changes: a compaction takes
   * none away, as long as they are in memory.
   */
  #isForgotten(watcher: Watcher): boolean {
    const { history, compactedRevision } = this.#keys;
    const next = this.#nextOf(watcher);
    if (next === null) return false;
    if (next < history.first) return true;
    return watcher.place.kind === "behind" && history.revision(next) <= compactedRevision;
  }

  #goLive(watcher: Watcher): void {
    watcher.place = { kind: "live", queue: [] };
    this.#live.add(watcher.query.keys, watcher);
  }

  /** Changes were forgotten before they were published. Live watchers missed them, and will be told. */
  #leaveBehind(): void {
    for (const watcher of this.#watchers) {
      if (watcher.place.kind !== "live") continue;
      // It begins after everything that was forgotten.
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
      assert(place.kind === "live", "the watcher is not live");
      if (place.queue.length === 0) this.#ready.add(watcher);
      place.queue.push(sequence);
      if (place.queue.length <= WATCH_QUEUE_MAX) continue;
      this.#live.remove(watcher.query.keys, watcher);
      watcher.place = { kind: "behind", sequence: place.queue[0] ?? sequence };
    }
  }

  /** Whether a watcher wants a change. The caller has checked that the key is in the range. */
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
      // The watcher does not want the rest of the revision, and misses nothing when history forgets it.
      if (isLast) place.sequence = this.#keys.history.afterRevisionOf(sequence);
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
