/**
 * The error for everything that FROST refuses.
 *
 * @module
 */

import { InputError } from "../errors.ts";

/** Why an element, a scalar, a commitment, a share or a set of nonces is refused. */
export type FrostRefusal =
  /** An encoding of the wrong length, not canonical, or of no curve point (RFC 9591 §3.1). */
  | "malformed-element"
  /** The identity element, which is never sent (RFC 9591 §3.1). */
  | "identity-element"
  /** A point outside the prime-order group (RFC 9591 §6.1). */
  | "not-prime-order"
  /** A scalar of the wrong length or not below the group order (RFC 9591 §3.1). */
  | "malformed-scalar"
  /** An identifier that is not a whole number from 1 upward (RFC 9591 §3). */
  | "bad-identifier"
  /** Numbers of participants that make no group (RFC 9591 Appendix C). */
  | "bad-threshold"
  /** A secret share that does not match its verifying share or its sender's commitment (C.2). */
  | "bad-share"
  /** A commitment to a polynomial of another degree than t - 1 (FROST paper, Figure 1). */
  | "wrong-commitment-length"
  /** A revealed commitment that is not the one whose hash was sent before. */
  | "wrong-commitment-hash"
  /** A proof of knowledge that does not verify (FROST paper, Figure 1, round 1, step 5). */
  | "bad-proof"
  /** A polynomial that was evaluated before, and erased (FROST paper, Figure 1, round 2, step 2). */
  | "polynomial-used"
  /** Fewer commitments than MIN_PARTICIPANTS (RFC 9591 §5.2). */
  | "too-few-signers"
  /** A commitment list that does not rise strictly by identifier (RFC 9591 §4.3). */
  | "unsorted-signers"
  /** A commitment of a participant that is not in the group. */
  | "foreign-signer"
  /** A commitment list without the signer's own entry (RFC 9591 §5.2). */
  | "not-a-signer"
  /** The signer's own entry is not the commitment to its nonces (RFC 9591 §5.2). */
  | "wrong-commitment"
  /** Nonces that were used before, and erased (RFC 9591 §5.1). */
  | "nonce-used"
  /** A set of shares that is not exactly one for each signer (RFC 9591 §5.3). */
  | "wrong-shares";

/** An element, a scalar, a commitment, a share or a set of nonces is refused. */
export class FrostError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "FrostError";
  /** Which rule refused it. */
  readonly refusal: FrostRefusal;
  /** The participant at fault, where one can be named. */
  readonly identifier: number | null;

  /** `message` says what was refused, the value and what was expected; never a secret. */
  constructor(
    refusal: FrostRefusal,
    message: string,
    options: { readonly identifier?: number; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.refusal = refusal;
    this.identifier = options.identifier ?? null;
  }
}
