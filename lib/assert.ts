/**
 * Assertions about Floe's own state. They stay on in production: a node whose invariants are broken
 * must stop rather than go on and spread what is wrong.
 *
 * @module
 */

/** One of Floe's own invariants is broken: a bug in Floe, never the fault of a peer or a client. */
export class InvariantError extends Error {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "InvariantError";
}

/**
 * Stops the process's current work unless a condition that Floe itself is responsible for holds.
 * Input from outside is refused with an {@linkcode InputError} instead, never asserted on.
 *
 * @throws {InvariantError} when `condition` is false.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/**
 * Returns `value`, which Floe's own logic guarantees to be there.
 *
 * @throws {InvariantError} when `value` is null or undefined.
 */
export function assertDefined<Value>(value: Value | null | undefined, message: string): Value {
  if (value === null || value === undefined) throw new InvariantError(message);
  return value;
}

/**
 * Marks the branch that an exhaustive `switch` over a tagged union can never reach.
 *
 * @throws {InvariantError} always.
 */
export function unreachable(value: never): never {
  throw new InvariantError(`Unreachable case: ${JSON.stringify(value)}`);
}
