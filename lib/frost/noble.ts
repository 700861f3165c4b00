/**
 * The interface to `@noble/curves`' own FROST, for everything that touches a secret: dealing, key
 * generation, nonces, signature shares. The arithmetic on secrets is noble's, where it is reviewed and
 * maintained. Only the class of public points is Floe's, so that each point is validated once.
 *
 * @module
 */

import { createFROST, type FROST, type FrostSecret } from "@noble/curves/abstract/frost.js";
import { assert } from "../assert.ts";
import { computeChallenge, CONTEXT_STRING, hash } from "./ciphersuite.ts";
import { FrostError } from "./error.ts";
import type { SecretShare } from "./keys.ts";
import { PrimeOrderPoint } from "./points.ts";

/** Returns `length` fresh random bytes. For real secrets the source must be cryptographic. */
export type RandomBytes = (length: number) => Uint8Array;

/** The largest identifier, and so the most participants, in Floe. */
export const IDENTIFIER_MAX = 0xffff;

/**
 * Checks an identifier.
 *
 * @throws {FrostError} `bad-identifier` unless it is a whole number from 1 to 65,535. RFC 9591 §3.
 */
export function checkIdentifier(identifier: number): void {
  if (Number.isInteger(identifier) && identifier >= 1 && identifier <= IDENTIFIER_MAX) return;
  throw new FrostError(
    "bad-identifier",
    `Cannot use identifier: ${identifier} is not a whole number from 1 to ${IDENTIFIER_MAX}`,
  );
}

/**
 * Noble's FROST(Ed25519, SHA-512) over validated points (RFC 9591 §6.1). `onGroupCommitment` receives the
 * group commitment that noble computes in round two, so that it is not computed again.
 */
export function openNoble(
  onGroupCommitment: (groupCommitment: PrimeOrderPoint) => void = () => {},
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

/** A share in noble's format. The secret is not copied, and its memory is not shared between threads. */
export function toNobleShare({ identifier, secret }: SecretShare): FrostSecret {
  return {
    identifier: toNobleIdentifier(identifier),
    signingShare: secret as Uint8Array<ArrayBuffer>,
  };
}

/** Noble names participants by the hex of their scalar's 32 bytes, little-endian. */
export function toNobleIdentifier(identifier: number): string {
  checkIdentifier(identifier);
  const low = (identifier & 0xff).toString(16).padStart(2, "0");
  const high = (identifier >> 8).toString(16).padStart(2, "0");
  return (low + high).padEnd(64, "0");
}

/** Adapts a source of randomness to noble, and checks the length of what it returns. */
export function toNobleRandomBytes(
  randomBytes: RandomBytes,
): (length?: number) => Uint8Array<ArrayBuffer> {
  return (length = 32) => {
    // The cast changes only the type: noble wants bytes that threads do not share. There is no copy.
    const bytes = randomBytes(length) as Uint8Array<ArrayBuffer>;
    assert(
      bytes.length === length,
      `the random source returned ${bytes.length} bytes, not ${length}`,
    );
    return bytes;
  };
}
