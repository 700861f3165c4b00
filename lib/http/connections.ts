/**
 * The API's connections: how many there may be, and how long one may be open without a request.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { Counters } from "../counters.ts";
import { Problem } from "./problem.ts";
import type { ServeConnection, ServedConnection } from "./deno_http.ts";
import { RouteCounts } from "./route_counts.ts";
import { type AnswerStream, streamOf } from "./streams.ts";

/** The limits of connections. The defaults are in this file. */
export interface ConnectionLimits {
  /** Most connections at once. */
  readonly connectionsMax?: number;
  /** How long a new connection may take until the head of its first request has arrived. */
  readonly silentMs?: number;
  /** How long a connection may stay without a running request, and its client may take to read an answer. */
  readonly idleMs?: number;
}

/** The settings of a server's connections. */
interface ConnectionsOptions extends ConnectionLimits {
  /** Serves one connection. */
  readonly serve: ServeConnection;
  /** Answers one request. */
  readonly answer: (request: Request) => Response | Promise<Response>;
  /** Counts the connections that were ended or refused. */
  readonly counters: ApiCounters;
  /** Called with the reason when a connection is ended to make room, or is refused. */
  readonly onCrowded?: (reason: string) => void;
}

/** The deadlines of a server's end. */
interface ClosingTimes {
  /** When this settles, open connections are cut off. */
  readonly cutOff: Promise<void>;
  /** When this settles, the server no longer waits for requests. */
  readonly giveUp: Promise<void>;
}

/** One connection. */
interface Place {
  readonly served: ServedConnection;
  /** Answers that are sent in parts. */
  readonly streams: Set<AnswerStream>;
  /** Requests that are not answered yet. */
  underWay: number;
  /** The time since when there are none, on the monotonic clock. */
  sinceMs: number;
}

/**
 * All connections of one server.
 *
 * When the limit is reached, a new connection replaces the oldest one that never sent a request. If all
 * have sent requests, it replaces the one that has been idle longest. So silent connections keep no client
 * out. A new connection is refused only when all others have a running request.
 *
 * TLS handshakes and heads of requests count as silence, however slowly their bytes arrive. Bodies have
 * their own deadline (`parameters.ts`), and so do requests. An answer counts as sent when it is given to
 * the runtime, so a client that does not read it in time is idle. An answer in parts (`streams.ts`) is
 * running until its end, and its client has a limited time to read each part. A client of HTTP/1.1 must
 * read one answer before it can ask again. Deno also serves HTTP/2 if the client begins with it, which
 * cannot be turned off: such a client can leave 200 answers unread.
 */
export class Connections {
  readonly #options: Required<ConnectionsOptions>;
  readonly #open = new Set<Place>();
  /** Connections that never sent a request, the oldest first. */
  readonly #silent = new Set<Place>();
  /** Connections without a running request, the longest idle first. */
  readonly #idle = new Set<Place>();
  /** Connections with an answer that is sent in parts. */
  readonly #streaming = new Set<Place>();
  /** The time of the last call of {@linkcode Connections.expire}. */
  #expiredMs: number | null = null;

