/**
 * The two rounds of a signature, from the top down. A signer commits to fresh nonces (RFC 9591 §5.1).
 * Once all commitments are known, it computes its signature share (§5.2). Below are the public
 * computations that signers and coordinator share: the check of the commitment list, the binding factors,
 * and the group commitment.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { concatBytes, equalBytes } from "../bytes.ts";
import { catching } from "../errors.ts";
import { H1, H4, H5, serializeScalar } from "./ciphersuite.ts";
import { FrostError } from "./error.ts";
import type { GroupPublicKeys, SecretShare } from "./keys.ts";
import {
  openNoble,
  type RandomBytes,
  toNobleIdentifier,
  toNobleRandomBytes,
  toNobleShare,
} from "./noble.ts";
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
 * The message of a signing session, and the signers' commitments by strictly rising identifier.
 */
export interface SigningSession {
  /** The group that signs. */
  readonly group: GroupPublicKeys;
  /** The bytes to sign. */
  readonly message: Uint8Array;
  /** commitment_list. */
  readonly commitments: readonly NonceCommitment[];
}

/**
 * A signer's secret nonces for one signature share. Only the signer keeps them, only in memory, from round
 * one to round two. {@linkcode signShare} erases them, and {@linkcode eraseNonces} erases those that will
 * not be used. Nonces that are used for two different messages reveal the secret share.
 */
export interface SigningNonces {
  /** hiding_nonce: a 32-byte scalar. */
  readonly hiding: Uint8Array;
  /** binding_nonce: a 32-byte scalar. */
  readonly binding: Uint8Array;
}

/** The result of round one. */
export interface RoundOne {
  /** SECRET: the signer keeps them. */
  readonly nonces: SigningNonces;
  /** Sent to the coordinator. */
  readonly commitment: NonceCommitment;
}

/**
 * commit: draws two nonces and commits to them. Each is the hash of 32 fresh random bytes and the secret
 * share. RFC 9591 §4.1, §5.1.
 */
export function commit(share: SecretShare, randomBytes: RandomBytes): RoundOne {
  const { nonces, commitments: { hiding, binding } } = openNoble()
    .commit(toNobleShare(share), toNobleRandomBytes(randomBytes));
  return { nonces, commitment: { identifier: share.identifier, hiding, binding } };
}

/** Erases nonces by filling both with zeros. {@linkcode isErased} and round two recognise that. */
export function eraseNonces(nonces: SigningNonces): void {
  nonces.hiding.fill(0);
  nonces.binding.fill(0);
}

/** Whether nonces were used or erased: at least one is zero. */
export function isErased(nonces: SigningNonces): boolean {
  return nonces.hiding.every(isZero) || nonces.binding.every(isZero);
}

function isZero(byte: number): boolean {
  return byte === 0;
}

/** The input of round two. */
export interface Signer {
  /** The signer's secret share. It is not changed. */
  readonly share: SecretShare;
  /** The result of round one. Its nonces are erased even when the call fails. */
  readonly roundOne: RoundOne;
}

/** The result of round two. */
export interface RoundTwo {
  /** sig_share: a 32-byte scalar, sent to the coordinator. */
  readonly signatureShare: Uint8Array;
  /** The group commitment R. A coordinator that also signs can use it to aggregate. */
  readonly groupCommitment: PrimeOrderPoint;
}

/**
 * sign: makes one signer's signature share for a session, and erases the nonces. It erases them also when
 * it refuses the session, so that they cannot be used in a second try.
 *
 * @throws {FrostError} for everything that {@linkcode checkCommitmentList} refuses, and
 * `nonce-used`, `not-a-signer` or `wrong-commitment`. RFC 9591 §5.2.
 */
export function signShare(session: SigningSession, signer: Signer): RoundTwo {
  const { nonces, commitment } = signer.roundOne;
  try {
    if (isErased(nonces)) throw new FrostError("nonce-used", "Cannot sign: the nonces were used");
    checkCommitmentList(session);
    checkOwnEntry(session, commitment);
    return signWithNoble(session, signer);
  } finally {
    eraseNonces(nonces);
  }
}

/**
 * Computes the share by noble's `signShare`, which erases the nonces when it succeeds. RFC 9591 §5.2.
 */
function signWithNoble(session: SigningSession, signer: Signer): RoundTwo {
  const { group, message, commitments } = session;
  const groupCommitments: PrimeOrderPoint[] = [];
  const signatureShare = openNoble((made) => groupCommitments.push(made)).signShare(
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
  assert(groupCommitment !== undefined, "noble made a signature share without a group commitment");
  return { signatureShare, groupCommitment };
}

/** RFC 9591 §5.2: a signer checks that its own commitment is in the list, unchanged. */
function checkOwnEntry(session: SigningSession, own: NonceCommitment): void {
  const { identifier } = own;
  const entry = session.commitments.find((listed) => listed.identifier === identifier);
  if (entry === undefined) {
    throw new FrostError(
      "not-a-signer",
      `Cannot sign: participant ${identifier} is not among the signers`,
      { identifier },
    );
  }
  if (!equalBytes(entry.hiding, own.hiding) || !equalBytes(entry.binding, own.binding)) {
    throw new FrostError(
      "wrong-commitment",
      `Cannot sign: participant ${identifier}'s entry does not match its nonces`,
      { identifier },
    );
  }
}

/**
 * Checks a session's commitment list: at least MIN_PARTICIPANTS signers, sorted, unique and all in the
 * group, and every element canonical, of prime order and not the identity.
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
        `Cannot sign: participant ${identifier} is listed after ${previous}`,
        { identifier },
      );
    }
    previous = identifier;
  }
  commitments.forEach(checkNonceCommitment);
}

/**
 * Checks the two elements of one commitment. Done when the commitment arrives, the check makes the session
 * cheap later, because checked points are remembered.
 *
 * @throws {FrostError} one of the element refusals, naming the identifier. RFC 9591 §3.1.
 */
export function checkNonceCommitment(commitment: NonceCommitment): void {
  const { identifier } = commitment;
  catching(FrostError, () => {
    PrimeOrderPoint.fromBytes(commitment.hiding);
    PrimeOrderPoint.fromBytes(commitment.binding);
  }, (cause) => {
    throw new FrostError(cause.refusal, cause.message, { identifier, cause });
  });
}

/** A signer's binding factor, with the input of its hash. */
interface BindingFactor {
  /** rho_input: group key, hashed message, hashed commitment list, identifier. 160 bytes. */
  readonly input: Uint8Array;
  /** The binding factor. */
  readonly factor: bigint;
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

/** compute_binding_factors: one for each signer, in the order of the list (RFC 9591 §4.4). */
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
