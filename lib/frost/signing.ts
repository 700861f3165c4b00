/**
 * Round one: a signer commits to fresh nonces (RFC 9591 §5.1).
 *
 * @module
 */

import { equalBytes } from "../bytes.ts";
import { FrostError } from "./error.ts";
import {
  checkCommitmentList,
  type NonceCommitment,
  type SigningSession,
} from "./group_commitment.ts";
import type { SecretShare } from "./keys.ts";
import type { PrimeOrderPoint } from "./points.ts";
import { commitWithNoble, type RandomBytes, signWithNoble } from "./secret_path.ts";

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

/** What a signer brings to round two. */
export interface Signer {
  /** The signer's secret share; stays as it is. */
  readonly share: SecretShare;
  /** What round one made; its nonces are erased, whatever comes of the call. */
  readonly roundOne: RoundOne;
}

/** What round two makes. */
export interface RoundTwo {
  /** sig_share: a 32-byte scalar, for the coordinator. */
  readonly signatureShare: Uint8Array;
  /** The group commitment R, which a coordinator that signs too can aggregate with. */
  readonly groupCommitment: PrimeOrderPoint;
}

/**
 * sign: makes one signer's signature share for a session and erases the nonces. They are erased
 * also when the session is refused, so that no error leaves a nonce behind for a second try.
 *
 * @throws {FrostError} for everything that {@linkcode checkCommitmentList} refuses, and
 * `nonce-used`, `not-a-signer` or `wrong-commitment`. RFC 9591 §5.2.
 */
export function signShare(session: SigningSession, signer: Signer): RoundTwo {
  const { nonces, commitment } = signer.roundOne;
  try {
    if (isErased(nonces)) throw new FrostError("nonce-used", "Cannot sign: the nonces were used");
    checkCommitmentList(session);
    checkOwnEntry(session, commitment);
    return signWithNoble(session, signer);
  } finally {
    eraseNonces(nonces);
  }
}

/** RFC 9591 §5.2: a signer checks that its own commitment is in the list, unchanged. */
function checkOwnEntry(session: SigningSession, own: NonceCommitment): void {
  const { identifier } = own;
  const entry = session.commitments.find((listed) => listed.identifier === identifier);
  if (entry === undefined) {
    throw new FrostError(
      "not-a-signer",
      `Cannot sign: participant ${identifier} is not among the signers`,
      { identifier },
    );
  }
  if (!equalBytes(entry.hiding, own.hiding) || !equalBytes(entry.binding, own.binding)) {
    throw new FrostError(
      "wrong-commitment",
      `Cannot sign: participant ${identifier}'s entry is not the commitment to its nonces`,
      { identifier },
    );
  }
}
