/**
 * What can go wrong between a client and one node, and what a client may do about it.
 *
 * @module
 */

import { PROBLEM_MEDIA_TYPE, type ProblemBody, problemSchema } from "../http/wire.ts";

/** Why a request failed, as far as its sender can do something about it. */
export type FailureKind =
  /** The request itself is wrong. */
  | "usage"
  /** What was asked for is not there. */
  | "notFound"
  /** A condition that the request named does not hold. */
  | "conditionFailed"
  /** The history that was asked for is forgotten. */
  | "compacted"
  /** No node could answer in time. */
  | "unavailable"
  /** The sender may not do this. */
  | "notAllowed"
  /** For another reason, such as a bug. */
  | "failure";

/** Ends a request that did not succeed. The message says what failed, where, and what to do. */
export class ClientError extends Error {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "ClientError";
  /** What its sender can do about it. */
  readonly kind: FailureKind;
  /** The API's own stable code for it, where a node answered with one. */
  readonly code: string | null;
  /** Where history begins, if it was asked for what is forgotten. */
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

/** Why one node did not do what it was asked. */
export interface Failure {
  /** What happened, for people. */
  readonly reason: string;
  /** The API's stable code, where a node answered with one. */
  readonly code: string | null;
  /** Whether another attempt, at this node or another, may do better. */
  readonly passing: boolean;
  /** For a write: whether it may have taken effect. Assumed wherever it is not known. */
  readonly maybeApplied: boolean;
  /** For a write: whether this is the cluster's decision on it, and so on every attempt at it. */
  readonly settlesWrite: boolean;
  /** How long the node asks to be left alone; 0 when it does not say. */
  readonly retryAfterMs: number;
  /**
   * Why no request reached the node, where waiting is of no use: nothing listens there, or the TLS
   * handshake failed for a reason that does not pass. Null where a request may have reached it.
   */
  readonly notReached: "nothing there" | "no TLS" | null;
  /** What kind of failure it is if it is the last word. */
  readonly kind: FailureKind;
  /** Where history begins, if it was asked for what is forgotten; null where that is not the reason. */
  readonly oldestRevision: number | null;
}

/** The codes that pass by themselves or do not hold at another node, such as the leader. */
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
 * The codes that the replicated state answers a write with, and the leader's own word on a hand-over:
 * what may yet become of that, it says itself.
 */
const SETTLING_CODES: ReadonlySet<string> = new Set([
  "precondition_failed",
  "idempotency_key_reused",
  "transfer_failed",
  "lease_not_found",
  "lease_exists",
  "too_many_keys",
]);

/** Reads a response that is no success. */
export function failureOfResponse(response: Response, body: string): Failure {
  const problem = readProblem(response, body);
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

/** Reads what `fetch` threw. */
export function failureOfError(error: unknown): Failure {
  const message = innermostMessage(error);
  // Deno tells in words only whether a request had begun to be sent. Where it is not certain that
  // it had not, a write counts as perhaps applied. The words are about the only attempt there was, as
  // no connection is used twice: see fresh_connections.ts.
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

/** An answer that is well-formed HTTP, but not what Floe's API says. */
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

function readProblem(response: Response, body: string): ProblemBody | null {
  if (response.headers.get("content-type") !== PROBLEM_MEDIA_TYPE) return null;
  try {
    return problemSchema.parse(JSON.parse(body));
  } catch {
    // Whatever it is, it is not a problem document, and is reported as such.
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

/** A handshake that fails with one node now fails with it later, too. */
function isTlsFault(message: string): boolean {
  return /invalid peer certificate|received corrupt message|received fatal alert/.test(message);
}

/** `client error (Connect): tcp connect error: Connection refused (os error 111)`, for people. */
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
  // What `openssl req -x509` makes unless it is told otherwise; no --ca-file helps.
  if (distrust.includes("CaUsedAsEndEntity")) {
    return "it is a CA's, not a server's. Give the node one with basicConstraints CA:FALSE";
  }
  return `${distrust}. Name the file with the certificates to trust with --ca-file`;
}
