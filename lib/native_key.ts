/**
 * Raw 32-byte keys as the key objects of `node:crypto`, and back to SubjectPublicKeyInfo.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { concatBytes, decodeHex } from "./bytes.ts";

/** The two curves' forms of one field of numbers. */
export type KeyKind = "ed25519" | "x25519";

/** Bytes of a raw key, public or private, of either kind. */
export const RAW_KEY_BYTES = 32;

/** SubjectPublicKeyInfo up to the raw key (RFC 8410 §4). */
const PUBLIC_KEY_PREFIX: Readonly<Record<KeyKind, Uint8Array>> = {
  ed25519: decodeHex("302a300506032b6570032100"),
  x25519: decodeHex("302a300506032b656e032100"),
};

/** PKCS #8 up to the raw key (RFC 8410 §7). */
const PRIVATE_KEY_PREFIX: Readonly<Record<KeyKind, Uint8Array>> = {
  ed25519: decodeHex("302e020100300506032b657004220420"),
  x25519: decodeHex("302e020100300506032b656e04220420"),
};

/** The 44 bytes of SubjectPublicKeyInfo in DER around a raw public key (RFC 8410 §4). */
export function encodePublicKeyInfo(kind: KeyKind, raw: Uint8Array): Uint8Array<ArrayBuffer> {
  return concatBytes(PUBLIC_KEY_PREFIX[kind], raw);
}

/** A raw 32-byte public key as a key object. The point is not checked here. */
export function toPublicKey(kind: KeyKind, raw: Uint8Array): KeyObject {
  const der = encodePublicKeyInfo(kind, raw);
  return createPublicKey({ key: Buffer.from(der.buffer), format: "der", type: "spki" });
}

/**
 * A raw 32-byte private key (for Ed25519 the seed of RFC 8032 §5.1.5) as a key object. The key
 * object holds its own copy for as long as it lives; the copy made on the way is erased here.
 */
export function toPrivateKey(kind: KeyKind, raw: Uint8Array): KeyObject {
  const der = concatBytes(PRIVATE_KEY_PREFIX[kind], raw);
  try {
    return createPrivateKey({ key: Buffer.from(der.buffer), format: "der", type: "pkcs8" });
  } finally {
    der.fill(0);
  }
}

/** The raw 32 bytes of a public key, or of the public key that belongs to a private one. */
export function toRawPublicKey(key: KeyObject): Uint8Array<ArrayBuffer> {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  const der = publicKey.export({ format: "der", type: "spki" });
  return new Uint8Array(der).slice(-RAW_KEY_BYTES);
}
