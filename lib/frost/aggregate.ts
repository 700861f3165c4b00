/**
 * Aggregation: the coordinator sums the shares, and finds the wrong shares when the sum is wrong
 * (RFC 9591 §5.3, §5.4).
 *
 * @module
 */

import { type KeyObject, verify } from "node:crypto";
import { assert, assertDefined } from "../assert.ts";
import { concatBytes, encodeHex, equalBytes } from "../bytes.ts";
import { toPublicKey } from "../native_key.ts";
import {
  computeChallenge,
  deserializeScalar,
  ELEMENT_BYTES,
  lagrangeCoefficients,
  serializeScalar,
  SIGNATURE_BYTES,
} from "./ciphersuite.ts";
import { FrostError } from "./error.ts";
import {
  checkCommitmentList,
  computeBindingFactors,
  computeGroupCommitment,
  type SigningSession,
} from "./signing.ts";
import { PrimeOrderPoint } from "./points.ts";

const { Fn } = PrimeOrderPoint;

/** The input of an aggregation. */
export interface Aggregation {
  /** One share from each signer of the session, by identifier, as received: nothing is checked yet. */
  readonly signatureShares: ReadonlyMap<number, Uint8Array>;
  /** The session's group commitment, if round two has already computed it. Otherwise it is computed. */
  readonly groupCommitment?: PrimeOrderPoint;
}

/** The result of an aggregation. */
export type AggregateResult =
  /** The group's signature, 64 bytes, verified. */
  | { readonly kind: "signature"; readonly signature: Uint8Array }
  /** No signature: the shares of these signers are wrong. At least one, by rising identifier. */
  | { readonly kind: "cheaters"; readonly identifiers: readonly number[] };

/**
 * aggregate: sums the shares and verifies the sum as an ordinary Ed25519 signature. If that fails, it
 * checks each share and returns the signers of all wrong ones. A share that is not a canonical scalar is
 * wrong.
 *
 * @throws {FrostError} for everything that {@linkcode checkCommitmentList} refuses, and
 * `wrong-shares` unless there is one share for each signer and no other.
 * @throws {InvariantError} when the group or the given group commitment is not the session's.
 * RFC 9591 §5.3, §5.4.
 */
export function aggregate(session: SigningSession, aggregation: Aggregation): AggregateResult {
  checkCommitmentList(session);
  const { signatureShares } = aggregation;
  checkShareSet(session, signatureShares);
  const groupCommitment = aggregation.groupCommitment ??
    computeGroupCommitment(session.commitments, computeBindingFactors(session));
  const sum = sumShares(signatureShares.values());
  if (sum !== null) {
    const signature = concatBytes(groupCommitment.toBytes(), serializeScalar(sum));
    if (verifySignature(session.group.groupPublicKey, session.message, signature)) {
      return { kind: "signature", signature };
    }
  }
  const identifiers = findCheaters(session, signatureShares);
  // If every share is right, the sum is right, unless our own group or group commitment is wrong.
  assert(identifiers.length > 0, "the signature is wrong though every share is right");
  return { kind: "cheaters", identifiers };
}

/**
 * verify_signature_share: whether one signer's share is valid in its session.
 *
 * @throws {FrostError} for everything that {@linkcode checkCommitmentList} refuses, and
 * `not-a-signer`. RFC 9591 §5.4.
 */
export function verifySignatureShare(
  session: SigningSession,
  share: { readonly identifier: number; readonly signatureShare: Uint8Array },
): boolean {
  checkCommitmentList(session);
  const { identifier, signatureShare } = share;
  if (!session.commitments.some((listed) => listed.identifier === identifier)) {
    throw new FrostError(
      "not-a-signer",
      `Cannot verify share: participant ${identifier} is not among the signers`,
      { identifier },
    );
  }
  return !findCheaters(session, new Map([[identifier, signatureShare]])).includes(identifier);
}

