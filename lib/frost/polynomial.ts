/**
 * The secret side of key generation: a participant's polynomial, its values, and the sums of values.
 * Of noble's arithmetic it uses the polynomial, the scalar field, and multiples of the base point.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { concatBytes } from "../bytes.ts";
import { deserializeScalar, serializeScalar } from "./ciphersuite.ts";
import { type DkgParameters, type PolynomialCommitment, proofChallenge } from "./dkg_commitment.ts";
import { openNoble, type RandomBytes, toNobleRandomBytes } from "./noble.ts";
import { PrimeOrderPoint } from "./points.ts";

const { BASE, Fn } = PrimeOrderPoint;

/**
 * One participant's secret polynomial in key generation. Only its participant keeps it, only in memory,
 * from round one to round two. Round two computes its values once and erases it.
 */
export interface SecretPolynomial {
  /** The participant. */
  readonly identifier: number;
  /** a_i0 to a_i(t-1): 32-byte scalars, the constant term first. */
  readonly coefficients: readonly Uint8Array[];
}

/**
 * Draws a random polynomial of degree t - 1, commits to its coefficients, and proves knowledge of the
 * constant term. FROST paper, Figure 1 (KeyGen), round 1, steps 1 to 3.
 */
export function drawPolynomial(
  parameters: DkgParameters,
  options: { readonly identifier: number; readonly randomBytes: RandomBytes },
): { readonly polynomial: SecretPolynomial; readonly commitment: PolynomialCommitment } {
  const { identifier } = options;
  const { minParticipants: min, maxParticipants: max } = parameters;
  const randomBytes = toNobleRandomBytes(options.randomBytes);
  const { utils } = openNoble();
  const { coefficients, commitment: vssCommitment } = utils
    .generateSecretPolynomial({ min, max }, undefined, undefined, randomBytes);
  const polynomial = { identifier, coefficients: coefficients.map(serializeScalar) };
  const nonce = utils.randomScalar(randomBytes);
  try {
    const R = BASE.multiply(Fn.fromBytes(nonce)).toBytes();
    const challenge = proofChallenge(parameters, { identifier, vssCommitment, R });
    const constant = assertDefined(coefficients[0], "the polynomial has no constant term");
    const mu = Fn.add(Fn.fromBytes(nonce), Fn.mul(constant, challenge));
    const proofOfKnowledge = concatBytes(R, serializeScalar(mu));
    return { polynomial, commitment: { identifier, vssCommitment, proofOfKnowledge } };
  } finally {
    nonce.fill(0);
  }
}

/**
 * The polynomial's value at `identifier`, f_i(l): the 32-byte share for that participant, by Horner's
 * rule in the scalar field. FROST paper, Figure 1, round 2, step 1.
 */
export function evaluatePolynomial(
  { coefficients }: SecretPolynomial,
  identifier: number,
): Uint8Array<ArrayBuffer> {
  const x = BigInt(identifier);
  return serializeScalar(coefficients.reduceRight(
    (value, coefficient) => Fn.add(Fn.mul(value, x), deserializeScalar(coefficient)),
    0n,
  ));
}

/**
 * [share]B, the public side of a share; null when the share is zero.
 *
 * @throws {FrostError} `malformed-scalar`.
 */
export function commitToShare(share: Uint8Array): PrimeOrderPoint | null {
  const scalar = deserializeScalar(share);
  return scalar === 0n ? null : BASE.multiply(scalar);
}

/** The sum of all shares for one participant. FROST paper, Figure 1, round 2, step 3. */
export function addShares(shares: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return serializeScalar(shares.reduce((sum, share) => Fn.add(sum, deserializeScalar(share)), 0n));
}
