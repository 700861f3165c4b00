/**
 * A fault: what a peer did that no honest voter does.
 *
 * @module
 */

import { InputError } from "../errors.ts";
import { FrostError, type FrostRefusal } from "../frost/mod.ts";
import type { NodeId } from "../types.ts";
import { type Plan, voterOf } from "./configuration.ts";

/** The rule that was broken. */
export type FaultRule =
  /** One of FROST's: a commitment, a proof or a share that is wrong. */
  | FrostRefusal
  /** Two hashes for one attempt, both signed: different peers were told different things. */
  | "equivocation"
  /** A hash passed on for somebody else's that this somebody never signed. */
  | "false-echo"
  /** An identity signature that does not verify. */
  | "bad-signature"
  /** Another transcript than everything that the voter said before amounts to. */
  | "wrong-transcript";

/** Somebody broke a rule of key generation. The message never holds a secret. */
export class KeyGenerationFault extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "KeyGenerationFault";
  /** Which rule. */
  readonly rule: FaultRule;
  /** Who; null where no single voter can be named. */
  readonly voter: NodeId | null;

  /** `why` says what was refused. */
  constructor(
    rule: FaultRule,
    why: string,
    options: { readonly voter: NodeId | null; readonly cause?: unknown },
  ) {
    super(`Cannot go on with key generation: ${why}`, { cause: options.cause });
    this.rule = rule;
    this.voter = options.voter;
  }
}

/** Runs a computation of FROST's; what it refuses becomes a fault of the voter it names. */
export function blaming<Result>(plan: Plan, compute: () => Result): Result {
  try {
    return compute();
  } catch (cause) {
    if (!(cause instanceof FrostError)) throw cause;
    const voter = cause.identifier === null ? null : voterOf(plan, cause.identifier);
    throw new KeyGenerationFault(cause.refusal, cause.message, { voter, cause });
  }
}
