/**
 * etcd's service Watch: many watches on one stream.
 *
 * A stream keeps the answer that it is sending or collecting and, for each watch, its place in history. It
 * collects for one watch at a time. A slow client costs no more memory than that. If history forgets the place of a watch, the watch ends with an error.
 *
 * @module
 */

import {
  type ChangeKind,
  compareKeys,
  type KeyRange,
  type Taken,
  type Watcher,
  type WatchEvent,
} from "../kv/mod.ts";
import type { NodeApi } from "../node/mod.ts";
import { admitRead, type Call, turn } from "./call.ts";
import type { ClusterIdentity } from "./cluster_identity.ts";
import { EtcdError, refuse, toEtcdError } from "./errors.ts";
import type { Event, WatchCreateRequest, WatchRequest, WatchResponse } from "./messages.ts";
import { toKeyRange, toKeyValue } from "./ranges.ts";

/** How often a watch that wants progress gets it. */
const PROGRESS_MS = 10_000;
/** How often the token of a stream is checked again. */
const ADMIT_MS = 10_000;
/** How soon a request for progress is tried again, while events are still to be sent. */
const ASKED_PROGRESS_MS = 10;
/** How long a stream that requires a leader continues without one. */
const LEADERLESS_MS = 3_000;
/** Most watches on one stream. */
const WATCHES_MAX = 10_000;
/** When this many answers wait to be sent, no further request is read. */
const CONTROL_MAX = 64;
/** A larger answer is sent in fragments, if the client has asked for fragments. */
const FRAGMENT_BYTES = 1.5 * 1024 * 1024;
/** If the events of one revision have more bytes, they are sent in parts, to every client. */
const EVENTS_BYTES_MAX = 16 * 1024 * 1024;
/** The watch id that means no watch, or all watches. */
const NO_WATCH = -1;

interface OpenWatch {
  readonly id: number;
  readonly keys: KeyRange;
  readonly watcher: Watcher;
  readonly wantsProgress: boolean;
  readonly takesFragments: boolean;
  /** Events of a revision that is not complete yet. */
  readonly events: WatchEvent[];
  bytes: number;
  progressDueMs: number;
}

/** etcd's service Watch. */
export class WatchService {
  readonly #node: NodeApi;
  readonly #identity: ClusterIdentity;

  /** Watches the store of `node`. */
  constructor(node: NodeApi, identity: ClusterIdentity) {
    this.#node = node;
    this.#identity = identity;
  }

