/**
 * X25519 (RFC 7748 §5) as Noise uses it: key pairs and shared secrets.
 *
 * @module
 */

import { diffieHellman, generateKeyPairSync, type KeyObject } from "node:crypto";
import { toPublicKey, toRawPublicKey } from "../native_key.ts";
import { NoiseError } from "./noise_error.ts";

/**
 * One side's X25519 keys. The key object keeps the private one out of logs and JSON; it ends with its
 * last reference. A static pair lives as long as its node, an ephemeral one as long as a handshake.
 */
export interface KeyPair {
  /** The private key. */
  readonly privateKey: KeyObject;
  /** The public key, 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** A fresh key pair from the system's randomness. */
export function generateKeyPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync("x25519");
  return { privateKey, publicKey: toRawPublicKey(publicKey) };
}

/** The key pair of a private key. */
export function toKeyPair(privateKey: KeyObject): KeyPair {
  return { privateKey, publicKey: toRawPublicKey(privateKey) };
}

/**
 * The secret that two sides share, 32 bytes. Whoever calls this erases it.
 *
 * @throws {NoiseError} `weakKey` when the public key is one of the few of low order, with which the
 * secret is zero whatever the private key (RFC 7748 §6.1, Noise §12.1).
 */
export function sharedSecret({ privateKey }: KeyPair, publicKey: Uint8Array): Uint8Array {
  let secret: Uint8Array;
  try {
    secret = diffieHellman({ privateKey, publicKey: toPublicKey("x25519", publicKey) });
  } catch (cause) {
    // OpenSSL makes the same check, and says no more than that it failed.
    throw weakKey({ cause });
  }
  if (secret.every((byte) => byte === 0)) throw weakKey();
  return secret;
}

/** Checks a public key that is to be pinned. @throws {NoiseError} `weakKey` when it is of low order. */
export function checkPublicKey(publicKey: Uint8Array): void {
  sharedSecret(generateKeyPair(), publicKey).fill(0);
}

function weakKey(options: ErrorOptions = {}): NoiseError {
  return new NoiseError("weakKey", "Cannot use X25519 public key: it is of low order", options);
}
