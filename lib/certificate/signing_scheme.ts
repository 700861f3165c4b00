/**
 * The interface to the cryptography of a certifier. The rules about who may sign what, and how often, are
 * elsewhere (`signing_sessions.ts`, `nonce_pool.ts`).
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

/** A checked signing request: the message and the signers. */
export interface SchemeSession {
  /** The statement's UTF-8 bytes. */
  readonly message: Uint8Array;
  /** The signers by strictly rising identifier, at least the threshold of them. */
  readonly signers: readonly SessionSigner[];
  /** SHA-256 over the message and the signers, in hex. Only equal requests have equal digests. */
  readonly digest: string;
}

/** The result of combining a session's shares. */
export type SchemeResult =
  /** The signature over the message, 64 bytes, verified. */
  | { readonly kind: "signature"; readonly signature: Uint8Array }
  /** No signature: the shares of these signers are wrong. */
  | { readonly kind: "cheaters"; readonly identifiers: readonly number[] };

/**
 * One way to make and check signatures together. `Nonces` is what a signer keeps between the rounds. A
 * scheme never stores it.
 */
export interface SigningScheme<Nonces> {
  /** Whether there is a share to sign with. Without one, only the checks are called. */
  readonly canSign: boolean;

  /**
   * Spends an idle moment: does the next step of a signature under a key that is no secret, until the engine has
   * optimized the code that an election needs. Then it does nothing.
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

  /** Round two: this node's share for a session. Erases the nonces even when it fails. */
  sign(session: SchemeSession, nonces: Nonces): Uint8Array;

  /** Combines one share of each signer. The shares are not checked before. */
  aggregate(session: SchemeSession, shares: ReadonlyMap<number, Uint8Array>): SchemeResult;

  /** Fills nonces that will not be used with zeros. */
  eraseNonces(nonces: Nonces): void;

  /** Fills the share with zeros. The scheme cannot sign afterwards. */
  eraseShare(): void;

  /** The 4-byte hash with which a note names the key that signed it. */
  keyId(name: ClusterName): Uint8Array;

  /** Whether a signature from outside is valid. Invalid bytes give false, never an error. */
  verify(message: Uint8Array, signature: Uint8Array): boolean;
}
