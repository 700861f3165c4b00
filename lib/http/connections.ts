/**
 * The API's connections: how many there may be, and how long one may be there for nothing.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { Counters } from "../counters.ts";
import { Problem } from "./problem.ts";
import type { ServeConnection, ServedConnection } from "./server.ts";
import { type AnswerStream, streamOf } from "./streams.ts";

/** What connections are allowed; by default what `connections.ts` says. */
export interface ConnectionLimits {
  /** Most connections at once. */
  readonly connectionsMax?: number;
  /** How long a new connection may take until its first request's head is here. */
  readonly silentMs?: number;
  /** How long a connection may stay without a request under way, and an answer be on its way. */
  readonly idleMs?: number;
}

/** What serves the connections. */
interface ConnectionsOptions extends ConnectionLimits {
  /** Serves one connection. */
  readonly serve: ServeConnection;
  /** Answers one request. */
  readonly answer: (request: Request) => Response | Promise<Response>;
  /** Where it is counted when a connection has to go. */
  readonly counters: ApiCounters;
  /** Called when one has to make room, or finds none, with the reason. */
  readonly onCrowded?: (reason: string) => void;
}

/** Until when the end of a server is waited for. */
interface ClosingTimes {
  /** Settles when connections are cut off. */
  readonly cutOff: Promise<void>;
  /** Settles when nothing is waited for any more. */
  readonly giveUp: Promise<void>;
}

/** One connection. */
interface Place {
  readonly served: ServedConnection;
  /** Answers that are written little by little. */
  readonly streams: Set<AnswerStream>;
  /** Requests that are not answered yet. */
  underWay: number;
  /** Since when there are none, on the monotonic clock. */
  sinceMs: number;
}

/**
 * All connections of one server.
 *
 * When there are as many as may be, the one goes that has been there longest without ever asking
 * anything, or, if all have asked, the one that has been idle longest: silent connections shut no client
 * out. Only where all have a request under way is a new one refused.
 *
 * TLS handshakes and heads of requests count as silence however their bytes trickle in. Bodies have a
 * deadline of their own (`parameters.ts`), and so have the requests. An answer counts as sent when it
 * is handed over: a client that does not read it in time is idle. An answer that is written little by little
 * (`streams.ts`) is under way until its end, and its client may take only so long to read one part of it.
 * A client of HTTP/1.1 has one answer to read before it can ask again. Deno also speaks HTTP/2 with a
 * client that begins with it, and cannot be told not to: such a client can leave 200 answers unread.
 */
export class Connections {
  readonly #options: Required<ConnectionsOptions>;
  readonly #open = new Set<Place>();
  /** Those that never asked, the oldest first. */
  readonly #silent = new Set<Place>();
  /** Those that have asked and wait for nothing, the longest idle first. */
  readonly #idle = new Set<Place>();
  /** Those with an answer that is written little by little. */
  readonly #streaming = new Set<Place>();
  /** When {@linkcode Connections.expire} was called last. */
  #expiredMs: number | null = null;

  /** `options` are used as they are. */
  constructor(options: ConnectionsOptions) {
    this.#options = {
      connectionsMax: CONNECTIONS_MAX,
      silentMs: CONNECTION_SILENT_MS,
      idleMs: CONNECTION_IDLE_MS,
      onCrowded: () => {},
      ...options,
    };
  }

  /** How many there are. */
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
   * Ends the connections that have been there for nothing too long. To be called every second: a longer time
   * between two calls is one in which this process stood still, and read nothing of what its clients sent.
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
   * Lets the requests under way finish until `cutOff`, ends the connections that are left then, and
   * settles when no request goes on any more, or at `giveUp`: a request may hang without a connection.
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
    // Deno takes what follows a CONNECT for the next request, even what the client sends as its body. A
    // proxy that takes it for a tunnel would let requests pass that it has not seen.
    if (request.method === "CONNECT") place.served.shutdown();
    try {
      return await this.#options.answer(request);
    } finally {
      const stream = streamOf(request);
      if (stream === undefined) this.#answered(place);
      else void this.#sendStream(place, stream);
    }
  }

  /** A request whose answer is still being written is under way. */
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
 * Most connections to the API at once. Each may hold a request's head in memory, and a descriptor, or
 * three with HTTPS (see `tls.ts`).
 */
