/**
 * How a command ends when it does not succeed.
 *
 * @module
 */

import type { FailureKind } from "../client/mod.ts";

/** The exit codes of a `floe` process. */
export const ExitCode = {
  /** Success. */
  ok: 0,
  /** Any other failure: a disk, a port, a bug. */
  failure: 1,
  /** The command is wrong: an argument, an option, a file that cannot be used. */
  usage: 2,
  /** The key, the leader's certificate or the election does not exist. */
  notFound: 3,
  /** A condition of the request does not hold. */
  preconditionFailed: 4,
  /** No node could answer in time. The message says whether a write may have been applied. */
  unavailable: 5,
  /** The token does not allow the request, or there is no token. */
  notAllowed: 6,
  /** A note or a certificate does not verify. */
  verificationFailed: 7,
  /** The lease of a lock was lost while its command ran; or `status --check` found a cluster that is not healthy. */
  impaired: 8,
  /** `status --check` found a cluster that can elect no leader. */
  noQuorum: 9,
  /** `node` and `join`: the node was removed from its cluster. To start it again is of no use. */
  removed: 10,
} as const;

/** One of the exit codes. */
export type ExitCode = typeof ExitCode[keyof typeof ExitCode];

/** The exit code for each way in which a request fails. */
export const EXIT_CODE_OF: Readonly<Record<FailureKind, ExitCode>> = {
  usage: ExitCode.usage,
  notFound: ExitCode.notFound,
  conditionFailed: ExitCode.preconditionFailed,
  compacted: ExitCode.notFound,
  unavailable: ExitCode.unavailable,
  notAllowed: ExitCode.notAllowed,
  failure: ExitCode.failure,
};

/**
 * Ends a command with an exit code and a message on stderr. The message says what failed, where, and what
 * to do. It is printed after `floe: `.
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
