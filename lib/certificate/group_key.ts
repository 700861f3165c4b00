/**
 * The group key as text: hex, a C2SP verifier key, or PEM.
 *
 * @module
 */

import { createHash } from "node:crypto";
import {
  concatBytes,
  decodeBase64,
  decodeHex,
  encodeBase64,
  encodeHex,
  encodeUtf8,
  equalBytes,
} from "../bytes.ts";
import { InputError } from "../errors.ts";
import { checkEd25519Key, ELEMENT_BYTES } from "../frost/mod.ts";
import { encodePublicKeyInfo } from "../native_key.ts";
import { type ClusterName, toClusterName } from "../types.ts";

export const KEY_ID_BYTES = 4;
/** Most characters in the text of a group key. */
export const GROUP_KEY_LENGTH_MAX = 1024;

/** The key that verifies a cluster's certificates, as read from outside. */
export interface GroupKey {
  /** The Ed25519 public key: 32 bytes, checked to be of prime order. */
  readonly publicKey: Uint8Array;
  /** The cluster that the text names; null for hex and PEM, which name none. */
  readonly cluster: ClusterName | null;
}

/** C2SP signed-note: the signature type of ordinary Ed25519. */
const ED25519_TYPE = Uint8Array.of(0x01);

/**
 * The first four bytes of SHA-256(name || 0x0A || 0x01 || public key). A note uses them to say which key
 * signed it. C2SP signed-note, "Signatures".
 */
export function keyId(name: string, publicKey: Uint8Array): Uint8Array<ArrayBuffer> {
  const hashed = createHash("sha256")
    .update(concatBytes(encodeUtf8(`${name}\n`), ED25519_TYPE, publicKey)).digest();
  return new Uint8Array(hashed).slice(0, KEY_ID_BYTES);
}

/** `<name>+<key id, 8 hex digits>+<base64(0x01 || public key)>`. C2SP signed-note, "Verifier keys". */
export function encodeVerifierKey(name: string, publicKey: Uint8Array): string {
  const id = encodeHex(keyId(name, publicKey));
  return `${name}+${id}+${encodeBase64(concatBytes(ED25519_TYPE, publicKey))}`;
}

/** SubjectPublicKeyInfo in PEM (RFC 7468 §13, RFC 8410 §4), for OpenSSL. Ends in a newline. */
export function encodePem(publicKey: Uint8Array): string {
  const base64 = encodeBase64(encodePublicKeyInfo("ed25519", publicKey));
  return `${PEM_BEGIN}\n${base64}\n${PEM_END}\n`;
}

/**
 * Reads a group key in any of its three forms: 64 hex digits, a verifier key, or PEM. Ignores white space
 * around it.
 *
 * @throws {InputError} for anything else, for a verifier key whose key id does not match, and for a
 * point that cannot be a group key.
 */
export function parseGroupKey(text: string): GroupKey {
  if (text.length > GROUP_KEY_LENGTH_MAX) {
    throw refused(`length ${text.length} is above ${GROUP_KEY_LENGTH_MAX}`);
  }
  const trimmed = text.trim();
  const key = trimmed.startsWith(PEM_BEGIN)
    ? readPem(trimmed)
    : trimmed.includes("+")
    ? readVerifierKey(trimmed)
    : readHex(trimmed);
  checkEd25519Key(key.publicKey);
  return key;
}

const PEM_BEGIN = "-----BEGIN PUBLIC KEY-----";
const PEM_END = "-----END PUBLIC KEY-----";

function readHex(text: string): GroupKey {
  if (text.length !== 2 * ELEMENT_BYTES || !/^[0-9a-fA-F]*$/.test(text)) {
    throw refused("neither 64 hex digits, nor a verifier key <name>+<id>+<base64>, nor PEM");
  }
  return { publicKey: decodeHex(text), cluster: null };
}

function readPem(text: string): GroupKey {
  const lines = text.split(/\r?\n/);
  const [begin, ...rest] = lines;
  const end = rest.pop();
  if (begin !== PEM_BEGIN || end !== PEM_END) throw refused("PEM without its first or last line");
  const der = decodeBase64(rest.join(""));
  const publicKey = der.slice(-ELEMENT_BYTES);
  if (!equalBytes(der, encodePublicKeyInfo("ed25519", publicKey))) {
    throw refused("PEM that does not hold an Ed25519 public key");
  }
  return { publicKey, cluster: null };
}

function readVerifierKey(text: string): GroupKey {
  const [name, id, ...rest] = text.split("+");
  // Base64 can contain plus signs.
  const bytes = decodeBase64(rest.join("+"));
  const cluster = toClusterName(name);
  if (bytes.length !== ED25519_TYPE.length + ELEMENT_BYTES || bytes[0] !== ED25519_TYPE[0]) {
    throw refused("a verifier key that is not of type Ed25519");
  }
  const publicKey = bytes.slice(ED25519_TYPE.length);
  if (id !== encodeHex(keyId(cluster, publicKey))) {
    throw refused(`a verifier key whose id is not ${encodeHex(keyId(cluster, publicKey))}`);
  }
  return { publicKey, cluster };
}

function refused(why: string): InputError {
  return new InputError(`Cannot read group key: ${why}`);
}
