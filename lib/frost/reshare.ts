/**
 * Resharing: t of the old participants give n' new ones shares of the same secret key, for any n'
 * and any new threshold t'. The group key stays; old and new shares do not combine. It is Desmedt and
 * Jajodia's redistribution (1997) with the checks of Wong, Wang and Wing (2002).
 *
 * 1. {@linkcode dealReshare}: an old participant i, the dealer, draws a polynomial g_i of degree t' - 1
 *    whose value at 0 is its share s_i, commits to it, and evaluates it for everybody new.
 * 2. {@linkcode checkReshareCommitment}: everybody checks the commitment. Its constant term must be
 *    the dealer's verifying share, so a dealer cannot deal anything but its share.
 * 3. {@linkcode checkSubShare}: a receiver checks its value of g_i against the commitment.
 * 4. {@linkcode combineSubShares}: from t dealers or more, all receivers use the same ones, a
 *    receiver's new share is the sum of lambda_i g_i(j). {@linkcode toResharedGroup} is the public
 *    half of this, for everybody.
 *
 * Which dealers count, and that everybody has the same commitments, is for the caller to establish.
 * Every refusal names the dealer at fault where there is one.
 *
 * **Where Floe differs from key generation (`dkg.ts`).** No proof of knowledge and no hash before the
 * commitment: the constant terms are known beforehand, so nobody can choose the key.
 *
 * **Secrets.** The polynomial does not outlive {@linkcode dealReshare}. A sub-share lives with its
 * dealer until the receiver needs it no more, and with its receiver until step 4; both erase it by
 * filling it with zeros. Any t shares of one epoch are the key for ever, so an old share that is
 * replaced must be erased by its participant.
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";
import { equalBytes } from "../bytes.ts";
import { catching } from "../errors.ts";
import type { Brand } from "../types.ts";
import { deserializeScalar, lagrangeCoefficients, serializeScalar } from "./ciphersuite.ts";
import { evaluateCommitment } from "./dkg_commitment.ts";
import { FrostError } from "./error.ts";
import {
  checkParticipants,
  checkSecretShare,
  type GroupPublicKeys,
  type SecretShare,
} from "./keys.ts";
import { checkIdentifier, openNoble, type RandomBytes, toNobleRandomBytes } from "./noble.ts";
import { PrimeOrderPoint } from "./points.ts";
import { commitToShare, evaluatePolynomial } from "./polynomial.ts";

const { Fn } = PrimeOrderPoint;

/** What everybody in one resharing agrees on beforehand. */
export interface ReshareParameters {
  /** The old group, whose participants may deal. */
  readonly group: GroupPublicKeys;
  /** The new threshold t': from 2 to the number of receivers. */
  readonly minParticipants: number;
  /** The new participants, by strictly rising identifier. */
  readonly receivers: readonly number[];
}

/** What a dealer says publicly. */
export interface ReshareCommitment {
  /** The dealer's old identifier. */
  readonly dealer: number;
  /** C_i0 to C_i(t'-1): 32 bytes each, the constant term first. */
  readonly elements: readonly Uint8Array[];
}

/**
 * A commitment that {@linkcode checkReshareCommitment} has passed. Sub-shares and sums take these
 * only, so nothing can be put in a checked commitment's place.
 */
export type CheckedReshareCommitment = Brand<
  ReshareCommitment & { readonly points: readonly PrimeOrderPoint[] },
  "CheckedReshareCommitment"
>;

/** A value of a dealer's polynomial, on its way. */
export interface SubShare {
  /** Identifier of the old voter that dealt. */
  readonly dealer: number;
  /** The new participant that it is for. */
  readonly receiver: number;
  /** g_dealer(receiver): a 32-byte scalar. SECRET. */
  readonly secret: Uint8Array;
}

/** A copy of a sub-share that {@linkcode checkSubShare} has passed; its holder erases it. */
export type CheckedSubShare = Brand<SubShare, "CheckedSubShare">;

/** What a dealer makes. */
export interface ReshareDeal {
  /** For everybody. */
  readonly commitment: ReshareCommitment;
  /** One for each receiver, in their order; the dealer's to hand over, and to erase. */
  readonly subShares: readonly SubShare[];
}

/** What a receiver brings to step 4. */
export interface ReshareContributions {
  /** The receiver. */
  readonly identifier: number;
  /** The commitments of the dealers that count: t of the old group or more, by any order. */
  readonly commitments: readonly CheckedReshareCommitment[];
  /** One from each of these dealers. */
  readonly subShares: readonly CheckedSubShare[];
}

