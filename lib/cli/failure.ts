/**
 * What can go wrong between a client and one node, and what a client may do about it.
 *
 * @module
 */

import { PROBLEM_MEDIA_TYPE, type ProblemBody, problemSchema } from "../http/wire.ts";

/** Why one node did not do what it was asked. */
export interface Failure {
  /** What happened, for people. */
  readonly reason: string;
  /** The API's stable code, where a node answered with one. */
  readonly code: string | null;
  /** Whether another attempt, at this node or another, may do better. */
  readonly passing: boolean;
  /** For a write: whether it may have taken effect all the same. Assumed wherever it is not known. */
  readonly maybeApplied: boolean;
  /** For a write: whether this is the cluster's decision on it, and so on every attempt at it. */
  readonly settlesWrite: boolean;
  /** How long the node asks to be left alone; 0 when it does not say. */
  readonly retryAfterMs: number;
  /** Whether nothing listens there at all: no use in waiting. */
  readonly nothingThere: boolean;
  /** What the command ends with if this failure is the last word. */
  readonly exitCode: ExitCode;
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
  "not_ready",
  "not_leader",
]);

/**
 * The codes that the replicated state answers a write with, and the leader's own word on a hand-over:
 * what may yet become of that, it says itself.
 */
const SETTLING_CODES: ReadonlySet<string> = new Set([
  "precondition_failed",
  "idempotency_key_reused",
  "transfer_failed",
]);

const TOKEN_ADVICE = "Name a file that holds a token with --token-file or FLOE_TOKEN_FILE.";

/** Reads a response that is no success. */
export function failureOfResponse(response: Response, body: string): Failure {
  const problem = readProblem(response, body);
  if (problem === null) return notFloe(response);
  const { code, detail, maybeApplied = true, retryAfterMs = 0 } = problem;
  return {
    reason: code === "unauthorized" ? `${detail}. ${TOKEN_ADVICE}` : detail,
    code,
    passing: PASSING_CODES.has(code),
    maybeApplied,
    settlesWrite: SETTLING_CODES.has(code),
    retryAfterMs,
    nothingThere: false,
    exitCode: exitCodeOf(response.status),
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
    nothingThere: notSent,
    exitCode: ExitCode.unavailable,
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
    nothingThere: false,
    exitCode: response.status >= 500 ? ExitCode.unavailable : ExitCode.failure,
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

function exitCodeOf(status: number): ExitCode {
  switch (status) {
    case 401:
    case 403:
      return ExitCode.notAllowed;
    case 404:
      return ExitCode.notFound;
    case 409:
    case 412:
      return ExitCode.preconditionFailed;
    case 503:
    case 504:
      return ExitCode.unavailable;
    default:
      return status < 500 ? ExitCode.usage : ExitCode.failure;
  }
}

function innermostMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? innermostMessage(error.cause) : error.message;
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
  return `${distrust}. Name who vouches for it with --ca-file`;
}

/** What a `floe` process's exit code means. */
export const ExitCode = {
  /** It did what was asked. */
  ok: 0,
  /** It failed for a reason that no other code names: a disk, a port, a bug. */
  failure: 1,
  /** It was asked wrongly: arguments, options, a configuration or key file that cannot be used. */
  usage: 2,
  /** What was asked for is not there: a key, a leader's certificate, an election. */
  notFound: 3,
  /** A condition that the request named does not hold. */
  preconditionFailed: 4,
  /** No node could answer in time. The message says whether a write may have been applied. */
  unavailable: 5,
  /** The caller may not do this. */
  notAllowed: 6,
  /** A note or a certificate does not verify. */
  verificationFailed: 7,
} as const;

/** One of the exit codes. */
export type ExitCode = typeof ExitCode[keyof typeof ExitCode];

/**
 * Ends a command with an exit code and a message on stderr. The message says what failed, where,
 * and what to do; it is shown as it is, after `floe: `.
 */
export class CommandError extends Error {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "CommandError";
  readonly exitCode: ExitCode;

  /** `message` is for the person at the terminal. */
  constructor(exitCode: ExitCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

/** Resolves when `signal` aborts, at once if it has. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
