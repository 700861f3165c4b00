/**
 * The keys of a group: its public keys, each participant's secret share, and the trusted dealer that
 * makes both (RFC 9591 Appendix C).
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { equalBytes } from "../bytes.ts";
import { deserializeScalar, lagrangeCoefficients } from "./ciphersuite.ts";
import { FrostError } from "./error.ts";
import { PrimeOrderPoint } from "./points.ts";
import {
  checkIdentifier,
  IDENTIFIER_MAX,
  openNoble,
  type RandomBytes,
  toNobleIdentifier,
  toNobleRandomBytes,
} from "./noble.ts";

/** The public keys of a group (RFC 9591 §3, Appendix C.1). */
export interface GroupPublicKeys {
  /** MIN_PARTICIPANTS: how many must sign, at least 2. */
  readonly minParticipants: number;
  /** The group's Ed25519 public key PK: 32 bytes. */
  readonly groupPublicKey: Uint8Array;
  /** PK_i, the public key of each participant's secret share, by identifier: 32 bytes each. */
  readonly verifyingShares: ReadonlyMap<number, Uint8Array>;
}

/**
 * One participant's part of the group's secret key (RFC 9591 §3: `sk_i`). Only its participant keeps it,
 * for as long as the participant may sign, and then erases it by filling it with zeros.
 */
export interface SecretShare {
  /** The participant, from 1. */
  readonly identifier: number;
  /** The share: a 32-byte scalar. */
  readonly secret: Uint8Array;
}

/** The result of a trusted dealer. */
export interface Dealing {
  /** Public, for all participants. */
  readonly group: GroupPublicKeys;
  /** One for each participant, by rising identifier. The dealer erases its copies after sending them. */
  readonly shares: readonly SecretShare[];
}

/** The settings of a trusted dealer. */
export interface DealingOptions {
  /** MAX_PARTICIPANTS, n: how many participants get a share. Their identifiers are 1 to n. */
  readonly maxParticipants: number;
  /** MIN_PARTICIPANTS: how many must sign, from 2 to `maxParticipants`. */
  readonly minParticipants: number;
  /** The source of the secret key and of the coefficients. */
  readonly randomBytes: RandomBytes;
  /** The group's secret key, a 32-byte scalar. If it is absent, a random one is made. */
  readonly groupSecretKey?: Uint8Array;
}

/**
 * Deals shares of a secret key. Afterwards the key exists nowhere, unless the caller supplied it.
 *
 * @throws {FrostError} `bad-threshold` unless 2 <= minParticipants <= maxParticipants.
 * RFC 9591 Appendix C (trusted_dealer_keygen).
 */
export function trustedDealerKeygen(options: DealingOptions): Dealing {
  checkParticipants(options);
  const { groupPublicKey, participants } = dealWithNoble(options);
  const verifyingShares = new Map(
    participants.map(({ identifier, verifyingShare }) => [identifier, verifyingShare]),
  );
  return {
    group: { minParticipants: options.minParticipants, groupPublicKey, verifyingShares },
    shares: participants.map(({ identifier, secret }) => ({ identifier, secret })),
  };
}

/** The result of noble's dealer. */
interface NobleDealing {
  /** The group's public key: 32 bytes. */
  readonly groupPublicKey: Uint8Array;
  /** Each participant's secret share and its public key, 32 bytes each. By rising identifier. */
  readonly participants: readonly (SecretShare & { readonly verifyingShare: Uint8Array })[];
}

/** trusted_dealer_keygen, for identifiers from 1 upward. RFC 9591 Appendix C. */
function dealWithNoble(options: DealingOptions): NobleDealing {
  const { minParticipants: min, maxParticipants: max, groupSecretKey, randomBytes } = options;
  const dealt = openNoble()
    .trustedDealer({ min, max }, undefined, groupSecretKey, toNobleRandomBytes(randomBytes));
  const participants = Array.from({ length: max }, (_, at) => {
    const name = toNobleIdentifier(at + 1);
    const missing = `the dealer left out participant ${at + 1}`;
    return {
      identifier: at + 1,
      secret: assertDefined(dealt.secretShares[name], missing).signingShare,
      verifyingShare: assertDefined(dealt.public.verifyingShares[name], missing),
    };
  });
  const [commitment] = dealt.public.commitments;
  return { groupPublicKey: assertDefined(commitment, "the group key is missing"), participants };
}

