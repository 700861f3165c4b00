/**
 * The two signing schemes: FROST for a cluster with two voters or more, an ordinary Ed25519 key for a
 * cluster with one.
 *
 * @module
 */

import { type KeyObject, sign } from "node:crypto";
import { assert, assertDefined } from "../assert.ts";
import { concatBytes, encodeUtf8, equalBytes } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import {
  aggregate,
  checkNonceCommitment,
  checkSecretShare,
  commit,
  ELEMENT_BYTES,
  eraseNonces,
  FrostError,
  type GroupPublicKeys,
  type NonceCommitment,
  type PrimeOrderPoint,
  type RandomBytes,
  type RoundOne,
  type SecretShare,
  signShare,
  trustedDealerKeygen,
  verifySignature,
} from "../frost/mod.ts";
import { toPrivateKey, toRawPublicKey } from "../native_key.ts";
import type { ClusterName, NodeId } from "../types.ts";
import type { Certifier, Group } from "./certifier.ts";
import { keyId } from "./group_key.ts";
import { SchemeCertifier } from "./scheme_certifier.ts";
import type { SchemeResult, SchemeSession, SigningScheme } from "./signing_scheme.ts";
import { identifierOf } from "./signing_sessions.ts";

/** Bytes of an encoded commitment: hiding_nonce_commitment, then binding_nonce_commitment. */
export const COMMITMENT_BYTES = 2 * ELEMENT_BYTES;

/** The key of a rehearsal is made of this byte. It is no secret, and signs nothing else. */
const REHEARSAL_BYTE = 0x5a;
const REHEARSAL = encodeUtf8("floe/rehearsal/v1\n");
/** An encoding of a point that is not of prime order. Points that pass are not checked a second time. */
const REHEARSAL_POINT = new Uint8Array(ELEMENT_BYTES).fill(0x0b);

/**
 * The first signature of a process takes five times as long as one of a process that signed often. After 20
 * rehearsals, the engine has optimized the code.
 */
const REHEARSALS = 20;
/** The engine optimizes for the process, and not for one certifier. */
const rehearsals = rehearse();

/** Most group commitments kept from round two to aggregation. One is usually enough: retries are rare. */
const GROUP_COMMITMENTS_MAX = 4;

/** The settings of a voter's certifier. */
export interface CertifierOptions {
  /** The cluster's public keys. */
  readonly group: Group;
  /** This voter. */
  readonly self: NodeId;
  /**
   * This voter's secret, 32 bytes: a FROST share, or the Ed25519 seed of a single voter. The certifier
   * keeps its own copy as long as it lives, and the caller may erase its copy at once. Null for a node
   * that has no share of this epoch, and only checks what others sign.
   */
  readonly share: Uint8Array | null;
  /** The source of nonces. It must be cryptographic. */
  readonly randomBytes: RandomBytes;
}

/**
 * A certifier for one of several voters.
 *
 * @throws {CertificateError} `not-a-signer` when `self` is no voter.
 * @throws {FrostError} when the share is malformed, or does not match the group's verifying share.
 */
export function createFrostCertifier(options: CertifierOptions): Certifier {
  return new SchemeCertifier(options.group, options.self, createFrostScheme(options));
}

/**
 * The FROST scheme, which signs with a copy of the share.
 *
 * @throws as {@linkcode createFrostCertifier}.
 */
export function createFrostScheme(options: CertifierOptions): SigningScheme<RoundOne> {
  const { group, self, randomBytes } = options;
  const keys = toGroupPublicKeys(group);
  if (options.share === null) return new FrostScheme(keys, null, randomBytes);
  const identifier = identifierOf(group, self, "not-a-signer");
  const share: SecretShare = { identifier, secret: options.share.slice() };
  checkSecretShare(keys, share);
  return new FrostScheme(keys, share, randomBytes);
}