  /** Begins without connections. */
  constructor(options: ConnectionsOptions) {
    this.#options = {
      connectionsMax: CONNECTIONS_MAX,
      silentMs: CONNECTION_SILENT_MS,
      idleMs: CONNECTION_IDLE_MS,
      onCrowded: () => {},
      ...options,
    };
  }

  /** How many connections there are. */
  get size(): number {
    return this.#open.size;
  }

  /** Takes over a connection that was accepted, or ends it. */
  add(connection: Deno.Conn): void {
    const { connectionsMax, counters, onCrowded } = this.#options;
    if (this.size >= connectionsMax) {
      onCrowded(`there are ${connectionsMax} connections, the most that this node takes`);
      if (!this.#makeRoom()) {
        counters.count("api.connection_refused");
        return connection.close();
      }
    }
    const place: Place = {
      served: this.#options.serve(connection, (request) => this.#answer(place, request)),
      streams: new Set(),
      underWay: 0,
      sinceMs: performance.now(),
    };
    this.#open.add(place);
    this.#silent.add(place);
    void place.served.finished.then(() => this.#forget(place));
  }

  /**
   * Ends the connections that were silent or idle for too long. It is called every second. If more time
   * passed between two calls, this process was paused, and read nothing of what its clients sent.
   */
  expire(nowMs: number): void {
    const { silentMs, idleMs } = this.#options;
    this.#forgivePause(nowMs);
    this.#expire(this.#silent, nowMs - silentMs);
    this.#expire(this.#idle, nowMs - idleMs);
    for (const place of this.#streaming) {
      if (![...place.streams].some((stream) => stream.isStalled(nowMs))) continue;
      this.#options.counters.count("api.connection_expired");
      this.#end(place);
    }
  }

  #forgivePause(nowMs: number): void {
    const pausedMs = nowMs - (this.#expiredMs ?? nowMs);
    this.#expiredMs = nowMs;
    if (pausedMs < PAUSE_MS) return;
    for (const place of [...this.#silent, ...this.#idle]) {
      place.sinceMs = Math.min(nowMs, place.sinceMs + pausedMs);
    }
    for (const { streams } of this.#streaming) {
      for (const stream of streams) stream.forgive(pausedMs, nowMs);
    }
  }

  /**
   * Lets the running requests finish until `cutOff`, and then ends the connections that are left. Resolves
   * when no request is running, or at `giveUp`, because a request can hang without a connection.
   */
  async close({ cutOff, giveUp }: ClosingTimes): Promise<void> {
    const places = [...this.#open];
    for (const { served, streams } of places) {
      served.shutdown();
      for (const stream of streams) stream.stop();
    }
    const finished = Promise.all(places.map(({ served }) => served.finished));
    await Promise.race([finished, cutOff]);
    for (const { served } of places) served.cancel();
    await Promise.race([finished, giveUp]);
  }

  async #answer(place: Place, request: Request): Promise<Response> {
    place.underWay += 1;
    this.#silent.delete(place);
    this.#idle.delete(place);
    // Deno treats what follows a CONNECT as the next request, even the client's body. A proxy that treats it
    // as a tunnel would let requests pass that it has not seen.
    if (request.method === "CONNECT") place.served.shutdown();
    try {
      return await this.#options.answer(request);
    } finally {
      const stream = streamOf(request);
      if (stream === undefined) this.#answered(place);
      else void this.#sendStream(place, stream);
    }
  }

  /** A request is running while its answer is still being sent. */
  async #sendStream(place: Place, stream: AnswerStream): Promise<void> {
    place.streams.add(stream);
    this.#streaming.add(place);
    await stream.finished;
    place.streams.delete(stream);
    if (place.streams.size === 0) this.#streaming.delete(place);
    this.#answered(place);
  }

  #answered(place: Place): void {
    place.underWay -= 1;
    if (place.underWay > 0 || !this.#open.has(place)) return;
    place.sinceMs = performance.now();
    this.#idle.add(place);
  }

  #makeRoom(): boolean {
    const [oldest] = this.#silent.size > 0 ? this.#silent : this.#idle;
    if (oldest === undefined) return false;
    this.#options.counters.count("api.connection_evicted");
    this.#end(oldest);
    return true;
  }

  #expire(places: ReadonlySet<Place>, sinceMs: number): void {
    for (const place of places) {
      if (place.sinceMs > sinceMs) return;
      this.#options.counters.count("api.connection_expired");
      this.#end(place);
    }
  }

  #end(place: Place): void {
    this.#forget(place);
    place.served.cancel();
  }

  #forget(place: Place): void {
    this.#open.delete(place);
    this.#silent.delete(place);
    this.#idle.delete(place);
    this.#streaming.delete(place);
  }
}

/** Most bytes that a request may declare as its body, on any path. */
export const REQUEST_BYTES_MAX = 1.5 * 1024 * 1024;
/**
 * Most connections to the API at once. Each can hold a request's head in memory, and one descriptor, or
 * three with HTTPS (see `tls.ts`).
 */
export const CONNECTIONS_MAX = 1_024;
/** How long a new connection may take until the head of its first request has arrived. */
export const CONNECTION_SILENT_MS = 10_000;
/** A process that has not checked its connections for this long was paused. */
const PAUSE_MS = 3_000;
/** How long a connection may be kept without a request, or take to read an answer. */
export const CONNECTION_IDLE_MS = 60_000;
/**
 * Most bytes in the head of a request. It is Deno's own limit and cannot be changed. Tests check it, and
 * the next one.
 */