/**
 * Deals this participant's share to the receivers. The polynomial is fresh in each call, and erased.
 *
 * @throws {FrostError} `bad-threshold` or `bad-identifier` for parameters that make no group;
 * `foreign-signer`, `malformed-scalar` or `bad-share` when the share is not of the old group.
 */
export function dealReshare(
  parameters: ReshareParameters,
  share: SecretShare,
  randomBytes: RandomBytes,
): ReshareDeal {
  checkReshareParameters(parameters);
  checkSecretShare(parameters.group, share);
  const { minParticipants: min, receivers } = parameters;
  const { coefficients, commitment } = openNoble().utils.generateSecretPolynomial(
    { min, max: receivers.length },
    share.secret,
    undefined,
    toNobleRandomBytes(randomBytes),
  );
  const { identifier: dealer } = share;
  const polynomial = { identifier: dealer, coefficients: coefficients.map(serializeScalar) };
  try {
    return {
      commitment: { dealer, elements: commitment },
      subShares: receivers.map((receiver) => {
        return { dealer, receiver, secret: evaluatePolynomial(polynomial, receiver) };
      }),
    };
  } finally {
    for (const coefficient of polynomial.coefficients) coefficient.fill(0);
    coefficients.fill(0n);
  }
}

/**
 * Checks a resharing's numbers.
 *
 * @throws {FrostError} `bad-threshold` unless 2 <= t' <= n'; `bad-identifier` unless the receivers'
 * identifiers are from 1 to 65,535 and rise strictly.
 */
export function checkReshareParameters(
  { minParticipants, receivers }: Omit<ReshareParameters, "group">,
): void {
  checkParticipants({ minParticipants, maxParticipants: receivers.length });
  receivers.forEach(checkIdentifier);
  const unsorted = receivers.find((receiver, at) => at > 0 && receiver <= (receivers[at - 1] ?? 0));
  if (unsorted === undefined) return;
  throw new FrostError(
    "bad-identifier",
    `Cannot reshare: receiver ${unsorted} is out of order or there twice`,
  );
}

/**
 * Checks a dealer's commitment: an old participant, exactly t' elements, each canonical, of prime
 * order and not the identity, and the first the dealer's verifying share. Returns a copy that shares
 * no bytes with what came.
 *
 * @throws {FrostError} `foreign-signer`, `wrong-commitment-length`, `wrong-commitment` or one of the
 * element refusals, each naming the dealer.
 */
export function checkReshareCommitment(
  { group, minParticipants }: ReshareParameters,
  { dealer, elements }: ReshareCommitment,
): CheckedReshareCommitment {
  const verifyingShare = group.verifyingShares.get(dealer);
  if (verifyingShare === undefined) {
    throw refused("foreign-signer", dealer, "the old group has no such participant");
  }
  if (elements.length !== minParticipants) {
    const why = `it has ${elements.length} elements, not ${minParticipants}`;
    throw refused("wrong-commitment-length", dealer, why);
  }
  const [constant, ...others] = elements;
  if (!equalBytes(assertDefined(constant, "A commitment to no coefficient"), verifyingShare)) {
    throw refused("wrong-commitment", dealer, "its constant term is not its verifying share");
  }
  const copies = [verifyingShare, ...others].map((element) => element.slice());
  // Kept, as large groups have more points than are remembered.
  const points = copies.map((element) => naming(dealer, () => PrimeOrderPoint.fromBytes(element)));
  const checked = { dealer, elements: copies, points };
  return checked as ReshareCommitment as CheckedReshareCommitment;
}

/**
 * Checks a sub-share against its dealer's commitment.
 *
 * @throws {FrostError} `bad-share` or `malformed-scalar`, naming the dealer.
 */
export function checkSubShare(
  commitment: CheckedReshareCommitment,
  { receiver, secret }: Omit<SubShare, "dealer">,
): CheckedSubShare {
  const { dealer } = commitment;
  const expected = evaluateCommitment(commitment.points, receiver);
  const actual = naming(dealer, () => commitToShare(secret));
  if (!(actual ?? PrimeOrderPoint.ZERO).equals(expected)) {
    throw new FrostError(
      "bad-share",
      `Cannot accept sub-share: participant ${dealer}'s for ${receiver} is not of its commitment`,
      { identifier: dealer },
    );
  }
  return { dealer, receiver, secret: secret.slice() } as SubShare as CheckedSubShare;
}

