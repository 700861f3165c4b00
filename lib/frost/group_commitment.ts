/**
 * The public computations of a signing session, the same for signers and coordinator: binding
 * factors, group commitment, challenge.
 *
 * @module
 */

import { concatBytes } from "../bytes.ts";
import { H1, H2, H4, H5, serializeScalar } from "./ciphersuite.ts";
import { FrostError } from "./error.ts";
import type { GroupPublicKeys } from "./keys.ts";
import { PrimeOrderPoint } from "./points.ts";

/** One signer's entry in a commitment list (RFC 9591 §4.3). */
export interface NonceCommitment {
  /** The signer. */
  readonly identifier: number;
  /** hiding_nonce_commitment: 32 bytes. */
  readonly hiding: Uint8Array;
  /** binding_nonce_commitment: 32 bytes. */
  readonly binding: Uint8Array;
}

/**
 * What a signing session signs and with whom: a message, and the signers' commitments by strictly
 * rising identifier.
 */
export interface SigningSession {
  /** The group that signs. */
  readonly group: GroupPublicKeys;
  /** The bytes to sign. */
  readonly message: Uint8Array;
  /** commitment_list. */
  readonly commitments: readonly NonceCommitment[];
}

/** A signer's binding factor, with what was hashed to it. */
interface BindingFactor {
  /** rho_input: group key, hashed message, hashed commitment list, identifier. 160 bytes. */
  readonly input: Uint8Array;
  /** The binding factor. */
  readonly factor: bigint;
}

/**
 * Checks a session's commitment list: at least MIN_PARTICIPANTS, sorted and unique, all of the
 * group, every element canonical, of prime order and not the identity.
 *
 * @throws {FrostError} `too-few-signers`, `unsorted-signers`, `foreign-signer` or one of the element
 * refusals, the last three naming the identifier. RFC 9591 §4.3, §5.2, §5.3.
 */
export function checkCommitmentList(session: SigningSession): void {
  const { group, commitments } = session;
  if (commitments.length < group.minParticipants) {
    throw new FrostError(
      "too-few-signers",
      `Cannot sign: ${commitments.length} signers are fewer than ${group.minParticipants}`,
    );
  }
  let previous = 0;
  for (const commitment of commitments) {
    const { identifier } = commitment;
    if (!group.verifyingShares.has(identifier)) {
      throw new FrostError(
        "foreign-signer",
        `Cannot sign: the group has no participant ${identifier}`,
        { identifier },
      );
    }
    if (identifier <= previous) {
      throw new FrostError(
        "unsorted-signers",
        `Cannot sign: participant ${identifier} stands after ${previous}`,
        { identifier },
      );
    }
    previous = identifier;
  }
  commitments.forEach(checkNonceCommitment);
}

/**
 * Checks one commitment's two elements. Done when it arrives, it makes the session cheap later.
 *
 * @throws {FrostError} one of the element refusals, naming the identifier. RFC 9591 §3.1.
 */
export function checkNonceCommitment(commitment: NonceCommitment): void {
  const { identifier } = commitment;
  try {
    PrimeOrderPoint.fromBytes(commitment.hiding);
    PrimeOrderPoint.fromBytes(commitment.binding);
  } catch (cause) {
    if (!(cause instanceof FrostError)) throw cause;
    throw new FrostError(cause.refusal, cause.message, { identifier, cause });
  }
}

/** encode_group_commitment_list: 96 bytes a signer (RFC 9591 §4.3). */
export function encodeGroupCommitmentList(
  commitments: readonly NonceCommitment[],
): Uint8Array<ArrayBuffer> {
  return concatBytes(...commitments.flatMap(({ identifier, hiding, binding }) => [
    serializeScalar(BigInt(identifier)),
    hiding,
    binding,
  ]));
}

/** compute_binding_factors: one for each signer, in the list's order (RFC 9591 §4.4). */
export function computeBindingFactors(session: SigningSession): BindingFactor[] {
  const { group, message, commitments } = session;
  const prefix = concatBytes(
    group.groupPublicKey,
    H4(message),
    H5(encodeGroupCommitmentList(commitments)),
  );
  return commitments.map(({ identifier }) => {
    const input = concatBytes(prefix, serializeScalar(BigInt(identifier)));
    return { input, factor: H1(input) };
  });
}

/**
 * compute_group_commitment: the signature's R (RFC 9591 §4.5).
 *
 * @throws {FrostError} one of the element refusals when the list was not checked before.
 */
export function computeGroupCommitment(
  commitments: readonly NonceCommitment[],
  bindingFactors: readonly BindingFactor[],
): PrimeOrderPoint {
  const hidingSum = commitments.reduce(
    (sum, { hiding }) => sum.add(PrimeOrderPoint.fromBytes(hiding)),
    PrimeOrderPoint.ZERO,
  );
  const bindingSum = PrimeOrderPoint.sumOfProducts(
    commitments.map(({ binding }) => PrimeOrderPoint.fromBytes(binding)),
    bindingFactors.map(({ factor }) => factor),
  );
  return hidingSum.add(bindingSum);
}

/** compute_challenge: Ed25519's own (RFC 9591 §4.6, RFC 8032 §5.1.7). */
export function computeChallenge(
  groupCommitment: PrimeOrderPoint,
  groupPublicKey: PrimeOrderPoint,
  message: Uint8Array,
): bigint {
  return H2(concatBytes(groupCommitment.toBytes(), groupPublicKey.toBytes(), message));
}
