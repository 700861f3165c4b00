/**
 * Key generation without a dealer: Pedersen's DKG with proofs of knowledge, as in Figure 1 (KeyGen)
 * of the FROST paper (Komlo and Goldberg, 2020). The group's secret key is the sum of one secret from
 * each participant; it is never computed, and exists nowhere as long as one participant forgets its
 * polynomial and fewer than t keep shares together.
 *
 * 1. {@linkcode beginKeyGeneration}: each participant draws a polynomial of degree t - 1 and sends
 *    the hash of its commitment. With everybody's hash at hand, and not before, it reveals the
 *    commitment, which each receiver puts through {@linkcode checkPolynomialCommitment}.
 * 2. {@linkcode dealShares}: each participant evaluates its polynomial for everybody, once, which
 *    erases it, and sends each value to its one receiver over a secret, authenticated channel. The
 *    receiver checks it against the sender's commitment: {@linkcode checkPairwiseShare}.
 * 3. {@linkcode combineShares}: the sum is the participant's share. Participants that combine the same
 *    commitments have the same group; the caller establishes that everybody did.
 *
 * Every refusal names the participant at fault.
 *
 * **Where Floe differs from the paper.** The hash before the commitment is Floe's: without it the
 * last to speak chooses its polynomial after seeing all others, and with it some bits of the group
 * key. All n participants must finish; nobody is disqualified, since leaving somebody out after its
 * contribution is seen is the other known way to bias the key. The proof's context stands before
 * the identifier; empty, proofs are frost-core's.
 *
 * **Secrets.** A polynomial lives in its participant's memory from step 1 to step 2. A pairwise
 * share lives with its sender until the receiver has it for good, and with its receiver until step
 * 3; both erase it by filling it with zeros. The combined share is the receiver's
 * {@linkcode SecretShare}. JavaScript can copy numbers behind our back, so erasing is an effort
 * and not a proof.
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";
import { catching } from "../errors.ts";
import type { Brand } from "../types.ts";
import {
  addCommitments,
  type CheckedCommitment,
  type DkgParameters,
  evaluateCommitment,
  hashPolynomialCommitment,
  type PolynomialCommitment,
} from "./dkg_commitment.ts";
import { FrostError } from "./error.ts";
import {
  checkParticipants,
  checkSecretShare,
  type GroupPublicKeys,
  type SecretShare,
} from "./keys.ts";
import { PrimeOrderPoint } from "./points.ts";
import { type RandomBytes } from "./noble.ts";
import {
  addShares,
  commitToShare,
  drawPolynomial,
  evaluatePolynomial,
  type SecretPolynomial,
} from "./polynomial.ts";

/** What step 1 makes. */
export interface DkgBeginning {
  /** Stays with the participant, until {@linkcode dealShares} erases it. */
  readonly polynomial: SecretPolynomial;
  /** For everybody, once everybody's hash is at hand. */
  readonly commitment: PolynomialCommitment;
  /** For everybody, at once: 64 bytes. */
  readonly hash: Uint8Array;
}

/** A share from one participant for another, on its way. */
export interface PairwiseShare {
  /** The sender, from whose polynomial it is. */
  readonly sender: number;
  /** The participant that it is for. */
  readonly receiver: number;
  /** f_sender(receiver): a 32-byte scalar. */
  readonly secret: Uint8Array;
}

/**
 * A share that {@linkcode checkPairwiseShare} has passed: a copy of its own, which
 * {@linkcode combineShares} erases.
 */
export type CheckedShare = Brand<PairwiseShare, "CheckedShare">;

/** What a participant brings to step 3. */
export interface DkgContributions {
  /** The participant. */
  readonly identifier: number;
  /** One of every participant, its own included. */
  readonly commitments: readonly CheckedCommitment[];
  /** One from every participant, its own included; erased, whatever comes of the call. */
  readonly shares: readonly CheckedShare[];
}

/**
 * Draws a polynomial and commits to it.
 *
 * @throws {FrostError} `bad-threshold` for numbers that make no group, `bad-identifier` for a
 * participant outside it. FROST paper, Figure 1, round 1, steps 1 to 3.
 */
export function beginKeyGeneration(
  parameters: DkgParameters,
  options: { readonly identifier: number; readonly randomBytes: RandomBytes },
): DkgBeginning {
  checkParticipants(parameters);
  checkParticipant(parameters, options.identifier);
  const { polynomial, commitment } = drawPolynomial(parameters, options);
  return { polynomial, commitment, hash: hashPolynomialCommitment(parameters, commitment) };
}

/**
 * Everybody's share of a polynomial, the participant's own included, by rising receiver. Erases the
 * polynomial: it has n values and no more, since t of them in one hand are the whole of it.
 *
 * @throws {FrostError} `polynomial-used` when it was erased before. FROST paper, Figure 1, round 2,
 * steps 1 and 2.
 */