/**
 * The new group that these dealers' commitments make.
 *
 * @throws {FrostError} `too-few-signers` for fewer dealers than the old threshold; `bad-share` when
 * the constant terms do not make the group key, so that the old group was none; `identity-element`
 * when somebody's new share would be zero.
 * @throws {InvariantError} when a dealer is there twice.
 */
export function toResharedGroup(
  { group, minParticipants, receivers }: ReshareParameters,
  commitments: readonly CheckedReshareCommitment[],
): GroupPublicKeys {
  const sums = sumCommitments(group, commitments);
  const constant = assertDefined(sums[0], "A sum of no coefficients");
  // The rule that the key survives by: the sum of lambda_i C_i0 is the group key.
  if (!constant.equals(PrimeOrderPoint.fromBytes(group.groupPublicKey))) {
    throw new FrostError(
      "bad-share",
      "Cannot reshare: the dealers' shares do not make the group key",
    );
  }
  const verifyingShares = new Map(receivers.map((receiver) => {
    return [receiver, encodeShare(receiver, evaluateCommitment(sums, receiver))];
  }));
  return { minParticipants, groupPublicKey: group.groupPublicKey.slice(), verifyingShares };
}

/**
 * A receiver's new share, checked against the new group. Erases the sub-shares.
 *
 * @throws {FrostError} as {@linkcode toResharedGroup}.
 * @throws {InvariantError} unless there is one sub-share of each dealer, all for this receiver.
 */
export function combineSubShares(
  parameters: ReshareParameters,
  { identifier, commitments, subShares }: ReshareContributions,
): { readonly group: GroupPublicKeys; readonly share: SecretShare } {
  try {
    const dealers = commitments.map(({ dealer }) => dealer);
    assert(
      subShares.length === dealers.length &&
        subShares.every(({ receiver }) => receiver === identifier),
      "A resharing ends with one sub-share from each dealer, all for the same",
    );
    const group = toResharedGroup(parameters, commitments);
    const share = { identifier, secret: interpolate(dealers, subShares) };
    checkSecretShare(group, share);
    return { group, share };
  } finally {
    for (const { secret } of subShares) secret.fill(0);
  }
}

/** The sum of lambda_i g_i(j). RFC 9591 §4.2 for the weights. */
function interpolate(dealers: readonly number[], subShares: readonly SubShare[]): Uint8Array {
  const weights = lagrangeCoefficients(dealers);
  const sum = dealers.reduce((total, dealer, at) => {
    const found = subShares.find((subShare) => subShare.dealer === dealer);
    const { secret } = assertDefined(found, `No sub-share of participant ${dealer}`);
    const weight = assertDefined(weights[at], "A dealer without a weight");
    return Fn.add(total, Fn.mul(weight, deserializeScalar(secret)));
  }, 0n);
  return serializeScalar(sum);
}

/** The commitment to the sum of lambda_i g_i, coefficient by coefficient. */
function sumCommitments(
  { minParticipants }: GroupPublicKeys,
  commitments: readonly CheckedReshareCommitment[],
): PrimeOrderPoint[] {
  if (commitments.length < minParticipants) {
    throw new FrostError(
      "too-few-signers",
      `Cannot reshare: ${commitments.length} dealers are fewer than ${minParticipants}`,
    );
  }
  const weights = lagrangeCoefficients(commitments.map(({ dealer }) => dealer));
  const points = commitments.map((commitment) => commitment.points);
  const [first] = points;
  return assertDefined(first, "A sum of no commitments").map((_, at) =>
    PrimeOrderPoint.sumOfProducts(
      points.map((elements) => assertDefined(elements[at], "Another degree")),
      weights,
    )
  );
}

function encodeShare(receiver: number, point: PrimeOrderPoint): Uint8Array {
  if (!point.is0()) return point.toBytes();
  throw new FrostError("identity-element", `Cannot reshare: ${receiver}'s new share is zero`);
}

/** Runs a computation whose refusal is the dealer's fault. Errors name the dealer and no value. */
function naming<Result>(dealer: number, compute: () => Result): Result {
  return catching(FrostError, compute, (cause) => {
    throw new FrostError(cause.refusal, cause.message, { identifier: dealer });
  });
}

function refused(
  refusal: "foreign-signer" | "wrong-commitment-length" | "wrong-commitment",
  dealer: number,
  why: string,
): FrostError {
  return new FrostError(refusal, `Cannot accept participant ${dealer}'s commitment: ${why}`, {
    identifier: dealer,
  });
}