/** A group in the terms of RFC 9591. */
export function toGroupPublicKeys(group: Group): GroupPublicKeys {
  return {
    minParticipants: group.threshold,
    groupPublicKey: group.publicKey,
    verifyingShares: new Map(
      group.voters.map(({ identifier, verifyingShare }) => [identifier, verifyingShare]),
    ),
  };
}

/** All rehearsals of a process, in steps of some milliseconds, so that none holds the loop for long. */
function* rehearse(): Generator<void> {
  const randomBytes = (length: number) => new Uint8Array(length).fill(REHEARSAL_BYTE);
  const options = { maxParticipants: 2, minParticipants: 2, randomBytes };
  const refused = { identifier: 1, hiding: REHEARSAL_POINT, binding: REHEARSAL_POINT };
  for (let count = 0; count < REHEARSALS; count++) {
    const { group, shares } = trustedDealerKeygen(options);
    yield;
    catching(FrostError, () => checkNonceCommitment(refused), () => {});
    const signers = [];
    for (const share of shares) {
      signers.push({ share, roundOne: commit(share, randomBytes) });
      yield;
    }
    const commitments = signers.map(({ roundOne }) => roundOne.commitment);
    const session = { group, message: REHEARSAL, commitments };
    const signatureShares = new Map<number, Uint8Array>();
    for (const signer of signers) {
      signatureShares.set(signer.share.identifier, signShare(session, signer).signatureShare);
      yield;
    }
    aggregate(session, { signatureShares });
    yield;
  }
}

class FrostScheme implements SigningScheme<RoundOne> {
  readonly #keys: GroupPublicKeys;
  #share: SecretShare | null;
  readonly #randomBytes: RandomBytes;
  /** By session digest, oldest first: round two computed them, so aggregation does not have to. */
  readonly #groupCommitments = new Map<string, PrimeOrderPoint>();

  constructor(keys: GroupPublicKeys, share: SecretShare | null, randomBytes: RandomBytes) {
    this.#keys = keys;
    this.#share = share;
    this.#randomBytes = randomBytes;
  }

  get canSign(): boolean {
    return this.#share !== null;
  }

  rehearse(): void {
    rehearsals.next();
  }

