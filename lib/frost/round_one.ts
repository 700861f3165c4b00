/**
 * Round one: a signer commits to fresh nonces (RFC 9591 §5.1).
 *
 * @module
 */

import type { NonceCommitment } from "./group_commitment.ts";
import type { SecretShare } from "./keys.ts";
import { commitWithNoble, type RandomBytes } from "./secret_path.ts";

/**
 * A signer's secret nonces for one signature share. Kept in memory only, by the signer alone, from
 * round one until round two; {@linkcode signShare} erases them, {@linkcode eraseNonces} those that
 * will not be used. Used for two different messages they give the secret share away.
 */
export interface SigningNonces {
  /** hiding_nonce: a 32-byte scalar. */
  readonly hiding: Uint8Array;
  /** binding_nonce: a 32-byte scalar. */
  readonly binding: Uint8Array;
}

/** What round one makes: nonces to keep, and their commitment to send. */
export interface RoundOne {
  /** Stay with the signer. */
  readonly nonces: SigningNonces;
  /** Goes to the coordinator. */
  readonly commitment: NonceCommitment;
}

/**
 * commit: draws two nonces, each hashed from 32 fresh random bytes and the secret share, and
 * commits to them. RFC 9591 §4.1, §5.1.
 */
export function commit(share: SecretShare, randomBytes: RandomBytes): RoundOne {
  return commitWithNoble(share, randomBytes);
}

/** Erases nonces: fills both with zeros, which {@linkcode isErased} and round two recognise. */
export function eraseNonces(nonces: SigningNonces): void {
  nonces.hiding.fill(0);
  nonces.binding.fill(0);
}

/** Whether nonces were used or erased: either of them zero. */
export function isErased(nonces: SigningNonces): boolean {
  return nonces.hiding.every(isZero) || nonces.binding.every(isZero);
}

function isZero(byte: number): boolean {
  return byte === 0;
}
