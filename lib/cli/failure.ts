/**
 * How a command ends when it does not succeed.
 *
 * @module
 */

import type { FailureKind } from "../client/mod.ts";

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

/** What a command ends with whose request failed. */
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
