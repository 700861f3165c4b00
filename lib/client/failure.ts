/**
 * The failures between a client and one node, and what the client can do about them.
 *
 * @module
 */

import { PROBLEM_MEDIA_TYPE } from "../request.ts";
import type { ProblemBody } from "../wire/mod.ts";

/** Why a request failed, by what the sender can do about it. */
export type FailureKind =
  /** The request itself is wrong. */
  | "usage"
  /** The key, lease or token does not exist. */
  | "notFound"
  /** A condition of the request is false. */
  | "conditionFailed"
  /** The requested history is forgotten. */
  | "compacted"
  /** No node could answer in time. */
  | "unavailable"
  /** The sender does not have the rights. */
  | "notAllowed"
  /** Another reason, such as a bug. */
  | "failure";

/** The error of a failed request. The message says what failed, where, and what to do. */
export class ClientError extends Error {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "ClientError";
  /** Why it failed, by what the sender can do about it. */
  readonly kind: FailureKind;
  /** The API's stable error code; null when no node answered with one. */
  readonly code: string | null;
  /** The oldest revision that can be read, if the request asked for an older one. */
  readonly oldestRevision: number | null;
  /** For a write: whether it may have taken effect. */
  readonly maybeApplied: boolean;

  /** `message` is for people. */
  constructor(
    kind: FailureKind,
    message: string,
    options: {
      readonly code?: string | null;
      readonly oldestRevision?: number | null;
      readonly maybeApplied?: boolean;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.code = options.code ?? null;
    this.oldestRevision = options.oldestRevision ?? null;
    this.maybeApplied = options.maybeApplied ?? false;
  }
}

/** Why a request failed at one node. */
export interface Failure {
  /** What happened, for people. */
  readonly reason: string;
  /** The API's stable error code; null when the node did not answer with one. */
  readonly code: string | null;
  /** Whether another attempt, at this or another node, can succeed. */
  readonly passing: boolean;
  /** For a write: whether it may have taken effect. True when that is not known. */
  readonly maybeApplied: boolean;
  /** For a write: whether this is the cluster's decision about it, which is the same for every attempt. */
  readonly settlesWrite: boolean;
  /** How long the node asks the client to wait; 0 when it does not say. */
  readonly retryAfterMs: number;
  /**
   * Why no request reached the node, when waiting is useless: nothing listens there, or the TLS handshake
   * failed for a permanent reason. Null when a request may have reached the node.
   */
  readonly notReached: "nothing there" | "no TLS" | null;
  /** The kind of the error if this failure ends the request. */
  readonly kind: FailureKind;
  /** The oldest revision that can be read, if the request asked for an older one; otherwise null. */
  readonly oldestRevision: number | null;
}

/** The error codes of failures that pass with time, or do not occur at another node such as the leader. */
const PASSING_CODES: ReadonlySet<string> = new Set([
  "no_key",
  "no_leader",
  "timeout",
  "overloaded",
  "superseded",
  "leader_changed",
  "stopping",
  "snapshot_failed",
  "not_ready",
  "not_leader",
  "too_many_watches",
  "watch_ended",
  "future_revision",
]);

/**
 * The error codes with which the replicated state answers a write, and with which the leader answers a
 * transfer of leadership: its answer says itself what may still happen.
 */
const SETTLING_CODES: ReadonlySet<string> = new Set([
  "precondition_failed",
  "idempotency_key_reused",
  "transfer_failed",
  "lease_not_found",
  "lease_exists",
  "too_many_keys",
]);

/** The advice in error messages, in the words of the program. */
export interface Advice {
  /** No node could do it in time. */
  readonly givenUp: string;
  /** Nothing listens at any address. */
  readonly unreachable: string;
  /** A node wants a token. */
  readonly unauthorized: string;
  /** A write may have been applied. The write with the same idempotency key shows whether it was. */
  readonly uncertain: (idempotencyKey: string) => string;
}

/** The advice that fits any program. */
export const ADVICE: Advice = {
  givenUp: "See how the nodes are, or allow more time.",
  unreachable: "Start the cluster, or name the addresses where it is.",
  unauthorized: "Give the client a token.",
  uncertain: (key) => `The same write with idempotency key ${key} tells, and is done once.`,
};

/** Reads an error response. */
export async function failureOfResponse(response: Response, body: string): Promise<Failure> {
  const problem = await readProblem(response, body);
  if (problem === null) return notFloe(response);
  const { code, detail, maybeApplied = true, retryAfterMs = 0, oldestRevision = null } = problem;
  return {
    reason: detail,
    code,
    passing: PASSING_CODES.has(code),
    maybeApplied,
    settlesWrite: SETTLING_CODES.has(code),
    retryAfterMs,
    notReached: null,
    kind: kindOf(response.status),
    oldestRevision,
  };
}

/** Reads an error that `fetch` threw. */
export function failureOfError(error: unknown): Failure {
  const message = innermostMessage(error);
  // Only the text of Deno's error says whether the request was sent. Unless it certainly was not, a write
  // counts as possibly applied. The text is about the only attempt, because no connection is used twice: see
  // fresh_connections.ts.
  const notSent = message.includes("client error (Connect)") || message.endsWith("are blocked");
  const timedOut = error instanceof DOMException && error.name === "TimeoutError";
  return {
    reason: timedOut ? "no answer in time" : shortReason(message),
    code: null,
    passing: true,
    maybeApplied: !notSent,
    settlesWrite: false,
    retryAfterMs: 0,
    notReached: !notSent ? null : isTlsFault(message) ? "no TLS" : "nothing there",
    kind: "unavailable",
    oldestRevision: null,
  };
}

/** An answer that is well-formed HTTP, but not one of Floe's API. */
export function notFloe(response: Response): Failure {
  return {
    reason: `answered ${response.status} in a form that is not Floe's; is this a node's API?`,
    code: null,
    passing: response.status >= 500,
    maybeApplied: true,
    settlesWrite: false,
    retryAfterMs: 0,
    notReached: null,
    kind: response.status >= 500 ? "unavailable" : "failure",
    oldestRevision: null,
  };
}

async function readProblem(response: Response, body: string): Promise<ProblemBody | null> {
  if (response.headers.get("content-type") !== PROBLEM_MEDIA_TYPE) return null;
  // Loaded here, because most requests succeed.
  const { problemSchema } = await import("../wire/mod.ts");
  try {
    return problemSchema.parse(JSON.parse(body));
  } catch {
    // It is not a problem document, and is reported as that.
    return null;
  }
}

function kindOf(status: number): FailureKind {
  switch (status) {
    case 401:
    case 403:
      return "notAllowed";
    case 404:
      return "notFound";
    case 409:
    case 412:
      return "conditionFailed";
    case 410:
      return "compacted";
    case 503:
    case 504:
      return "unavailable";
    default:
      return status < 500 ? "usage" : "failure";
  }
}

function innermostMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? innermostMessage(error.cause) : error.message;
}

