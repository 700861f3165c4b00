/**
 * Requests and answers of a client.
 *
 * @module
 */

import { IDEMPOTENCY_KEY_HEADER, REQUEST_TIMEOUT_MS_MAX } from "../http/wire.ts";

/** The API of one node, as a client reaches it. */
export interface Endpoint {
  /** `http://host:port` or `https://host:port`, without a slash at the end. */
  readonly url: string;
  /** `host:port`, for people. */
  readonly label: string;
  /** The node there, where the configuration tells. */
  readonly id: string | null;
}

/** Which token to send to a node; null for none. */
export type TokenFor = (endpoint: Endpoint) => string | null;

/** One request, to whichever node. */
export interface ClientRequest {
  /** GET only reads; everything else may change something. */
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** The path, percent-encoded, without a query. */
  readonly path: string;
  /** Query parameters. */
  readonly query?: Readonly<Record<string, string>>;
  /** Further query parameters, percent-encoded: they may be any bytes. */
  readonly rawQuery?: readonly string[];
  /** Whether the path knows `timeoutMs`, so that the node gives up before the client does. */
  readonly takesTimeout?: boolean;
  /** The media type to ask for. */
  readonly accept?: string;
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Names a write for all its attempts, so that it can be sent again whatever became of the last one. */
  readonly idempotencyKey?: string;
  /** Most bytes in its answer, where that may be more than the usual. */
  readonly answerBytesMax?: number;
  /** The bytes to send. */
  readonly body?: Uint8Array<ArrayBuffer>;
}

/** A successful answer. */
export interface ClientAnswer {
  /** Who answered. */
  readonly endpoint: Endpoint;
  /** The whole body. */
  readonly body: Uint8Array<ArrayBuffer>;
}

/** The share of an attempt's time that the node gets; the rest is for its answer to arrive. */
const NODE_TIME_SHARE = 0.9;

/** An answer that is read little by little. */
export interface OpenAnswer {
  /** Who answers. */
  readonly endpoint: Endpoint;
  /** What follows. Its reader ends it. */
  readonly body: ReadableStream<Uint8Array>;
}

/** Where a node finds the request, and how long it may try. */
export function urlOf(endpoint: Endpoint, request: ClientRequest, timeoutMs: number): string {
  const query = new URLSearchParams(request.query);
  if (request.takesTimeout === true) {
    const nodeMs = Math.min(REQUEST_TIMEOUT_MS_MAX, Math.ceil(timeoutMs * NODE_TIME_SHARE));
    query.set("timeoutMs", String(nodeMs));
  }
  const parts = [...(request.rawQuery ?? []), ...(query.size === 0 ? [] : [query])];
  return `${endpoint.url}${request.path}${parts.length === 0 ? "" : `?${parts.join("&")}`}`;
}

/** The headers of a request, with a token or without. */
export function headersOf(
  request: ClientRequest,
  token: string | null,
): Readonly<Record<string, string>> {
  const { accept = "application/json", headers, idempotencyKey } = request;
  return {
    accept,
    ...headers,
    ...(idempotencyKey === undefined ? {} : { [IDEMPOTENCY_KEY_HEADER]: idempotencyKey }),
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
  };
}

/** Whether a request may change something. */
export function isWrite(request: ClientRequest): boolean {
  return request.method !== "GET";
}

/** Whether a request has one effect at most, however often it arrives. */
export function isRepeatable(request: ClientRequest): boolean {
  return !isWrite(request) || request.idempotencyKey !== undefined;
}
