/**
 * What the API allows at most, and the gate that holds clients to it.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { Problem } from "./problem.ts";

/** Most bytes that a request may declare as its body, on any path. */
export const REQUEST_BYTES_MAX = 1.5 * 1024 * 1024;
/**
 * Most connections to the API at once. Each may hold a request's head in memory, and a descriptor, or
 * three with HTTPS (see `tls.ts`).
 */
export const CONNECTIONS_MAX = 1_024;
/** How long a new connection may take until the head of its first request is here. */
export const CONNECTION_SILENT_MS = 10_000;
/** How long a connection may be kept without a request, or take to read an answer. */
export const CONNECTION_IDLE_MS = 60_000;
/**
 * Most bytes in the head of a request. Deno's own limit, which it does not let anyone change: the
 * tests hold it to that, as they do with the next one.
 */
export const HEADER_BYTES_MAX = 64 * 1024;
/** Most fields in the head of a request; Deno's own limit. */
export const HEADERS_MAX = 128;
/** Most bytes in the description of a token. */
export const TOKEN_BODY_BYTES_MAX = 128 * 1024;
/** Most requests to the key-value store that are under way at once. */
export const REQUESTS_ACTIVE_MAX = 4096;
/** Most bytes of request bodies that are held, or may still arrive, at once. */
export const BODY_BYTES_ACTIVE_MAX = 64 * 1024 * 1024;
/** How long a body may take to arrive. */
export const BODY_TIMEOUT_MS = 10_000;
/** How long the node tries to complete a request when the client does not say. */
export const REQUEST_TIMEOUT_MS_DEFAULT = 5_000;
/** The longest that a client may ask the node to try. */
export const REQUEST_TIMEOUT_MS_MAX = 60_000;
/** Most elections on one page. */
export const ELECTIONS_LIMIT_MAX = 500;
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