export const CONNECTIONS_MAX = 1_024;
/** How long a new connection may take until the head of its first request is here. */
export const CONNECTION_SILENT_MS = 10_000;
/** A process that has not looked at its connections for so long stood still. */
const PAUSE_MS = 3_000;
/** How long a connection may be kept without a request, or take to read an answer. */
export const CONNECTION_IDLE_MS = 60_000;
/**
 * Most bytes in the head of a request. Deno's own limit, which cannot be changed; tests check
 * it, and the next one.
 */
export const HEADER_BYTES_MAX = 64 * 1024;
/** Most fields in the head of a request; Deno's own limit. */
export const HEADERS_MAX = 128;
/** Most bytes in a change of the members: {@linkcode REQUESTED_MEMBERS_MAX} cards. */
export const MEMBERS_BODY_BYTES_MAX = 128 * 1024;
/** Most bytes in the description of a token. */
export const TOKEN_BODY_BYTES_MAX = 128 * 1024;
/** Most bytes in a transaction: a command of the largest size, with its bytes as base64. */
export const TRANSACTION_BODY_BYTES_MAX = 2 * 1024 * 1024;
/** Most ranges that are being sent at once, of those that do not fit into one part. */
export const RANGES_ACTIVE_MAX = 256;
/** Most watches at once. */
export const WATCHES_MAX = 10_000;
/** Most streams of events at once, one for each page that somebody looks at. */
export const EVENT_STREAMS_MAX = 32;
/** How long a client may take to read one part of a range, or of a stream of events. */
export const STREAM_STALLED_MS = 60_000;
/** How long a client may take to read one part of a watch: it may be stopped for a while. */
export const WATCH_STALLED_MS = 15 * 60_000;
/** How often a watch says how far it is when nothing happens. */
export const WATCH_PROGRESS_MS = 10_000;
/** Leases on one page when the client does not say. */
export const LEASES_LIMIT_DEFAULT = 100;
/** Most requests to the key-value store that are under way at once. */
export const REQUESTS_ACTIVE_MAX = 4096;
/** Most bytes of request bodies that are held, or may still arrive, at once. */
export const BODY_BYTES_ACTIVE_MAX = 64 * 1024 * 1024;
/** How long a body may take to arrive. */
export const BODY_TIMEOUT_MS = 10_000;
/** How long the node tries to complete a request when the client does not say. */
export const REQUEST_TIMEOUT_MS_DEFAULT = 5_000;
/** Elections on one page when the client does not say. */
export const ELECTIONS_LIMIT_DEFAULT = 50;

/**
 * Counts the requests under way, and the bytes of their bodies, and refuses what is too much.
 * Nothing queues here: a client that is told to come back later costs no memory meanwhile.
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
   * Lets one request in with a body of at most `bodyBytes`. Each call is paired with one of
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

  /** Ends a request that was let in with the same `bodyBytes`. */
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

/** What is counted, from the server's start. */
export const API_COUNTERS = [
  /** Requests without a token that is known here. */
  "api.unauthorized",
  /** Requests with a token that does not allow them. */
  "api.forbidden",
  /** Requests of pages of other origins, or under a name that is not this API's. */
  "api.origin_refused",
  /** Connections refused because each of those there were had a request under way. */
  "api.connection_refused",
  /** Connections without a request under way that made room for another. */
  "api.connection_evicted",
  /** Connections that were silent, or slow, for too long. */
  "api.connection_expired",
  /** Times that no connection could be accepted, as for want of a descriptor. */
  "api.accept_failed",
] as const;

/** The API's counts. */
export class ApiCounters extends Counters<typeof API_COUNTERS[number]> {
  constructor() {
    super(API_COUNTERS);
  }
}
