/**
 * The two kinds of failure that are not Floe's own bugs: bad input from outside, and an environment
 * that does not do its part. (The third kind, a broken invariant, is in `assert.ts`.)
 *
 * @module
 */

/**
 * Input from a peer, a client, an operator or a file that Floe refuses. The message says what was
 * refused, the value and the limit: `Cannot read frame: length 9000000 is above 8388608`.
 */
export class InputError extends Error {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name: string = "InputError";
}

/**
 * The environment failed: a disk, a port, a folder. The message says what failed and where, and
 * ends with what the operator can do about it.
 */
export class EnvironmentError extends Error {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name: string = "EnvironmentError";
}

/** A class of errors, as `instanceof` knows it. */
export type ErrorClass<Failure extends Error> = abstract new (...parameters: never[]) => Failure;

/**
 * Runs `work`. An error of the class `kind` goes to `handle`, which returns something else or throws an
 * error that says more; any other error goes on as it is.
 */
export function catching<Result, Failure extends Error, Instead>(
  kind: ErrorClass<Failure>,
  work: () => Result,
  handle: (error: Failure) => Instead,
): Result | Instead {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof kind)) throw error;
    return handle(error);
  }
}

/** What an error says; of what was thrown and is none, what it is as text. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
