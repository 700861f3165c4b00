/**
 * `GET /v1/watch`: changes as Server-Sent Events.
 *
 * An event without a name has the changes of one revision, and its `id` is that revision. A client that
 * sends this id again, to any node, continues after it. A revision of more than a mebibyte is sent in
 * several events, and only the last one has the `id`. `start` and `progress` have an `id` too: everything
 * up to it was sent. `problem` ends a watch, and says why.
 *
 * A watch that is not read in time keeps only one part of the answer, and its place in history. If history
 * forgets that place, the watch ends with a `problem`.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import type { ChangeKind, KeyRange, Taken, Watcher, WatchEvent, WatchQuery } from "../kv/mod.ts";
import type { NodeApi } from "../node/mod.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import {
  EVENTS_MEDIA_TYPE,
  keyFields,
  keyValueBody,
  type WatchChangeBody,
  type WatchEventBody,
  type WatchProgressBody,
  type WatchStartBody,
} from "../wire/mod.ts";
import type { Caller } from "./authorization.ts";
import { WATCH_PROGRESS_MS, WATCH_STALLED_MS } from "./connections.ts";
import type { ParameterName } from "./operation_parameters.ts";
import {
  KEY_PARAMETERS,
  type Query,
  readFlag,
  readKeys,
  readQuery,
  readRevision,
  readTimeoutMs,
} from "./parameters.ts";
import { jsonResponse, NO_STORE, Problem, problemOf } from "./problem.ts";
import { addRoute, needs, type RequestContext, type Router } from "./route.ts";
import { type PartSource, type StreamGate, streamResponse, turn } from "./streams.ts";
import { unreadable } from "./writes.ts";

/** The settings of the routes of watches. */
interface WatchOptions {
  /** The node, which has the changes. */
  readonly node: NodeApi;
  /** Limits the number of watches. */
  readonly watches: StreamGate;
  /** How often a watch sends its progress; `WATCH_PROGRESS_MS` by default. */
  readonly watchProgressMs?: number;
}

/** The watches of this node by their ids, which only their clients know. */
type OpenWatches = Map<string, { readonly source: WatchSource; readonly caller: Caller }>;

/** Adds `/v1/watch` and `/v1/watch/{id}/progress`. */
export function addWatchRoutes(router: Router, options: WatchOptions): void {
  const open: OpenWatches = new Map();
  addRoute(router, "/v1/watch", {
    GET: needs("read", (context, caller) => {
      const query = readQuery(context.req.url, WATCH_PARAMETERS);
      const keys = readKeys(context.req.url, query);
      router.authorizer.admitKeys(caller, keys);
      const admit = () => {
        router.authorizer.admitKeys(router.authorizer.admit(context.req.raw, "read"), keys);
      };
      return watch({ ...options, open, admit }, { caller, query, keys }, context);
    }),
  });
  addRoute(router, "/v1/watch/:id/progress", {
    POST: needs("read", (context, caller) => askForProgress(options.node, open, caller, context)),
  });
}

/** What a watch can be asked for. */
export const WATCH_PARAMETERS = [
  ...KEY_PARAMETERS,
  "fromRevision",
  "prev",
  "only",
  "timeoutMs",
] as const satisfies readonly ParameterName[];

const CHANGE_KINDS = ["put", "delete", "expire"] as const satisfies readonly ChangeKind[];

async function watch(
  { node, watches, watchProgressMs, open, admit }: WatchOptions & {
    readonly open: OpenWatches;
    readonly admit: () => void;
  },
  { caller, query, keys }: {
    readonly caller: Caller;
    readonly query: Query;
    readonly keys: KeyRange;
  },
  { req }: RequestContext,
): Promise<Response> {
  const asked = readResume(req.raw.headers) ?? readRevision(query, "fromRevision");
  if (asked === 0) {
    throw new Problem("invalid_parameter", "Cannot watch from revision 0: 1 is first");
  }
  const without = readWithout(query);
  const isPreviousWanted = readFlag(query, "prev");
  const timeoutMs = readTimeoutMs(query);
  const leave = watches.enter();
  try {
    // "From now on" means after everything that was acknowledged before the request.
    const fromRevision = asked ?? await revisionOf(node, timeoutMs) + 1;
    const source = new WatchSource({
      fromRevision,
      intervalMs: watchProgressMs ?? WATCH_PROGRESS_MS,
      admit,
      onEnd: () => {
        open.delete(source.id);
        leave();
      },
    });
    source.begin(node, { keys, fromRevision, without, isPreviousWanted });
    const headers = { "content-type": EVENTS_MEDIA_TYPE, "x-accel-buffering": "no", ...NO_STORE };
    if (req.raw.method === "HEAD") {
      source.end();
      return new Response(null, { headers });
    }
    open.set(source.id, { source, caller });
    return streamResponse(req.raw, source, headers);
  } catch (error) {
    leave();
    throw error;
  }
}