/** Checks each given share. Returns the identifiers of the wrong shares, in rising order. */
function findCheaters(
  session: SigningSession,
  signatureShares: ReadonlyMap<number, Uint8Array>,
): number[] {
  const { group, commitments, message } = session;
  const bindingFactors = computeBindingFactors(session);
  const groupCommitment = computeGroupCommitment(commitments, bindingFactors);
  const groupPublicKey = PrimeOrderPoint.fromBytes(group.groupPublicKey);
  const challenge = computeChallenge(groupCommitment, groupPublicKey, message);
  const weights = lagrangeCoefficients(commitments.map(({ identifier }) => identifier));
  return commitments.flatMap(({ identifier, hiding, binding }, at) => {
    const encoded = signatureShares.get(identifier);
    if (encoded === undefined) return [];
    const share = readShare(encoded);
    if (share === null) return [identifier];
    const weight = assertDefined(weights[at], "a signer has no weight");
    const { factor } = assertDefined(bindingFactors[at], "a signer has no binding factor");
    // RFC 9591 §5.4: [z_i]B = D_i + [rho_i]E_i + [challenge * lambda_i]PK_i, solved for D_i.
    const committed = PrimeOrderPoint.sumOfProducts(
      [
        PrimeOrderPoint.BASE,
        PrimeOrderPoint.fromBytes(binding),
        verifyingShareOf(session, identifier),
      ],
      [share, Fn.neg(factor), Fn.neg(Fn.mul(challenge, weight))],
    );
    return committed.equals(PrimeOrderPoint.fromBytes(hiding)) ? [] : [identifier];
  });
}

function verifyingShareOf(session: SigningSession, identifier: number): PrimeOrderPoint {
  const encoded = session.group.verifyingShares.get(identifier);
  return PrimeOrderPoint.fromBytes(assertDefined(encoded, `No participant ${identifier}`));
}

function checkShareSet(
  session: SigningSession,
  signatureShares: ReadonlyMap<number, Uint8Array>,
): void {
  const complete = signatureShares.size === session.commitments.length &&
    session.commitments.every(({ identifier }) => signatureShares.has(identifier));
  if (!complete) {
    throw new FrostError(
      "wrong-shares",
      `Cannot aggregate: ${signatureShares.size} shares are not one for each of ` +
        `${session.commitments.length} signers`,
    );
  }
}

/** The sum of all shares; null when one of them is not a scalar. */
function sumShares(signatureShares: Iterable<Uint8Array>): bigint | null {
  let sum = 0n;
  for (const encoded of signatureShares) {
    const share = readShare(encoded);
    if (share === null) return null;
    sum = Fn.add(sum, share);
  }
  return sum;
}

function readShare(encoded: Uint8Array): bigint | null {
  try {
    return deserializeScalar(encoded);
  } catch (error) {
    if (error instanceof FrostError) return null;
    throw error;
  }
}

/** The key object last used: a process nearly always verifies under the same group key. */
let lastKey: { readonly hex: string; readonly key: KeyObject | null } | null = null;

/** The only encoding of R = identity: the y coordinate 1 (RFC 8032 §5.1.2). */
const IDENTITY_ELEMENT = Uint8Array.of(1, ...new Uint8Array(ELEMENT_BYTES - 1));

/**
 * Whether `signature` is `publicKey`'s signature over `message`: exact lengths, z below the group order,
 * no multiplication by the cofactor, R not the identity. Malformed bytes give false, never an error.
 *
 * RFC 8032 §5.1.7, except for R: the RFC accepts the identity, and strict verifiers refuse every R of
 * small order. With a key of prime order, R is in the key's group. There the identity is the only element
 * of small order.
 */
export function verifySignature(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (publicKey.length !== ELEMENT_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  if (equalBytes(signature.subarray(0, ELEMENT_BYTES), IDENTITY_ELEMENT)) return false;
  const key = toKeyObject(publicKey);
  return key !== null && verify(null, message, key, signature);
}

/** The key object; null when the native parser finds no point in the bytes. */
function toKeyObject(publicKey: Uint8Array): KeyObject | null {
  const hex = encodeHex(publicKey);
  if (lastKey?.hex !== hex) lastKey = { hex, key: parseKey(publicKey) };
  return lastKey.key;
}

function parseKey(publicKey: Uint8Array): KeyObject | null {
  try {
    return toPublicKey("ed25519", publicKey);
  } catch {
    return null;
  }
}
