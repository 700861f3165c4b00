/**
 * Whole key generations for tests, all participants in one place.
 *
 * @module
 */

import { assertDefined } from "../../lib/assert.ts";
import {
  beginKeyGeneration,
  type CheckedShare,
  checkPairwiseShare,
  combineShares,
  dealShares,
  type DkgBeginning,
  type PairwiseShare,
} from "../../lib/frost/dkg.ts";
import {
  type CheckedCommitment,
  checkPolynomialCommitment,
  type DkgParameters,
  hashPolynomialCommitment,
  type PolynomialCommitment,
} from "../../lib/frost/dkg_commitment.ts";
import type { RandomBytes } from "../../lib/frost/noble.ts";
import { seededBytes } from "./seeded_bytes.ts";

/** Parameters with a context of their own, or with the one given. */
export function dkgParameters(
  minParticipants: number,
  maxParticipants: number,
  context: Uint8Array = Uint8Array.of(1, 2, 3),
): DkgParameters {
  return { minParticipants, maxParticipants, context };
}

/** Step 1 of every participant, each with randomness of its own. */
export function beginAll(
  parameters: DkgParameters,
  randomBytesOf: (identifier: number) => RandomBytes = seededBytes,
): DkgBeginning[] {
  return Array.from({ length: parameters.maxParticipants }, (_, at) => {
    const identifier = at + 1;
    return beginKeyGeneration(parameters, { identifier, randomBytes: randomBytesOf(identifier) });
  });
}

/** Passes a commitment whose hash was never in doubt. */
export function passCommitment(
  parameters: DkgParameters,
  commitment: PolynomialCommitment,
): CheckedCommitment {
  const hash = hashPolynomialCommitment(parameters, commitment);
  return checkPolynomialCommitment(parameters, commitment, hash);
}

/** One participant's checked shares out of everything that was dealt. */
export function sharesFor(
  receiver: number,
  commitments: readonly CheckedCommitment[],
  dealt: readonly PairwiseShare[],
): CheckedShare[] {
  return commitments.map((commitment) => {
    const { identifier } = commitment;
    const share = dealt.find((candidate) =>
      candidate.sender === identifier && candidate.receiver === receiver
    );
    return checkPairwiseShare(commitment, assertDefined(share, "no share"));
  });
}

/** A whole key generation; the index in each list is the identifier less one. */
export interface TestKeyGeneration {
  /** Step 1; the polynomials are erased. */
  readonly beginnings: readonly DkgBeginning[];
  /** All commitments, passed. */
  readonly commitments: readonly CheckedCommitment[];
  /** Everybody's share for everybody. */
  readonly dealt: readonly PairwiseShare[];
  /** What each participant ends with. */
  readonly results: readonly ReturnType<typeof combineShares>[];
}

/** All three steps of all participants. */
export function generateKeys(
  parameters: DkgParameters,
  randomBytesOf: (identifier: number) => RandomBytes = seededBytes,
): TestKeyGeneration {
  const beginnings = beginAll(parameters, randomBytesOf);
  const commitments = beginnings.map(({ commitment }) => passCommitment(parameters, commitment));
  const dealt = beginnings.flatMap(({ polynomial }) => dealShares(parameters, polynomial));
  const results = beginnings.map((_, at) => {
    const identifier = at + 1;
    const shares = sharesFor(identifier, commitments, dealt);
    return combineShares(parameters, { identifier, commitments, shares });
  });
  return { beginnings, commitments, dealt, results };
}