/**
 * Checks that a secret share matches its verifying share.
 *
 * @throws {FrostError} `foreign-signer` when the group has no such participant, `malformed-scalar`,
 * or `bad-share` when the two do not match. RFC 9591 Appendix C.2 (vss_verify).
 */
export function checkSecretShare(group: GroupPublicKeys, share: SecretShare): void {
  const { identifier } = share;
  const expected = group.verifyingShares.get(identifier);
  if (expected === undefined) {
    throw new FrostError(
      "foreign-signer",
      `Cannot use share: the group has no participant ${identifier}`,
      { identifier },
    );
  }
  const scalar = deserializeScalar(share.secret);
  if (scalar === 0n || !equalBytes(PrimeOrderPoint.BASE.multiply(scalar).toBytes(), expected)) {
    throw new FrostError(
      "bad-share",
      `Cannot use share: it does not match participant ${identifier}'s verifying share`,
      { identifier },
    );
  }
}

/**
 * Checks a group from outside: its numbers, every point, and that the verifying shares all lie on one
 * polynomial with the group key as its value at 0. Then any `minParticipants` participants can sign.
 *
 * @throws {FrostError} `bad-threshold`, `bad-identifier`, one of the element refusals, or
 * `bad-share` when the verifying shares do not make the group key. RFC 9591 Appendix C.2.
 */
export function checkGroupPublicKeys(group: GroupPublicKeys): void {
  const { minParticipants, groupPublicKey, verifyingShares } = group;
  checkParticipants({ minParticipants, maxParticipants: verifyingShares.size });
  const identifiers = [...verifyingShares.keys()].sort((left, right) => left - right);
  identifiers.forEach(checkIdentifier);
  const points = new Map<number, PrimeOrderPoint>();
  for (const [identifier, encoded] of verifyingShares) {
    points.set(identifier, PrimeOrderPoint.fromBytes(encoded));
  }
  points.set(0, PrimeOrderPoint.fromBytes(groupPublicKey));
  const basis = identifiers.slice(0, minParticipants);
  for (const identifier of [0, ...identifiers.slice(minParticipants)]) {
    checkOnPolynomial(points, basis, identifier);
  }
}

/** Interpolates the polynomial through the points at `basis` and compares it at `identifier`. */
function checkOnPolynomial(
  points: ReadonlyMap<number, PrimeOrderPoint>,
  basis: readonly number[],
  identifier: number,
): void {
  const at = (x: number) => assertDefined(points.get(x), `there is no point at ${x}`);
  const coefficients = lagrangeCoefficients(basis, identifier);
  const expected = PrimeOrderPoint.sumOfProducts(basis.map(at), coefficients);
  if (!expected.equals(at(identifier))) {
    const what = identifier === 0 ? "the group key" : `participant ${identifier}'s verifying share`;
    throw new FrostError("bad-share", `Cannot use group: its verifying shares do not make ${what}`);
  }
}

/**
 * Checks the numbers of participants of a group.
 *
 * @throws {FrostError} `bad-threshold` unless 2 <= minParticipants <= maxParticipants <= 65,535.
 * RFC 9591 Appendix C.
 */
export function checkParticipants(
  { minParticipants, maxParticipants }: Pick<
    DealingOptions,
    "minParticipants" | "maxParticipants"
  >,
): void {
  const whole = Number.isInteger(minParticipants) && Number.isInteger(maxParticipants);
  if (
    !whole || minParticipants < 2 || minParticipants > maxParticipants ||
    maxParticipants > IDENTIFIER_MAX
  ) {
    throw new FrostError(
      "bad-threshold",
      `Cannot make group: ${minParticipants} of ${maxParticipants} is not within 2 <= ` +
        `minParticipants <= maxParticipants <= ${IDENTIFIER_MAX}`,
    );
  }
}
