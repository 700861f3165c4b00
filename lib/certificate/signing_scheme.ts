/**
 * The seam inside a certifier: the cryptography that a {@linkcode SchemeCertifier} asks for, apart
 * from all the rules about who may sign what and how often.
 *
 * @module
 */

import type { ClusterName, NodeId } from "../types.ts";

export interface SessionSigner {
  readonly voter: NodeId;
  /** Its FROST identifier. */
  readonly identifier: number;
  /** Its encoded commitment, already checked. */
  readonly commitment: Uint8Array;
}

/** A checked signing request: what is signed, and with whom. */
export interface SchemeSession {
  /** The statement's UTF-8 bytes. */
  readonly message: Uint8Array;
  /** The signers by strictly rising identifier, at least the threshold of them. */
  readonly signers: readonly SessionSigner[];
  /** SHA-256 over all of the above, in hex: equal for equal requests only. */
  readonly digest: string;
}

/** What came of a session's shares. */
export type SchemeResult =
  /** The signature over the message, 64 bytes, verified. */
  | { readonly kind: "signature"; readonly signature: Uint8Array }
  /** No signature; the shares of these signers are wrong. */
  | { readonly kind: "cheaters"; readonly identifiers: readonly number[] };

/**
 * One way to make and check signatures together. `Nonces` is whatever a signer keeps between the
 * rounds; a scheme never stores it.
 */
export interface SigningScheme<Nonces> {
  /** Whether there is a share to sign with; without one nothing but checks is asked of it. */
  readonly canSign: boolean;

  /**
   * Goes through both rounds with a key that is no secret, so that the code of the first real signature is
   * compiled before an election waits for it.
   */
  rehearse(): void;

  /** Round one: fresh nonces, and the commitment to send. */
  commit(): { readonly nonces: Nonces; readonly commitment: Uint8Array };

  /**
   * Checks another voter's commitment fully.
   *
   * @throws {InputError} that says what is wrong with it.
   */
  checkCommitment(identifier: number, commitment: Uint8Array): void;

  /** Round two: this node's share for a session. Erases the nonces, whatever comes of it. */
  sign(session: SchemeSession, nonces: Nonces): Uint8Array;

  /** Combines one share of every signer, unchecked as they came. */
  aggregate(session: SchemeSession, shares: ReadonlyMap<number, Uint8Array>): SchemeResult;

  /** Fills nonces that will not be used with zeros. */
  eraseNonces(nonces: Nonces): void;

  /** Fills the share with zeros. It can sign no more. */
  eraseShare(): void;

  /** The 4-byte hash by which a note names the key that signed it. */
  keyId(name: ClusterName): Uint8Array;

  /** Whether a signature from outside is good. Never throws on foreign bytes. */
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}