/** Whether a TLS handshake failed: it would fail again later. */
function isTlsFault(message: string): boolean {
  return /invalid peer certificate|received corrupt message|received fatal alert/.test(message);
}

/** Shortens `client error (Connect): tcp connect error: Connection refused (os error 111)` for people. */
function shortReason(message: string): string {
  const [, distrust] = /invalid peer certificate: (.*)$/.exec(message) ?? [];
  if (distrust !== undefined) return `its certificate is not trusted: ${adviceOn(distrust)}`;
  if (message.endsWith("received corrupt message of type InvalidContentType")) {
    return "it does not speak HTTPS; ask it without https:// and --ca-file";
  }
  if (message.endsWith("invalid HTTP version parsed")) {
    return "it does not speak HTTP; if it serves HTTPS, ask with https:// or --ca-file";
  }
  const last = message.split(": ").at(-1) ?? message;
  return last.replace(/ \(os error [0-9]+\)$/, "").toLowerCase();
}

function adviceOn(distrust: string): string {
  // `openssl req -x509` makes such a certificate by default. A --ca-file does not help.
  if (distrust.includes("CaUsedAsEndEntity")) {
    return "it is a CA's, not a server's. Give the node one with basicConstraints CA:FALSE";
  }
  return `${distrust}. Name the file with the certificates to trust with --ca-file`;
}