  commit(): { readonly nonces: RoundOne; readonly commitment: Uint8Array } {
    const nonces = commit(this.#ownShare(), this.#randomBytes);
    const { hiding, binding } = nonces.commitment;
    return { nonces, commitment: concatBytes(hiding, binding) };
  }

  checkCommitment(identifier: number, commitment: Uint8Array): void {
    checkNonceCommitment(toNonceCommitment(identifier, commitment));
  }

  sign(session: SchemeSession, nonces: RoundOne): Uint8Array {
    const signer = { share: this.#ownShare(), roundOne: nonces };
    const { signatureShare, groupCommitment } = signShare(this.#toFrost(session), signer);
    this.#groupCommitments.set(session.digest, groupCommitment);
    if (this.#groupCommitments.size > GROUP_COMMITMENTS_MAX) {
      const oldest = this.#groupCommitments.keys().next();
      if (!oldest.done) this.#groupCommitments.delete(oldest.value);
    }
    return signatureShare;
  }

  aggregate(
    session: SchemeSession,
    signatureShares: ReadonlyMap<number, Uint8Array>,
  ): SchemeResult {
    const groupCommitment = this.#groupCommitments.get(session.digest);
    return aggregate(this.#toFrost(session), {
      signatureShares,
      ...(groupCommitment === undefined ? {} : { groupCommitment }),
    });
  }

  eraseNonces(nonces: RoundOne): void {
    eraseNonces(nonces.nonces);
  }

  eraseShare(): void {
    this.#share?.secret.fill(0);
    this.#share = null;
  }

  keyId(name: ClusterName): Uint8Array {
    return keyId(name, this.#keys.groupPublicKey);
  }

  verify(message: Uint8Array, signature: Uint8Array): boolean {
    return verifySignature(this.#keys.groupPublicKey, message, signature);
  }

  #ownShare(): SecretShare {
    return assertDefined(this.#share, "this node has no share to sign with");
  }

  #toFrost({ message, signers }: SchemeSession) {
    return {
      group: this.#keys,
      message,
      commitments: signers.map(({ identifier, commitment }) =>
        toNonceCommitment(identifier, commitment)
      ),
    };
  }
}

function toNonceCommitment(identifier: number, encoded: Uint8Array): NonceCommitment {
  if (encoded.length !== COMMITMENT_BYTES) {
    throw new FrostError(
      "malformed-element",
      `Cannot read commitment: length ${encoded.length} is not ${COMMITMENT_BYTES}`,
      { identifier },
    );
  }
  return {
    identifier,
    hiding: encoded.subarray(0, ELEMENT_BYTES),
    binding: encoded.subarray(ELEMENT_BYTES),
  };
}

/** Bytes of the token that is used in place of a commitment. */
const TOKEN_BYTES = 32;
/** Bytes of an Ed25519 seed (RFC 8032 §5.1.5). */
const SEED_BYTES = 32;

/**
 * A certifier for the only voter.
 *
 * @throws {CertificateError} `not-a-signer` when `self` is not that voter.
 * @throws {InputError} when the seed does not match the group key.
 */
export function createSingleCertifier(options: CertifierOptions): Certifier {
  const { group, self, share, randomBytes } = options;
  assert(group.voters.length === 1, `the group has ${group.voters.length} voters, not one`);
  assert(share !== null, "the only voter has no key");
  return new SchemeCertifier(group, self, new SingleScheme(group, share, randomBytes));
}

class SingleScheme implements SigningScheme<Uint8Array> {
  readonly canSign = true;
  readonly #publicKey: Uint8Array;
  readonly #identifiers: readonly number[];
  readonly #privateKey: KeyObject;
  readonly #randomBytes: RandomBytes;

  constructor(group: Group, seed: Uint8Array, randomBytes: RandomBytes) {
    this.#publicKey = group.publicKey;
    this.#identifiers = group.voters.map(({ identifier }) => identifier);
    this.#privateKey = readSeed(seed);
    this.#randomBytes = randomBytes;
    if (!equalBytes(toRawPublicKey(this.#privateKey), group.publicKey)) {
      throw new InputError("Cannot use share: it does not match the group key");
    }
  }

  /** One native call needs no rehearsal. */
  rehearse(): void {}

  commit(): { readonly nonces: Uint8Array; readonly commitment: Uint8Array } {
    const token = this.#randomBytes(TOKEN_BYTES);
    return { nonces: token, commitment: token.slice() };
  }

  checkCommitment(_identifier: number, commitment: Uint8Array): void {
    if (commitment.length !== TOKEN_BYTES) {
      throw new InputError(
        `Cannot read commitment: length ${commitment.length} is not ${TOKEN_BYTES}`,
      );
    }
  }

  sign({ message }: SchemeSession, nonces: Uint8Array): Uint8Array {
    this.eraseNonces(nonces);
    return new Uint8Array(sign(null, message, this.#privateKey));
  }

  aggregate({ message }: SchemeSession, shares: ReadonlyMap<number, Uint8Array>): SchemeResult {
    const [signature] = shares.values();
    return signature !== undefined && this.verify(message, signature)
      ? { kind: "signature", signature }
      : { kind: "cheaters", identifiers: this.#identifiers };
  }

  eraseNonces(nonces: Uint8Array): void {
    nonces.fill(0);
  }

  /** The key of a cluster with one voter is used as long as the process runs. node:crypto keeps it. */
  eraseShare(): void {}

  keyId(name: ClusterName): Uint8Array {
    return keyId(name, this.#publicKey);
  }

  verify(message: Uint8Array, signature: Uint8Array): boolean {
    return verifySignature(this.#publicKey, message, signature);
  }
}

function readSeed(seed: Uint8Array): KeyObject {
  if (seed.length !== SEED_BYTES) {
    throw new InputError(`Cannot use share: length ${seed.length} is not ${SEED_BYTES}`);
  }
  return toPrivateKey("ed25519", seed);
}
