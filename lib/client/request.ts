/**
 * Requests and answers of a client.
 *
 * @module
 */

import { IDEMPOTENCY_KEY_HEADER, REQUEST_TIMEOUT_MS_MAX } from "../request.ts";

/** The address of one node's API. */
export interface Endpoint {
  /** `http://host:port` or `https://host:port`, without a slash at the end. */
  readonly url: string;
  /** `host:port`, for people. */
  readonly label: string;
  /** The node at this address; null when the configuration does not say. */
  readonly id: string | null;
}

/** Returns the token for a node; null for none. */
export type TokenFor = (endpoint: Endpoint) => string | null;

/** One request, for any node. */
export interface ClientRequest {
  /** GET only reads. The others may change something, unless {@linkcode ClientRequest.isRead}. */
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Whether this request changes nothing, although its method may not be GET. */
  readonly isRead?: boolean;
  /** The path, percent-encoded, without a query. */
  readonly path: string;
  /** Query parameters. */
  readonly query?: Readonly<Record<string, string>>;
  /** Further query parameters, already percent-encoded. They can contain any bytes. */
  readonly rawQuery?: readonly string[];
  /** Whether the path takes `timeoutMs`, so that the node gives up before the client does. */
  readonly takesTimeout?: boolean;
  /** The media type to ask for. */
  readonly accept?: string;
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Names a write in all its attempts, so that it can be sent again after any outcome of the last attempt. */
  readonly idempotencyKey?: string;
  /** Most bytes in its answer, if that may be more than the default. */
  readonly answerBytesMax?: number;
  /** The bytes to send. */
  readonly body?: Uint8Array<ArrayBuffer>;
}

/** A successful answer. */
export interface ClientAnswer {
  /** The node that answered. */
  readonly endpoint: Endpoint;
  /** The whole body. */
  readonly body: Uint8Array<ArrayBuffer>;
}

/** The share of an attempt's time that the node gets. In the rest, its answer arrives. */
const NODE_TIME_SHARE = 0.9;

/** An answer whose body is read in parts. */
export interface OpenAnswer {
  /** The node that answers. */
  readonly endpoint: Endpoint;
  /** The body. Its reader must cancel it or read it to the end. */
  readonly body: ReadableStream<Uint8Array>;
}

/** The URL of a request, with the time that the node may take. */
export function urlOf(endpoint: Endpoint, request: ClientRequest, timeoutMs: number): string {
  const query = new URLSearchParams(request.query);
  if (request.takesTimeout === true) {
    const nodeMs = Math.min(REQUEST_TIMEOUT_MS_MAX, Math.ceil(timeoutMs * NODE_TIME_SHARE));
    query.set("timeoutMs", String(nodeMs));
  }
  const parts = [...(request.rawQuery ?? []), ...(query.size === 0 ? [] : [query])];
  return `${endpoint.url}${request.path}${parts.length === 0 ? "" : `?${parts.join("&")}`}`;
}

/** The headers of a request, with or without a token. */
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
  return request.method !== "GET" && request.isRead !== true;
}

/** Whether a request has at most one effect, however often it arrives. */
export function isRepeatable(request: ClientRequest): boolean {
  return !isWrite(request) || request.idempotencyKey !== undefined;
}