  /** Answers a stream of requests until the client leaves. */
  async *watch(
    requests: AsyncIterable<WatchRequest>,
    call: Call,
  ): AsyncGenerator<WatchResponse, void> {
    const stream = new WatchStream({ node: this.#node, identity: this.#identity, call });
    try {
      yield* stream.run(requests);
    } finally {
      stream.end();
    }
  }
}

class WatchStream {
  readonly #node: NodeApi;
  readonly #identity: ClusterIdentity;
  readonly #call: Call;
  readonly #watches = new Map<number, OpenWatch>();
  /** The watch whose revision is not whole yet. The others wait, so that only one has events in memory. */
  #collecting: OpenWatch | null = null;
  /** Watches that may have something to send. */
  readonly #ready = new Set<OpenWatch>();
  readonly #control: WatchResponse[] = [];
  #wake = Promise.withResolvers<void>();
  #drained = Promise.withResolvers<void>();
  /** The store's revision when progress was requested; null when no request is open. */
  #askedRevision: number | null = null;
  #nextId = 0;
  #failure: unknown = null;
  #isOver = false;
  #admitDueMs = performance.now() + ADMIT_MS;
  #leaderSeenMs = performance.now();

  constructor(
    { node, identity, call }: {
      readonly node: NodeApi;
      readonly identity: ClusterIdentity;
      readonly call: Call;
    },
  ) {
    this.#node = node;
    this.#identity = identity;
    this.#call = call;
  }

  async *run(requests: AsyncIterable<WatchRequest>): AsyncGenerator<WatchResponse, void> {
    const { signal } = this.#call;
    const onAbort = () => this.#wake.resolve();
    signal.addEventListener("abort", onAbort, { once: true });
    void this.#receive(requests);
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers<void>();
      // Before events are taken: a stream that always has some must not outlive its token.
      this.#checkRights();
      const answer = this.#control.shift() ?? this.#nextEvents() ?? this.#dueProgress();
      if (answer !== null) {
        if (this.#control.length < CONTROL_MAX) this.#drained.resolve();
        yield answer;
        continue;
      }
      if (this.#failure !== null) throw this.#failure;
      this.#checkLeader();
      await (this.#ready.size > 0 ? turn() : this.#rest());
    }
    signal.removeEventListener("abort", onAbort);
  }

  end(): void {
    this.#isOver = true;
    this.#drained.resolve();
    for (const { watcher } of this.#watches.values()) watcher.end();
    this.#watches.clear();
  }

  async #receive(requests: AsyncIterable<WatchRequest>): Promise<void> {
    try {
      for await (const request of requests) {
        await this.#handle(request);
        this.#wake.resolve();
        if (this.#control.length >= CONTROL_MAX) {
          this.#drained = Promise.withResolvers<void>();
          await this.#drained.promise;
        }
        if (this.#isOver) return;
      }
    } catch (error) {
      this.#failure = error;
      this.#wake.resolve();
    }
  }

  async #handle({ create_request, cancel_request, progress_request }: WatchRequest): Promise<void> {
    // Only this call awaits. The rest happens in one turn of the loop, so that no change comes in between.
    const { revision } = await this.#node.view({ consistency: "stale", timeoutMs: 0 });
    if (this.#isOver) return;
    if (create_request !== undefined) this.#create(create_request, revision);
    else if (cancel_request !== undefined) this.#cancel(cancel_request.watch_id, revision);
    else if (progress_request !== undefined) this.#askedRevision = revision;
  }

  #create(request: WatchCreateRequest, revision: number): void {
    try {
      this.#begin(request, revision);
    } catch (error) {
      this.#control.push({
        header: this.#identity.header(revision),
        watch_id: NO_WATCH,
        created: true,
        canceled: true,
        cancel_reason: reasonOf(error),
      });
    }
  }

  #begin(request: WatchCreateRequest, revision: number): void {
    const keys = toWatchedKeys(request);
    if (request.start_revision < 0) throw refuse("compacted");
    admitRead(this.#call, keys);
    if (this.#watches.size >= WATCHES_MAX) throw refuse("tooManyRequests");
    const id = this.#chooseId(request.watch_id);
    const query = {
      keys,
      fromRevision: request.start_revision === 0 ? revision + 1 : request.start_revision,
      without: withoutOf(request),
      isPreviousWanted: request.prev_kv,
    };
    const watcher = this.#node.watch(query, () => this.#isReady(id));
    if ("kind" in watcher && watcher.kind === "tooMany") throw refuse("tooManyRequests");
    const header = this.#identity.header(revision);
    this.#control.push({ header, watch_id: id, created: true });
    if ("kind" in watcher) {
      this.#control.push({
        header,
        watch_id: id,
        canceled: true,
        compact_revision: watcher.oldestRevision,
      });
      return;
    }
    const watch: OpenWatch = {
      id,
      keys,
      watcher,
      wantsProgress: request.progress_notify,
      takesFragments: request.fragment,
      events: [],
      bytes: 0,
      progressDueMs: performance.now() + PROGRESS_MS,
    };
    this.#watches.set(id, watch);
    this.#ready.add(watch);
  }

  #chooseId(wanted: number): number {
    if (wanted === 0) {
      while (this.#watches.has(this.#nextId)) this.#nextId++;
      return this.#nextId++;
    }
    if (!this.#watches.has(wanted)) return wanted;
    throw new EtcdError("unknown", "mvcc: duplicate watch ID provided on the WatchStream");
  }

  #cancel(id: number, revision: number): void {
    if (!this.#remove(id)) return;
    const header = this.#identity.header(revision);
    this.#control.push({ header, watch_id: id, canceled: true });
  }

  #remove(id: number): boolean {
    const watch = this.#watches.get(id);
    if (watch === undefined) return false;
    watch.watcher.end();
    this.#ready.delete(watch);
    watch.events.length = 0;
    if (this.#collecting === watch) this.#collecting = null;
    return this.#watches.delete(id);
  }

  #isReady(id: number): void {
    const watch = this.#watches.get(id);
    if (watch !== undefined) this.#ready.add(watch);
    this.#wake.resolve();
  }

  /** The events of the next watch that has some. The watches take turns. */
  #nextEvents(): WatchResponse | null {
    for (const watch of this.#collecting === null ? [...this.#ready] : [this.#collecting]) {
      this.#ready.delete(watch);
      const answer = this.#take(watch);
      this.#collecting = watch.events.length > 0 ? watch : null;
      if (answer !== null || this.#collecting !== null) return answer;
    }
    return null;
  }

  #take(watch: OpenWatch): WatchResponse | null {
    const taken = watch.watcher.take();
    if (taken.kind !== "events") return this.#ended(watch, taken);
    watch.events.push(...taken.events);
    for (const event of taken.events) watch.bytes += sizeOf(event);
    if (taken.hasMore) this.#ready.add(watch);
    const last = watch.events.at(-1);
    if (last === undefined) return null;
    const bytesMax = watch.takesFragments ? FRAGMENT_BYTES : EVENTS_BYTES_MAX;
    // A client resumes after the last revision that it has seen, so it must receive a whole revision at once.
    if (!last.isLastOfRevision && watch.bytes < bytesMax) return null;
    const events = watch.events.splice(0).map(toEvent);
    watch.bytes = 0;
    const isCut = !last.isLastOfRevision;
    // A client that does not expect fragments may resume after the revision in the header.
    const revision = isCut && !watch.takesFragments ? last.revision - 1 : last.revision;
    return {
      header: this.#identity.header(revision),
      watch_id: watch.id,
      events,
      fragment: isCut,
    };
  }