export function dealShares(
  { maxParticipants }: DkgParameters,
  polynomial: SecretPolynomial,
): PairwiseShare[] {
  if (polynomial.coefficients.every((coefficient) => coefficient.every((byte) => byte === 0))) {
    throw new FrostError("polynomial-used", "Cannot deal shares: the polynomial was erased");
  }
  const { identifier: sender } = polynomial;
  const shares = Array.from({ length: maxParticipants }, (_, at) => ({
    sender,
    receiver: at + 1,
    secret: evaluatePolynomial(polynomial, at + 1),
  }));
  erasePolynomial(polynomial);
  return shares;
}

/**
 * Checks a share against its sender's commitment.
 *
 * @throws {FrostError} `bad-share` or `malformed-scalar`, naming the sender. FROST paper, Figure 1,
 * round 2, step 2.
 */
export function checkPairwiseShare(
  commitment: CheckedCommitment,
  share: Omit<PairwiseShare, "sender">,
): CheckedShare {
  const { identifier: sender, vssCommitment } = commitment;
  const { receiver } = share;
  const points = vssCommitment.map((element) => PrimeOrderPoint.fromBytes(element));
  const actual = readShare(sender, share.secret);
  if (actual === null || !actual.equals(evaluateCommitment(points, receiver))) {
    throw new FrostError(
      "bad-share",
      `Cannot accept share: participant ${sender}'s share for ${receiver} is not of its commitment`,
      { identifier: sender },
    );
  }
  return { sender, receiver, secret: share.secret.slice() } as CheckedShare;
}

/**
 * The participant's share of the group's secret key, and the group's public keys. Erases the pairwise
 * shares.
 *
 * @throws {FrostError} `identity-element` when the sum of all is zero somewhere, which nobody can
 * bring about who committed before the others revealed.
 * @throws {InvariantError} unless there is one commitment and one share of each participant. FROST
 * paper, Figure 1, round 2, steps 3 and 4.
 */
export function combineShares(
  parameters: DkgParameters,
  { identifier, commitments, shares }: DkgContributions,
): { readonly group: GroupPublicKeys; readonly share: SecretShare } {
  try {
    const participants = participantsOf(parameters);
    assert(
      isOneOfEach(participants, commitments.map((commitment) => commitment.identifier)),
      "Key generation ends with one commitment of each participant",
    );
    assert(
      isOneOfEach(participants, shares.map(({ sender }) => sender)) &&
        shares.every(({ receiver }) => receiver === identifier),
      "Key generation ends with one share from each participant, all for the same",
    );
    const group = toGroup(parameters, commitments);
    const share = { identifier, secret: addShares(shares.map(({ secret }) => secret)) };
    checkSecretShare(group, share);
    return { group, share };
  } finally {
    for (const { secret } of shares) secret.fill(0);
  }
}

/** Erases a polynomial that will not be used: fills its coefficients with zeros. */
export function erasePolynomial({ coefficients }: SecretPolynomial): void {
  for (const coefficient of coefficients) coefficient.fill(0);
}

/** FROST paper, Figure 1, round 2, step 4. */
function toGroup(
  parameters: DkgParameters,
  commitments: readonly CheckedCommitment[],
): GroupPublicKeys {
  const sum = addCommitments(commitments);
  return {
    minParticipants: parameters.minParticipants,
    groupPublicKey: encodeSum(assertDefined(sum[0], "No group key")),
    verifyingShares: new Map(
      participantsOf(parameters).map((identifier) => {
        return [identifier, encodeSum(evaluateCommitment(sum, identifier))];
      }),
    ),
  };
}

function encodeSum(point: PrimeOrderPoint): Uint8Array {
  if (!point.is0()) return point.toBytes();
  throw new FrostError("identity-element", "Cannot make group: a public key is the identity");
}

/** The public side of a share; null when it is zero. Errors name the sender and no value. */
function readShare(sender: number, secret: Uint8Array): PrimeOrderPoint | null {
  return catching(FrostError, () => commitToShare(secret), (cause) => {
    throw new FrostError(cause.refusal, cause.message, { identifier: sender });
  });
}

function checkParticipant({ maxParticipants }: DkgParameters, identifier: number): void {
  if (Number.isInteger(identifier) && identifier >= 1 && identifier <= maxParticipants) return;
  throw new FrostError(
    "bad-identifier",
    `Cannot generate key: participant ${identifier} is not from 1 to ${maxParticipants}`,
  );
}

function participantsOf({ maxParticipants }: DkgParameters): number[] {
  return Array.from({ length: maxParticipants }, (_, at) => at + 1);
}

function isOneOfEach(participants: readonly number[], found: readonly number[]): boolean {
  return found.length === participants.length &&
    participants.every((participant) => found.includes(participant));
}
