/**
 * The way into `@noble/curves`' own FROST, for everything that touches a secret: dealing, key
 * generation, nonces, signature shares. The arithmetic on secrets is noble's, reviewed and maintained
 * there; only the public points that it computes with are Floe's, so that each is validated once.
 *
 * Key generation uses noble's polynomials and scalars, and of its arithmetic two things only: the
 * scalar field, and multiples of the base point.
 *
 * @module
 */

import { createFROST } from "@noble/curves/abstract/frost.js";
import { assert, assertDefined } from "../assert.ts";
import { concatBytes } from "../bytes.ts";
import { CONTEXT_STRING, deserializeScalar, hash, serializeScalar } from "./ciphersuite.ts";
import { type DkgParameters, type PolynomialCommitment, proofChallenge } from "./dkg_commitment.ts";
import { FrostError } from "./error.ts";
import { computeChallenge, type SigningSession } from "./group_commitment.ts";
import type { DealingOptions, SecretShare } from "./keys.ts";
import { PrimeOrderPoint } from "./points.ts";
import type { RoundOne, RoundTwo, Signer } from "./signing.ts";

/** Returns `length` fresh random bytes. Must be a cryptographic source wherever secrets are real. */
export type RandomBytes = (length: number) => Uint8Array;

/** Largest identifier, and so most participants, that Floe gives out. */
export const IDENTIFIER_MAX = 0xffff;

const { BASE, Fn } = PrimeOrderPoint;

/** What noble's dealer makes. */
interface NobleDealing {
  /** The group's public key: 32 bytes. */
  readonly groupPublicKey: Uint8Array;
  /** Each participant's secret share, and the public key of it: 32 bytes. By rising identifier. */
  readonly participants: readonly (SecretShare & { readonly verifyingShare: Uint8Array })[];
}

/** trusted_dealer_keygen, for identifiers from 1 upward. RFC 9591 Appendix C. */
export function dealWithNoble(options: DealingOptions): NobleDealing {
  const { minParticipants: min, maxParticipants: max, groupSecretKey, randomBytes } = options;
  const dealt = createSecretPath()
    .trustedDealer({ min, max }, undefined, groupSecretKey, toNobleRandomBytes(randomBytes));
  const participants = Array.from({ length: max }, (_, at) => {
    const name = toNobleIdentifier(at + 1);
    const missing = `The dealer left out participant ${at + 1}`;
    return {
      identifier: at + 1,
      secret: assertDefined(dealt.secretShares[name], missing).signingShare,
      verifyingShare: assertDefined(dealt.public.verifyingShares[name], missing),
    };
  });
  const [commitment] = dealt.public.commitments;
  return { groupPublicKey: assertDefined(commitment, "No group key"), participants };
}

/** commit: nonces and their commitment. RFC 9591 §4.1, §5.1. */
export function commitWithNoble(share: SecretShare, randomBytes: RandomBytes): RoundOne {
  const { nonces, commitments: { hiding, binding } } = createSecretPath()
    .commit(toNobleShare(share), toNobleRandomBytes(randomBytes));
  return { nonces, commitment: { identifier: share.identifier, hiding, binding } };
}

/**
 * sign: a signature share; erases the nonces when it succeeds. The group commitment that noble
 * computes on the way comes out too, so that nobody has to compute it again. RFC 9591 §5.2.
 */
export function signWithNoble(session: SigningSession, signer: Signer): RoundTwo {
  const { group, message, commitments } = session;
  const groupCommitments: PrimeOrderPoint[] = [];
  const signatureShare = createSecretPath((made) => groupCommitments.push(made)).signShare(
    toNobleShare(signer.share),
    {
      signers: { min: group.minParticipants, max: group.verifyingShares.size },
      commitments: [group.groupPublicKey],
      verifyingShares: {},
    },
    signer.roundOne.nonces,
    commitments.map(({ identifier, hiding, binding }) => {
      return { identifier: toNobleIdentifier(identifier), hiding, binding };
    }),
    message,
  );
  const [groupCommitment] = groupCommitments;
  assert(groupCommitment !== undefined, "A signature share was made for no group commitment");
  return { signatureShare, groupCommitment };
}

/**
 * One participant's secret polynomial in key generation. Held in memory only, by its participant
 * alone, from round one until its values are computed in round two, once, which erases it.
 */
export interface SecretPolynomial {
  /** Whose it is. */
  readonly identifier: number;
  /** a_i0 to a_i(t-1): 32-byte scalars, the constant term first. */
  readonly coefficients: readonly Uint8Array[];
}

/**
 * Draws a random polynomial of degree t - 1, commits to its coefficients, and proves to know its
 * constant term. FROST paper, Figure 1 (KeyGen), round 1, steps 1 to 3.
 */
export function drawPolynomial(
  parameters: DkgParameters,
  options: { readonly identifier: number; readonly randomBytes: RandomBytes },
): { readonly polynomial: SecretPolynomial; readonly commitment: PolynomialCommitment } {
  const { identifier } = options;
  const { minParticipants: min, maxParticipants: max } = parameters;
  const randomBytes = toNobleRandomBytes(options.randomBytes);
  const { utils } = createSecretPath();
  const { coefficients, commitment: vssCommitment } = utils
    .generateSecretPolynomial({ min, max }, undefined, undefined, randomBytes);
  const polynomial = { identifier, coefficients: coefficients.map(serializeScalar) };
  const nonce = utils.randomScalar(randomBytes);
  try {
    const R = BASE.multiply(Fn.fromBytes(nonce)).toBytes();
    const challenge = proofChallenge(parameters, { identifier, vssCommitment, R });
    const constant = assertDefined(coefficients[0], "A polynomial without a constant term");
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
 * [share]B, the public side of a share; null for a share of zero, which has none.
 *
 * @throws {FrostError} `malformed-scalar`.
 */
export function commitToShare(share: Uint8Array): PrimeOrderPoint | null {
  const scalar = deserializeScalar(share);
  return scalar === 0n ? null : BASE.multiply(scalar);
}

/** The sum of everybody's shares for one participant. FROST paper, Figure 1, round 2, step 3. */
export function addShares(shares: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return serializeScalar(shares.reduce((sum, share) => Fn.add(sum, deserializeScalar(share)), 0n));
}

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

/** FROST(Ed25519, SHA-512) over validated points (RFC 9591 §6.1). */
function createSecretPath(
  onGroupCommitment: (groupCommitment: PrimeOrderPoint) => void = () => {},
) {
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

function toNobleShare({ identifier, secret }: SecretShare) {
  return { identifier: toNobleIdentifier(identifier), signingShare: secret };
}

/** Noble names participants by the hex of their scalar's 32 bytes, little-endian. */
function toNobleIdentifier(identifier: number): string {
  checkIdentifier(identifier);
  const low = (identifier & 0xff).toString(16).padStart(2, "0");
  const high = (identifier >> 8).toString(16).padStart(2, "0");
  return (low + high).padEnd(64, "0");
}

/** Fits a source of randomness to noble and holds it to its word about the length. */
function toNobleRandomBytes(
  randomBytes: RandomBytes,
): (length?: number) => Uint8Array<ArrayBuffer> {
  return (length = 32) => {
    // A type only: noble asks for bytes that are not shared between threads. No copy to erase.
    const bytes = randomBytes(length) as Uint8Array<ArrayBuffer>;
    assert(bytes.length === length, `Randomness came as ${bytes.length} bytes, not ${length}`);
    return bytes;
  };
}
