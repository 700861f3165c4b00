/**
 * Refusals and failures as RFC 9457 problem JSON.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { InputError } from "../errors.ts";
import { RequestError, type RequestFailure } from "../node/mod.ts";
import type { LogIndex } from "../types.ts";
import { PROBLEM_MEDIA_TYPE, type ProblemBody } from "../wire/mod.ts";

/** Every `code` of a problem in this API. Clients depend on them, so they never change. */
export type ProblemCode =
  | RequestFailure
  | "invalid_request"
  | "invalid_parameter"
  | "invalid_header"
  | "unauthorized"
  | "forbidden"
  | "origin_refused"
  | "misdirected"
  | "token_exists"
  | "too_many_tokens"
  | "key_empty"
  | "key_invalid"
  | "key_too_large"
  | "value_too_large"
  | "request_too_large"
  | "body_timeout"
  | "body_incomplete"
  | "key_not_found"
  | "precondition_failed"
  | "idempotency_key_reused"
  | "election_not_found"
  | "note_not_found"
  | "compacted"
  | "future_revision"
  | "lease_not_found"
  | "lease_exists"
  | "too_many_leases"
  | "too_many_keys"
  | "answer_too_large"
  | "too_many_watches"
  | "watch_not_found"
  | "watch_ended"
  | "not_found"
  | "method_not_allowed"
  | "not_ready"
  | "internal_error";

/** The HTTP status of every code. */
export const PROBLEM_STATUS: Readonly<Record<ProblemCode, number>> = {
  invalid_request: 400,
  invalid_parameter: 400,
  invalid_header: 400,
  future_revision: 400,
  key_empty: 400,
  key_invalid: 400,
  body_incomplete: 400,
  unauthorized: 401,
  forbidden: 403,
  origin_refused: 403,
  key_not_found: 404,
  election_not_found: 404,
  note_not_found: 404,
  lease_not_found: 404,
  watch_not_found: 404,
  not_found: 404,
  no_target: 404,
  method_not_allowed: 405,
  body_timeout: 408,
  not_leader: 409,
  transferring: 409,
  members_changing: 409,
  members_refused: 409,
  no_change: 409,
  transfer_failed: 409,
  lease_exists: 409,
  too_many_leases: 409,
  token_exists: 409,
  too_many_tokens: 409,
  compacted: 410,
  precondition_failed: 412,
  key_too_large: 413,
  value_too_large: 413,
  request_too_large: 413,
  too_many_keys: 413,
  answer_too_large: 413,
  misdirected: 421,
  idempotency_key_reused: 422,
  internal_error: 500,
  unreadable: 501,
  no_key: 503,
  no_leader: 503,
  overloaded: 503,
  superseded: 503,
  leader_changed: 503,
  stopping: 503,
  snapshot_failed: 503,
  not_ready: 503,
  too_many_watches: 503,
  watch_ended: 503,
  timeout: 504,
};

const TITLE: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  412: "Precondition Failed",
  413: "Content Too Large",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

/**
 * How long a client should wait, for problems that pass with time. An election takes a few hundred
 * milliseconds. A full queue takes less.
 */
const RETRY_AFTER_MS: Readonly<Partial<Record<ProblemCode, number>>> = {
  no_leader: 250,
  leader_changed: 250,
  superseded: 50,
  overloaded: 100,
  too_many_watches: 1_000,
  watch_ended: 100,
  no_key: 1_000,
  not_ready: 1_000,
};

/** A request was refused by the API, or by the replicated state. Nothing was applied. */
export class Problem extends Error {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "Problem";
  /** The stable code. It determines the HTTP status. */
  readonly code: ProblemCode;
  /** Response headers that belong to this refusal, such as `Allow`. */
  readonly headers: Readonly<Record<string, string>>;
  /** The oldest revision that can be read; only for `compacted`. */
  readonly oldestRevision: LogIndex | null;

  /** `message` becomes the problem's `detail`. */
  constructor(
    code: ProblemCode,
    message: string,
    options: {
      readonly headers?: Readonly<Record<string, string>>;
      readonly oldestRevision?: LogIndex;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.headers = options.headers ?? {};
    this.oldestRevision = options.oldestRevision ?? null;
  }
}

/**
 * The response for an error of a route. An unexpected error becomes `internal_error` without its message,
 * because the message can contain internal data.
 */
export function problemResponse(error: unknown, request: Request): Response {
  const { body, headers } = problemOf(error, { isWrite: isWrite(request) });
  const { retryAfterMs } = body;
  return jsonResponse(body, {
    status: body.status,
    headers: {
      "content-type": PROBLEM_MEDIA_TYPE,
      ...(retryAfterMs === undefined ? {} : { "retry-after": toSeconds(retryAfterMs) }),
      ...headers,
    },
  });
}

/** The document for an error of a route, and its headers. */
export function problemOf(
  error: unknown,
  { isWrite }: { readonly isWrite: boolean },
): { readonly body: ProblemBody; readonly headers: Readonly<Record<string, string>> } {
  const { code, detail, maybeApplied, headers = {}, oldestRevision = null } = describe(error);
  const retryAfterMs = RETRY_AFTER_MS[code];
  const status = PROBLEM_STATUS[code];
  const body = {
    type: "about:blank" as const,
    title: TITLE[status] ?? "Error",
    status,
    code,
    detail,
    ...(isWrite ? { maybeApplied } : {}),
    ...(oldestRevision === null ? {} : { oldestRevision }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
  return { body, headers };
}

/** Whether an error is expected: a refusal, or a failure with its own code. */
export function isForeseen(error: unknown): boolean {
  return error instanceof Problem || error instanceof RequestError || error instanceof InputError;
}

function describe(error: unknown): {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly maybeApplied: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  readonly oldestRevision?: LogIndex | null;
} {
  if (error instanceof Problem) {
    const { code, message: detail, headers, oldestRevision } = error;
    return { code, detail, maybeApplied: false, headers, oldestRevision };
  }
  if (error instanceof RequestError) {
    return { code: error.code, detail: error.message, maybeApplied: error.maybeApplied };
  }
  if (error instanceof InputError) {
    return { code: "invalid_request", detail: error.message, maybeApplied: false };
  }
  return {
    code: "internal_error",
    detail: "The node failed at this request; its log says why",
    maybeApplied: true,
  };
}

function isWrite(request: Request): boolean {
  return request.method !== "GET" && request.method !== "HEAD" && request.method !== "OPTIONS";
}

/** `Retry-After` counts whole seconds (RFC 9110 §10.2.3). */
function toSeconds(milliseconds: number): string {
  return String(Math.ceil(milliseconds / 1000));
}

/**
 * Most answers are true only now. No cache between the node and the client may keep them.
 */
export const NO_STORE = { "cache-control": "no-store" } as const;

const JSON_HEADERS = { "content-type": "application/json", ...NO_STORE } as const;

/** `body` as JSON that ends in a newline, for terminals and line tools. */
export function jsonResponse(
  body: unknown,
  options: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {},
): Response {
  // A string, because Deno takes twice as long to answer with bytes.
  const text = JSON.stringify(body) + "\n";
  return new Response(text, {
    status: options.status ?? 200,
    headers: { ...JSON_HEADERS, ...lengthHeader(text), ...options.headers },
  });
}

/** The length as a header, because an answer to HEAD has no body to count (RFC 9110 §8.6). */
export function lengthHeader(body: Uint8Array | string): Readonly<Record<string, string>> {
  return { "content-length": String(Buffer.byteLength(body)) };
}