export const HEADER_BYTES_MAX = 64 * 1024;
/** Most fields in the head of a request. It is Deno's own limit. */
export const HEADERS_MAX = 128;
/** Most bytes in a change of the members: {@linkcode REQUESTED_MEMBERS_MAX} cards. */
export const MEMBERS_BODY_BYTES_MAX = 128 * 1024;
/** Most bytes in the description of a token. */
export const TOKEN_BODY_BYTES_MAX = 128 * 1024;
/** Most bytes in a transaction: a command of the largest size, with its bytes as base64. */
export const TRANSACTION_BODY_BYTES_MAX = 2 * 1024 * 1024;
/** Most ranges that are sent at once. Ranges that fit into one part do not count. */
export const RANGES_ACTIVE_MAX = 256;
/** Most watches at once. */
export const WATCHES_MAX = 10_000;
/** Most streams of events at once. Each open page has one. */
export const EVENT_STREAMS_MAX = 32;
/** How long a client may take to read one part of a range, or of a stream of events. */
export const STREAM_STALLED_MS = 60_000;
/** How long a client may take to read one part of a watch. It is long, because a client may be paused. */
export const WATCH_STALLED_MS = 15 * 60_000;
/** How often a watch sends its progress when nothing changes. */
export const WATCH_PROGRESS_MS = 10_000;
/** Leases on one page when the client does not say. */
export const LEASES_LIMIT_DEFAULT = 100;
/** Most requests to the key-value store that run at once. */
export const REQUESTS_ACTIVE_MAX = 4096;
/** Most bytes of request bodies that are in memory, or can still arrive, at once. */
export const BODY_BYTES_ACTIVE_MAX = 64 * 1024 * 1024;
/** How long a body may take to arrive. */
export const BODY_TIMEOUT_MS = 10_000;
/** How long the node tries to complete a request when the client does not say. */
export const REQUEST_TIMEOUT_MS_DEFAULT = 5_000;
/** Elections on one page when the client does not say. */
export const ELECTIONS_LIMIT_DEFAULT = 50;

/**
 * Counts the running requests and the bytes of their bodies, and refuses requests above the limits. There
 * is no queue: a client that must try again later costs no memory in the meantime.
 */
export class RequestGate {
  readonly #requestsMax: number;
  readonly #bodyBytesMax: number;
  #requests = 0;
  #bodyBytes = 0;

  /** The limits are {@linkcode REQUESTS_ACTIVE_MAX} and {@linkcode BODY_BYTES_ACTIVE_MAX}, or less. */
  constructor(
    options: { readonly requestsMax?: number; readonly bodyBytesMax?: number } = {},
  ) {
    this.#requestsMax = options.requestsMax ?? REQUESTS_ACTIVE_MAX;
    this.#bodyBytesMax = options.bodyBytesMax ?? BODY_BYTES_ACTIVE_MAX;
  }

  /**
   * Admits one request with a body of at most `bodyBytes`. Each call is paired with one call of
   * {@linkcode leave}.
   *
   * @throws {Problem} `overloaded`.
   */
  enter(bodyBytes: number): void {
    if (this.#requests >= this.#requestsMax) {
      throw new Problem(
        "overloaded",
        `Cannot take the request: ${this.#requests} are under way, the most this node takes`,
      );
    }
    if (this.#bodyBytes + bodyBytes > this.#bodyBytesMax) {
      throw new Problem(
        "overloaded",
        `Cannot take the request: its ${bodyBytes} bytes on top of ${this.#bodyBytes} under way ` +
          `are above ${this.#bodyBytesMax}`,
      );
    }
    this.#requests += 1;
    this.#bodyBytes += bodyBytes;
  }

  /** Ends a request that was admitted with the same `bodyBytes`. */
  leave(bodyBytes: number): void {
    this.#requests -= 1;
    this.#bodyBytes -= bodyBytes;
    assert(this.#requests >= 0, "no request leaves the gate twice");
    assert(this.#bodyBytes >= 0, "no request returns more bytes than it took");
  }
}

/**
 * Answers a request inside a gate.
 *
 * @throws {Problem} `overloaded`, or whatever `answer` throws.
 */
export async function throughGate(
  gate: RequestGate,
  bodyBytes: number,
  answer: () => Promise<Response>,
): Promise<Response> {
  gate.enter(bodyBytes);
  try {
    return await answer();
  } finally {
    gate.leave(bodyBytes);
  }
}

/** The counters of the API. They count from the start of the server. */
export const API_COUNTERS = [
  /** Requests without a known token. */
  "api.unauthorized",
  /** Requests with a token that does not allow them. */
  "api.forbidden",
  /** Requests of pages of other origins, or with a name that is not this API's. */
  "api.origin_refused",
  /** Connections refused because all others had a running request. */
  "api.connection_refused",
  /** Connections without a running request that were ended to make room for another. */
  "api.connection_evicted",
  /** Connections that were silent or slow for too long. */
  "api.connection_expired",
  /** How often no connection could be accepted, for example because there was no free descriptor. */
  "api.accept_failed",
] as const;

/** The API's counts. */
export class ApiCounters extends Counters<typeof API_COUNTERS[number]> {
  /** Requests by method, route and status. */
  readonly byRoute: RouteCounts = new RouteCounts();

  constructor() {
    super(API_COUNTERS);
  }
}
