/**
 * The API's connections: how many there may be, and how long one may be there for nothing.
 *
 * @module
 */

import type { ApiCounters } from "./counters.ts";
import type { ServeConnection, ServedConnection } from "./deno_http.ts";
import { CONNECTION_IDLE_MS, CONNECTION_SILENT_MS, CONNECTIONS_MAX } from "./limits.ts";

/** What connections are allowed; by default what `limits.ts` says. */
export interface ConnectionLimits {
  /** Most connections at once. */
  readonly connectionsMax?: number;
  /** How long a new connection may take until its first request's head is here. */
  readonly silentMs?: number;
  /** How long a connection may stay without a request under way, and an answer be on its way. */
  readonly idleMs?: number;
}

/** What serves the connections. */
export interface ConnectionsOptions extends ConnectionLimits {
  /** Serves one connection. */
  readonly serve: ServeConnection;
  /** Answers one request. */
  readonly answer: (request: Request) => Response | Promise<Response>;
  /** Where it is counted when a connection has to go. */
  readonly counters: ApiCounters;
}

/** One connection. */
interface Place {
  readonly served: ServedConnection;
  /** Requests that are not answered yet. */
  underWay: number;
  /** Since when there are none, on the monotonic clock. */
  sinceMs: number;
}

/**
 * All connections of one server.
 *
 * When there are as many as may be, the one goes that has been there longest without ever asking
 * anything, or, if all have asked, the one that has been idle longest: a crowd of silent connections
 * keeps nobody out. Only where all have a request under way is a new one refused.
 *
 * TLS handshakes and heads of requests count as silence however their bytes trickle in. Bodies have a
 * deadline of their own (`body.ts`), and so have the requests. An answer counts as sent when it
 * is handed over: who does not take it in time is idle. (No answer of this API goes on for longer. To
 * look here whether one does, at its body or at when it was sent, costs more than all else here.)
 * A client of HTTP/1.1 has one answer to take before it may ask again. Deno speaks HTTP/2 as well with
 * those who begin with it, which it neither tells nor can be told not to: they may leave 200 untaken.
 */
export class Connections {
  readonly #options: Required<ConnectionsOptions>;
  readonly #open = new Set<Place>();
  /** Those that never asked, the oldest first. */
  readonly #silent = new Set<Place>();
  /** Those that have asked and wait for nothing, the longest idle first. */
  readonly #idle = new Set<Place>();

  /** `options` are used as they are. */
  constructor(options: ConnectionsOptions) {
    this.#options = {
      connectionsMax: CONNECTIONS_MAX,
      silentMs: CONNECTION_SILENT_MS,
      idleMs: CONNECTION_IDLE_MS,
      ...options,
    };
  }

  /** How many there are. */
  get size(): number {
    return this.#open.size;
  }

  /** Takes over a connection that was accepted, or ends it. */
  add(connection: Deno.Conn): void {
    if (this.size >= this.#options.connectionsMax && !this.#makeRoom()) {
      this.#options.counters.count("api.connection_refused");
      return connection.close();
    }
    const place: Place = {
      served: this.#options.serve(connection, (request) => this.#answer(place, request)),
      underWay: 0,
      sinceMs: performance.now(),
    };
    this.#open.add(place);
    this.#silent.add(place);
    void place.served.finished.then(() => this.#forget(place));
  }

  /** Ends the connections that have been there for nothing too long. */
  expire(nowMs: number): void {
    const { silentMs, idleMs } = this.#options;
    this.#expire(this.#silent, nowMs - silentMs);
    this.#expire(this.#idle, nowMs - idleMs);
  }

  /** Lets the requests under way finish until `cutOff`, and settles when no connection is left. */
  async close(cutOff: Promise<void>): Promise<void> {
    const places = [...this.#open];
    for (const { served } of places) served.shutdown();
    const finished = Promise.all(places.map(({ served }) => served.finished));
    await Promise.race([finished, cutOff]);
    for (const { served } of places) served.cancel();
    await finished;
  }

  async #answer(place: Place, request: Request): Promise<Response> {
    place.underWay += 1;
    this.#silent.delete(place);
    this.#idle.delete(place);
    try {
      return await this.#options.answer(request);
    } finally {
      this.#answered(place);
    }
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
  }
}
