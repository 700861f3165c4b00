/**
 * The check that decides: a plain Ed25519 signature, verified natively (RFC 8032 §5.1.7).
 *
 * @module
 */

import { type KeyObject, verify } from "node:crypto";
import { encodeHex } from "../bytes.ts";
import { ELEMENT_BYTES, SIGNATURE_BYTES } from "./ciphersuite.ts";
import { toPublicKey } from "../native_key.ts";

/** The key object last used: a process verifies under one group key nearly always. */
let lastKey: { readonly hex: string; readonly key: KeyObject | null } | null = null;

/**
 * Whether `signature` is `publicKey`'s signature over `message`: strict lengths, z below the group
 * order, no cofactor. False for anything malformed; never throws on foreign bytes.
 *
 * RFC 8032 §5.1.7.
 */
export function verifySignature(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (publicKey.length !== ELEMENT_BYTES || signature.length !== SIGNATURE_BYTES) return false;
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