async function revisionOf(node: NodeApi, timeoutMs: number): Promise<LogIndex> {
  return (await node.view({ consistency: "linearizable", timeoutMs })).revision;
}

const EVENT_ID_PATTERN = /^(0|[1-9][0-9]{0,15})$/;

/** The revision after the one in `Last-Event-ID`, or null. @throws {Problem} `invalid_header`. */
function readResume(headers: Headers): number | null {
  const id = headers.get("last-event-id");
  if (id === null) return null;
  const revision = EVENT_ID_PATTERN.test(id) ? Number(id) + 1 : NaN;
  if (Number.isSafeInteger(revision)) return revision;
  throw new Problem("invalid_header", `Cannot read Last-Event-ID: ${JSON.stringify(id)}`);
}

/** The kinds of changes that are not wanted: all except those in `only`. */
function readWithout({ only }: Query): readonly ChangeKind[] {
  if (only === undefined) return [];
  const wanted = only.split(",");
  const unknown = wanted.find((kind) => !CHANGE_KINDS.some((known) => known === kind));
  if (unknown === undefined) return CHANGE_KINDS.filter((kind) => !wanted.includes(kind));
  throw new Problem(
    "invalid_parameter",
    `Cannot read only: ${JSON.stringify(unknown)} is none of ${CHANGE_KINDS.join(", ")}`,
  );
}

async function askForProgress(
  node: NodeApi,
  open: OpenWatches,
  caller: Caller,
  { req }: RequestContext,
): Promise<Response> {
  const timeoutMs = readTimeoutMs(readQuery(req.url, ["timeoutMs"]));
  const id = req.param("id") ?? "";
  const found = open.get(id);
  // A token does not see the watches of other tokens.
  if (found === undefined || found.caller.id !== caller.id) {
    throw new Problem("watch_not_found", "This node has no such watch");
  }
  const revision = await revisionOf(node, timeoutMs);
  found.source.wantProgress(revision);
  return jsonResponse({ revision } satisfies WatchProgressBody);
}

/** Most bytes that are taken from the store at once. */
const PART_BYTES_MAX = 256 * 1024;
/** Most bytes of keys and values in one event. A larger revision is sent in several events. */
const EVENT_BYTES_MAX = 1024 * 1024;
const TAKE_LIMITS = { changesMax: 5_000, eventsMax: 1_000, bytesMax: PART_BYTES_MAX };
/** How often a watch is checked while its client has asked for progress. */
const WANTED_PROGRESS_MS = 10;
/** How soon an `EventSource` connects again. */
const RETRY_MS = 250;

/** The settings of one watch. */
interface SourceOptions {
  /** The first revision whose changes are sent. */
  readonly fromRevision: number;
  /** How often it sends its progress, and how often it calls `admit`. */
  readonly intervalMs: number;
  /** Throws when its client no longer has the right to watch. */
  readonly admit: () => void;
  /** Called once, at its end. */
  readonly onEnd: () => void;
}

class WatchSource implements PartSource {
  /** Its id at this node, which is sent only to its client. */
  readonly id: string = crypto.getRandomValues(new Uint8Array(16)).toHex();
  readonly stalledMsMax = WATCH_STALLED_MS;
  readonly #options: SourceOptions;
  #watcher: Watcher | null = null;
  #wake = Promise.withResolvers<void>();
  #hasStarted = false;
  #isStopped = false;
  #isOver = false;
  #progressDueMs: number;
  #admitDueMs: number;
  #wanted: LogIndex | null = null;

  constructor(options: SourceOptions) {
    this.#options = options;
    this.#progressDueMs = this.#admitDueMs = performance.now() + options.intervalMs;
  }

