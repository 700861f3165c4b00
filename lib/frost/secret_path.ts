/**
 * The way from here into `@noble/curves`' own FROST, for everything that touches a secret: dealing,
 * nonces, signature shares. The arithmetic on secrets is noble's, reviewed and maintained there;
 * only the points are Floe's, so that each is validated once.
 *
 * @module
 */

import { createFROST, type FROST } from "@noble/curves/abstract/frost.js";
import { assert } from "../assert.ts";
import { CONTEXT_STRING, hash } from "./ciphersuite.ts";
import { computeChallenge } from "./group_commitment.ts";
import { FrostError } from "./error.ts";
import { PrimeOrderPoint } from "./points.ts";

/** Returns `length` fresh random bytes. Must be a cryptographic source wherever secrets are real. */
export type RandomBytes = (length: number) => Uint8Array;

/** Largest identifier, and so most participants, that Floe gives out. */
export const IDENTIFIER_MAX = 0xffff;

/** FROST(Ed25519, SHA-512) over validated points (RFC 9591 §6.1). */
export const secretPath: FROST = createSecretPath();

/**
 * FROST(Ed25519, SHA-512) over validated points, which also tells `onGroupCommitment` the group
 * commitment that a signature share is made for, so that nobody has to compute it again.
 */
export function createSecretPath(
  onGroupCommitment: (groupCommitment: PrimeOrderPoint) => unknown = () => {},
): FROST {
  return createFROST<PrimeOrderPoint>({
    name: CONTEXT_STRING,
    Point: PrimeOrderPoint,
    hash,
    challenge: (groupCommitment, groupPublicKey, message) => {
      onGroupCommitment(groupCommitment);
      return computeChallenge(groupCommitment, groupPublicKey, message);
    },
  });
}

/**
 * Checks an identifier and writes it as noble does: the scalar's encoding in hex.
 *
 * @throws {FrostError} `bad-identifier` unless it is a whole number from 1 to 65,535. RFC 9591 §3.
 */
export function toNobleIdentifier(identifier: number): string {
  if (!Number.isInteger(identifier) || identifier < 1 || identifier > IDENTIFIER_MAX) {
    throw new FrostError(
      "bad-identifier",
      `Cannot use identifier: ${identifier} is not a whole number from 1 to ${IDENTIFIER_MAX}`,
    );
  }
  return secretPath.Identifier.fromNumber(identifier);
}

/** Fits a source of randomness to noble and holds it to its word about the length. */
export function toNobleRandomBytes(
  randomBytes: RandomBytes,
): (length?: number) => Uint8Array<ArrayBuffer> {
  return (length = 32) => {
    // A type only: noble asks for bytes that are not shared between threads. No copy to erase.
    const bytes = randomBytes(length) as Uint8Array<ArrayBuffer>;
    assert(bytes.length === length, `Randomness came as ${bytes.length} bytes, not ${length}`);
    return bytes;
  };
}