  /** The end of a watch that cannot continue. When a stream breaks, its client resumes on a new one. */
  #ended({ id }: OpenWatch, taken: Exclude<Taken, { kind: "events" }>): WatchResponse {
    this.#remove(id);
    if (taken.kind === "closed") throw refuse("stopped");
    const header = this.#identity.header(taken.oldestRevision - 1);
    return { header, watch_id: id, canceled: true, compact_revision: taken.oldestRevision };
  }

  #dueProgress(): WatchResponse | null {
    const asked = this.#askedProgress();
    if (asked !== null) return asked;
    const nowMs = performance.now();
    for (const watch of this.#watches.values()) {
      if (!watch.wantsProgress || nowMs < watch.progressDueMs) continue;
      watch.progressDueMs = nowMs + PROGRESS_MS;
      const revision = watch.watcher.progress();
      if (revision === null) continue;
      return { header: this.#identity.header(revision), watch_id: watch.id };
    }
    return null;
  }

  /** One answer for all watches, once each has received everything up to the requested revision. */
  #askedProgress(): WatchResponse | null {
    const asked = this.#askedRevision;
    if (asked === null) return null;
    if (this.#watches.size === 0) {
      this.#askedRevision = null;
      return null;
    }
    for (const { watcher } of this.#watches.values()) {
      if ((watcher.progress() ?? 0) < asked) return null;
    }
    this.#askedRevision = null;
    return { header: this.#identity.header(asked), watch_id: NO_WATCH };
  }

  /** Checks now and then that the client still has the rights to its watches. @throws {EtcdError} */
  #checkRights(): void {
    const nowMs = performance.now();
    if (nowMs < this.#admitDueMs) return;
    this.#admitDueMs = nowMs + ADMIT_MS;
    for (const { keys } of this.#watches.values()) admitRead(this.#call, keys);
  }

  /** Checks that there is a leader, if the client needs one. @throws {EtcdError} */
  #checkLeader(): void {
    const nowMs = performance.now();
    if (this.#node.leader().leader !== null) this.#leaderSeenMs = nowMs;
    else if (this.#call.requiresLeader && nowMs - this.#leaderSeenMs > LEADERLESS_MS) {
      throw refuse("noLeader");
    }
  }

  /** Waits until there is something to do. */
  async #rest(): Promise<void> {
    const waitMs = this.#askedRevision !== null
      ? ASKED_PROGRESS_MS
      : this.#call.requiresLeader
      ? LEADERLESS_MS / 3
      : PROGRESS_MS;
    const dueMs = Math.max(0, this.#admitDueMs - performance.now());
    const timer = setTimeout(() => this.#wake.resolve(), Math.min(waitMs, dueMs));
    await this.#wake.promise;
    clearTimeout(timer);
  }
}

/** An empty key means the smallest key. @throws {EtcdError} when the range is empty. */
function toWatchedKeys({ key, range_end }: WatchCreateRequest): KeyRange {
  const start = key.length === 0 ? Uint8Array.of(0) : key;
  const keys = toKeyRange(start, range_end);
  if (keys.end !== null && compareKeys(start, keys.end) >= 0) {
    throw new EtcdError("unknown", "mvcc: watcher range is empty");
  }
  return keys;
}

function withoutOf({ filters }: WatchCreateRequest): readonly ChangeKind[] {
  return [
    ...(filters.includes("NOPUT") ? ["put"] as const : []),
    ...(filters.includes("NODELETE") ? ["delete", "expire"] as const : []),
  ];
}

function toEvent({ key, row, revision, previous }: WatchEvent): Event {
  return {
    type: row === null ? "DELETE" : "PUT",
    kv: row === null ? { key, mod_revision: revision } : toKeyValue(row),
    ...(previous ? { prev_kv: toKeyValue(previous) } : {}),
  };
}

function sizeOf({ key, row, previous }: WatchEvent): number {
  return key.length + (row?.value.length ?? 0) + (previous?.value.length ?? 0);
}

/** The reason in etcd's form: with the code for errors of gRPC, without it for errors of its store. */
function reasonOf(error: unknown): string {
  const { code, message } = toEtcdError(error);
  if (code === "unknown" || code === "outOfRange") return message;
  const name = code.charAt(0).toUpperCase() + code.slice(1);
  return `rpc error: code = ${name} desc = ${message}`;
}
