/**
 * Key generation without a dealer: Pedersen's DKG with proofs of knowledge, as in Figure 1 (KeyGen) of the FROST
 * paper (Komlo and Goldberg, 2020). The group's secret key is the sum of one secret from each participant. It is
 * never computed. It exists nowhere as long as at least one participant erases its polynomial, and no party
 * collects t shares.
 *
 * 1. {@linkcode beginKeyGeneration}: each participant draws a polynomial of degree t - 1 and sends the hash of its
 * commitment. Only when it has the hashes of all participants does it reveal the commitment. Each receiver checks
 * that with {@linkcode checkPolynomialCommitment}.
 * 2. {@linkcode dealShares}: each participant evaluates its polynomial once for each participant, and erases it.
 * It sends each value to one receiver, over a secret, authenticated channel. The receiver checks the value against
 * the sender's commitment: {@linkcode checkPairwiseShare}.
 * 3. {@linkcode combineShares}: the sum of the received values is the participant's share. Participants that
 * combine the same commitments have the same group. The caller makes sure that they did.
 *
 * Every refusal names the participant at fault.
 *
 * **Where Floe differs from the paper.** The hash before the commitment is Floe's. Without it, the last
 * participant could see all other commitments before it chooses its polynomial, and so choose some bits of the
 * group key. All n participants must finish, and none is disqualified: to leave out a participant after seeing its
 * contribution is the other known way to bias the key. The context is hashed into the proof before the identifier.
 * With an empty context, the proofs are those of frost-core.
 *
 * **Secrets.** A participant keeps its polynomial in memory from step 1 to step 2. The sender keeps a pairwise
 * share until the receiver has stored it, and the receiver keeps it until step 3. Both erase their copy by filling
 * it with zeros. The combined share is the receiver's {@linkcode SecretShare}. The JavaScript engine can copy
 * numbers without our knowledge, so erasing is a best effort and no guarantee.
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

/** The result of step 1. */
export interface DkgBeginning {
  /** SECRET: the participant keeps it, and {@linkcode dealShares} erases it. */
  readonly polynomial: SecretPolynomial;
  /** Sent to all participants, after all hashes have arrived. */
  readonly commitment: PolynomialCommitment;
  /** Sent to all participants at once: 64 bytes. */
  readonly hash: Uint8Array;
}

/** A share that one participant sends to another. */
export interface PairwiseShare {
  /** The identifier of the sender. The share is a value of the sender's polynomial. */
  readonly sender: number;
  /** The identifier of the receiver. */
  readonly receiver: number;
  /** f_sender(receiver): a 32-byte scalar. */
  readonly secret: Uint8Array;
}

/**
 * A share that {@linkcode checkPairwiseShare} has accepted. It is a separate copy, and
 * {@linkcode combineShares} erases it.
 */
export type CheckedShare = Brand<PairwiseShare, "CheckedShare">;

/** The input of step 3. */
export interface DkgContributions {
  /** The participant. */
  readonly identifier: number;
  /** One commitment of each participant, including its own. */
  readonly commitments: readonly CheckedCommitment[];
  /** One share from each participant, including its own. They are erased even when the call fails. */
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
 * The share of each participant, including the sender's own, by rising receiver. Erases the polynomial, so
 * that it is never evaluated again: t values in one hand reveal the whole polynomial.
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
      `Cannot accept share: participant ${sender}'s share for ${receiver} does not match its commitment`,
      { identifier: sender },
    );
  }
  return { sender, receiver, secret: share.secret.slice() } as CheckedShare;
}

/**
 * The participant's share of the group's secret key, and the group's public keys. Erases the pairwise
 * shares.
 *
 * @throws {FrostError} `identity-element` when the sum for a participant, or for the group key, is zero.
 * No participant can cause that, because each sent its hash before the others revealed their commitments.
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
      "there is not one commitment of each participant",
    );
    assert(
      isOneOfEach(participants, shares.map(({ sender }) => sender)) &&
        shares.every(({ receiver }) => receiver === identifier),
      "there is not one share from each participant for this one",
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
    groupPublicKey: encodeSum(assertDefined(sum[0], "the group key is missing")),
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