  /** Begins. @throws {Problem} `compacted` or `too_many_watches`. */
  begin(node: NodeApi, query: WatchQuery): void {
    const watcher = node.watch(query, () => this.#wake.resolve());
    if (!("kind" in watcher)) {
      this.#watcher = watcher;
      return;
    }
    if (watcher.kind === "compacted") throw unreadable(watcher);
    throw new Problem(
      "too_many_watches",
      "Cannot watch: this node already has the most watches that it takes",
    );
  }

  /** Sends a `progress` event as soon as everything up to `revision` was sent. */
  wantProgress(revision: LogIndex): void {
    this.#wanted = toLogIndex(Math.max(revision, this.#wanted ?? 0));
    this.#wake.resolve();
  }

  stop(): void {
    this.#isStopped = true;
    this.#wake.resolve();
  }

  end(): void {
    this.#watcher?.end();
    this.#wake.resolve();
    this.#options.onEnd();
  }

  async next(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#isOver || this.#watcher === null) return null;
    if (!this.#hasStarted) return this.#start();
    while (true) {
      this.#wake = Promise.withResolvers<void>();
      // Checked before events are taken: a watch that always has events must not outlive its token.
      const refused = this.#dueRefusal();
      if (refused !== "") return encodeUtf8(refused);
      const { text, hasMore } = this.#take(this.#watcher);
      if (text !== "") return encodeUtf8(text);
      await (hasMore ? turn() : this.#rest());
    }
  }

  #start(): Uint8Array<ArrayBuffer> {
    this.#hasStarted = true;
    const revision = this.#options.fromRevision - 1;
    const body: WatchStartBody = { watch: this.id, revision };
    return encodeUtf8(`retry: ${RETRY_MS}\n${eventText({ event: "start", id: revision, body })}`);
  }

  /** The text to send now, which can be empty, and whether there is more to read. */
  #take(watcher: Watcher): { readonly text: string; readonly hasMore: boolean } {
    const events: WatchEvent[] = [];
    let bytes = 0;
    let taken: Taken;
    do {
      taken = watcher.take(TAKE_LIMITS);
      if (taken.kind !== "events") {
        return { text: changesText(events) + this.#endedBy(taken), hasMore: false };
      }
      for (const event of taken.events) bytes += sizeOf(event);
      events.push(...taken.events);
    } while (taken.hasMore && isCut(events) && bytes < EVENT_BYTES_MAX);
    const { hasMore } = taken;
    if (events.length > 0) return { text: changesText(events), hasMore };
    const text = this.#isStopped ? this.#fail(stopping()) : this.#dueProgress(watcher);
    return { text, hasMore };
  }

  /** The end of a watch whose token was revoked or has expired; null until the next check is due. */
  #dueRefusal(): string {
    const nowMs = performance.now();
    if (nowMs < this.#admitDueMs) return "";
    this.#admitDueMs = nowMs + this.#options.intervalMs;
    try {
      this.#options.admit();
      return "";
    } catch (error) {
      return this.#fail(error);
    }
  }

  #dueProgress(watcher: Watcher): string {
    const revision = watcher.progress();
    const isDue = performance.now() >= this.#progressDueMs;
    const isWanted = this.#wanted !== null && (revision ?? 0) >= this.#wanted;
    if (revision === null || !(isDue || isWanted)) return "";
    this.#progressDueMs = performance.now() + this.#options.intervalMs;
    if (isWanted) this.#wanted = null;
    const body: WatchProgressBody = { revision };
    return eventText({ event: "progress", id: revision, body });
  }

  #endedBy(taken: Exclude<Taken, { kind: "events" }>): string {
    if (taken.kind === "compacted") return this.#fail(unreadable(taken));
    return this.#fail(
      taken.reason === "stopping"
        ? stopping()
        : new Problem("watch_ended", "A snapshot took the place of this node's data: watch anew"),
    );
  }

  #fail(error: unknown): string {
    this.#isOver = true;
    return eventText({ event: "problem", body: problemOf(error, { isWrite: false }).body });
  }

  /** Waits until there are changes, or until progress or a check of the token is due. */
  async #rest(): Promise<void> {
    const dueMs = Math.min(this.#progressDueMs, this.#admitDueMs) - performance.now();
    const waitMs = this.#wanted === null ? Math.max(0, dueMs) : WANTED_PROGRESS_MS;
    const timer = setTimeout(() => this.#wake.resolve(), waitMs);
    await this.#wake.promise;
    clearTimeout(timer);
  }
}

function stopping(): Problem {
  return new Problem("stopping", "The node is stopping");
}

/** Whether the last event's revision has more events. */
function isCut(events: readonly WatchEvent[]): boolean {
  return events.at(-1)?.isLastOfRevision === false;
}

/** One event for each revision. If more events of a revision follow, it has no `id`: no client resumes there. */
function changesText(events: readonly WatchEvent[]): string {
  let text = "";
  let group: WatchEventBody[] = [];
  for (const [at, event] of events.entries()) {
    group.push(eventBody(event));
    const isLast = event.isLastOfRevision;
    if (!isLast && at < events.length - 1) continue;
    const { revision } = event;
    const body: WatchChangeBody = { revision, events: group, more: !isLast };
    text += eventText(isLast ? { id: revision, body } : { body });
    group = [];
  }
  return text;
}

function eventBody({ kind, key, row, previous }: WatchEvent): WatchEventBody {
  const before = previous === undefined
    ? {}
    : { previous: previous === null ? null : keyValueBody(previous) };
  if (row === null) return { type: kind, ...keyFields(key), ...before };
  const { modRevision: _revision, ...rest } = keyValueBody(row);
  return { type: kind, ...rest, ...before };
}

/** The body is one line of data, because JSON has no line breaks. */
function eventText(
  { event, id, body }: { readonly event?: string; readonly id?: number; readonly body: object },
): string {
  const name = event === undefined ? "" : `event: ${event}\n`;
  const place = id === undefined ? "" : `id: ${id}\n`;
  return `${name}${place}data: ${JSON.stringify(body)}\n\n`;
}

function sizeOf({ key, row, previous }: WatchEvent): number {
  return key.length + (row?.value.length ?? 0) + (previous?.value.length ?? 0);
}
