/**
 * Resharing: t of the old participants give n' new ones shares of the same secret key, for any n'
 * and any new threshold t'. The group key does not change. Old and new shares cannot be combined. It is
 * the redistribution of Desmedt and Jajodia (1997) with the checks of Wong, Wang and Wing (2002).
 *
 * 1. {@linkcode dealReshare}: an old participant i, the dealer, draws a polynomial g_i of degree t' - 1
 *    with its share s_i as the value at 0. It commits to g_i, and evaluates g_i for each new participant.
 * 2. {@linkcode checkReshareCommitment}: all participants check the commitment. Its constant term must be
 *    the dealer's verifying share, so a dealer can deal nothing but its own share.
 * 3. {@linkcode checkSubShare}: a receiver checks its value of g_i against the commitment.
 * 4. {@linkcode combineSubShares}: a receiver's new share is the sum of lambda_i g_i(j) over at least t
 *    dealers. All receivers use the same dealers. {@linkcode toResharedGroup} computes the public half.
 *
 * The caller decides which dealers count, and makes sure that all participants have the same commitments.
 * A refusal names the dealer at fault, if there is one.
 *
 * **Where Floe differs from key generation (`dkg.ts`).** There is no proof of knowledge and no hash before
 * the commitment: the constant terms are known beforehand, so no dealer can influence the key.
 *
 * **Secrets.** {@linkcode dealReshare} erases the polynomial before it returns. The dealer keeps a
 * sub-share until the receiver no longer needs it, and the receiver keeps it until step 4. Both erase
 * their copy by filling it with zeros. Any t shares of one epoch reveal the key for ever, so each
 * participant must erase its old share once the new one has replaced it.
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

/** What all participants of one resharing must agree on beforehand. */
export interface ReshareParameters {
  /** The old group, whose participants may deal. */
  readonly group: GroupPublicKeys;
  /** The new threshold t': from 2 to the number of receivers. */
  readonly minParticipants: number;
  /** The new participants, by strictly rising identifier. */
  readonly receivers: readonly number[];
}

/** A dealer's commitment. Public. */
export interface ReshareCommitment {
  /** The dealer's old identifier. */
  readonly dealer: number;
  /** C_i0 to C_i(t'-1): 32 bytes each, the constant term first. */
  readonly elements: readonly Uint8Array[];
}

/**
 * A commitment that {@linkcode checkReshareCommitment} has accepted. Sub-shares and sums take only checked
 * commitments, so no caller can replace one by another.
 */
export type CheckedReshareCommitment = Brand<
  ReshareCommitment & { readonly points: readonly PrimeOrderPoint[] },
  "CheckedReshareCommitment"
>;

/** A value of a dealer's polynomial, which the dealer sends to one receiver. */
export interface SubShare {
  /** Identifier of the old voter that dealt. */
  readonly dealer: number;
  /** The new participant that receives it. */
  readonly receiver: number;
  /** g_dealer(receiver): a 32-byte scalar. SECRET. */
  readonly secret: Uint8Array;
}

/** A copy of a sub-share that {@linkcode checkSubShare} has accepted. Its holder erases it. */
export type CheckedSubShare = Brand<SubShare, "CheckedSubShare">;

/** The result of a dealer. */
export interface ReshareDeal {
  /** Public, for all participants. */
  readonly commitment: ReshareCommitment;
  /** One for each receiver, in the receivers' order. The dealer sends them and erases them. */
  readonly subShares: readonly SubShare[];
}

/** The input of step 4. */
export interface ReshareContributions {
  /** The receiver. */
  readonly identifier: number;
  /** The commitments of the dealers that count: at least t of the old group, in any order. */
  readonly commitments: readonly CheckedReshareCommitment[];
  /** One from each of these dealers. */
  readonly subShares: readonly CheckedSubShare[];
}

/**
 * Deals this participant's share to the receivers. Each call draws a fresh polynomial and erases it.
 *
 * @throws {FrostError} `bad-threshold` or `bad-identifier` for invalid parameters; `foreign-signer`,
 * `malformed-scalar` or `bad-share` when the share does not belong to the old group.
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
 * Checks the numbers and identifiers of a resharing.
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
    `Cannot reshare: receiver ${unsorted} is out of order or appears twice`,
  );
}

/**
 * Checks a dealer's commitment: the dealer is an old participant; there are exactly t' elements; each is
 * canonical, of prime order and not the identity; and the first is the dealer's verifying share. Returns
 * a copy that shares no bytes with the argument.
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
  if (!equalBytes(assertDefined(constant, "the commitment is empty"), verifyingShare)) {
    throw refused("wrong-commitment", dealer, "its constant term is not its verifying share");
  }
  const copies = [verifyingShare, ...others].map((element) => element.slice());
  // The points are kept here, because large groups have more points than the cache remembers.
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
      `Cannot accept sub-share: participant ${dealer}'s for ${receiver} does not match its commitment`,
      { identifier: dealer },
    );
  }
  return { dealer, receiver, secret: secret.slice() } as SubShare as CheckedSubShare;
}

/**
 * The new group, computed from these dealers' commitments.
 *
 * @throws {FrostError} `too-few-signers` for fewer dealers than the old threshold; `bad-share` when
 * the constant terms do not make the group key, so the old group was invalid; `identity-element` when a
 * participant's new share would be zero.
 * @throws {InvariantError} when a dealer appears twice.
 */
export function toResharedGroup(
  { group, minParticipants, receivers }: ReshareParameters,
  commitments: readonly CheckedReshareCommitment[],
): GroupPublicKeys {
  const sums = sumCommitments(group, commitments);
  const constant = assertDefined(sums[0], "the commitments are empty");
  // This rule keeps the key: the sum of lambda_i C_i0 must be the group key.
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
      "there is not one sub-share from each dealer for this receiver",
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
    const { secret } = assertDefined(found, `participant ${dealer}'s sub-share is missing`);
    const weight = assertDefined(weights[at], "a dealer has no weight");
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
  return assertDefined(first, "there are no commitments").map((_, at) =>
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

/** Runs a computation. If it is refused, the error names the dealer, and no value. */
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
