/**
 * Encrypted files. A JSON object has in plaintext the file's purpose, its owner, and how the key is
 * derived from a passphrase; the rest is encrypted. The plaintext is authenticated with the rest, so no
 * file passes for another, and no part can be changed.
 *
 * @module
 */

import { createCipheriv, createDecipheriv } from "node:crypto";
import { z } from "zod";
import {
  concatBytes,
  decodeBase64,
  decodeHex,
  encodeBase64,
  encodeHex,
  encodeUtf8,
} from "../bytes.ts";
import { checked, type Schema } from "../config/mod.ts";
import { InputError } from "../errors.ts";
import { toClusterName, toNodeId } from "../types.ts";
import type { Belonging } from "./key_file.ts";
import {
  type KeyParameters,
  type Passphrase,
  SALT_BYTES,
  SCRYPT_BLOCK_SIZE,
  SCRYPT_LOG_N,
  SCRYPT_LOG_N_MAX,
  SCRYPT_PARALLELIZATION,
} from "./passphrase.ts";

/** The `format` of an encrypted file. */
const SEALED_FORMAT = "floe/sealed/v1";

/** Every purpose of a secret file. */
const SECRET_PURPOSES = ["identity", "share", "key generation", "backup"] as const;
/** The purpose of a secret file. */
export type SecretPurpose = typeof SECRET_PURPOSES[number];

/** A secret file's purpose, and its owner. */
export interface SecretLabel extends Belonging {
  readonly purpose: SecretPurpose;
}

/** An encrypted file, read and not yet decrypted. Every field is public. */
export interface SealedText extends SecretLabel {
  /** How its key is derived from the passphrase. */
  readonly key: KeyParameters;
  /** 12 bytes, drawn at random for this text. */
  readonly nonce: Uint8Array;
  /** The encrypted content, then the 16 bytes of the authentication tag. */
  readonly ciphertext: Uint8Array;
}

const ALGORITHM = "chacha20-poly1305";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Encrypts `plaintext` under a new nonce. The text ends in a newline. */
export function seal(plaintext: Uint8Array, label: SecretLabel, passphrase: Passphrase): string {
  const key = passphrase.ownParameters;
  // Random nonces: with so few under one salt, two are not equal.
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const header = { ...label, key, nonce };
  const cipher = createCipheriv(ALGORITHM, passphrase.deriveKey(key), nonce, {
    authTagLength: TAG_BYTES,
  });
  cipher.setAAD(associatedData(header), { plaintextLength: plaintext.length });
  const encrypted = cipher.update(plaintext);
  cipher.final();
  const ciphertext = concatBytes(encrypted, cipher.getAuthTag());
  return JSON.stringify({ ...toJson(header), ciphertext: encodeBase64(ciphertext) }, null, 2) +
    "\n";
}

/** The plaintext, which the caller erases; null when the passphrase is wrong or the file was changed. */
export function unseal(
  { ciphertext, ...header }: SealedText,
  passphrase: Passphrase,
): Uint8Array | null {
  const length = ciphertext.length - TAG_BYTES;
  const decipher = createDecipheriv(ALGORITHM, passphrase.deriveKey(header.key), header.nonce, {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(associatedData(header), { plaintextLength: length });
  decipher.setAuthTag(ciphertext.subarray(length));
  const plaintext = decipher.update(ciphertext.subarray(0, length));
  try {
    decipher.final();
    return plaintext;
  } catch {
    plaintext.fill(0);
    return null;
  }
}

/** Whether JSON is an encrypted file, of any format, complete or not. */
export function isSealed(json: unknown): boolean {
  return typeof json === "object" && json !== null && "ciphertext" in json;
}

/** Reads an encrypted file. It refuses a scrypt cost outside of Floe's limits. */
export const sealedTextSchema: Schema<SealedText, unknown> = z.strictObject({
  format: z.literal(SEALED_FORMAT),
  purpose: z.enum(SECRET_PURPOSES),
  cluster: checked(toClusterName).nullable(),
  node: checked(toNodeId),
  scrypt: z.strictObject({
    logN: z.int().min(SCRYPT_LOG_N).max(SCRYPT_LOG_N_MAX),
    r: z.literal(SCRYPT_BLOCK_SIZE),
    p: z.literal(SCRYPT_PARALLELIZATION),
    salt: checked((text) => readHex(text, SALT_BYTES)),
  }),
  nonce: checked((text) => readHex(text, NONCE_BYTES)),
  ciphertext: checked(readCiphertext),
}).transform(({ format: _, scrypt: { logN, salt }, ...rest }) => ({
  ...rest,
  key: { logN, salt },
}));

type SealedHeader = Omit<SealedText, "ciphertext">;

function toJson({ purpose, cluster, node, key, nonce }: SealedHeader): object {
  return {
    format: SEALED_FORMAT,
    purpose,
    cluster,
    node,
    scrypt: {
      logN: key.logN,
      r: SCRYPT_BLOCK_SIZE,
      p: SCRYPT_PARALLELIZATION,
      salt: encodeHex(key.salt),
    },
    nonce: encodeHex(nonce),
  };
}

/** The file's plaintext fields, in this order and without white space. */
function associatedData(header: SealedHeader): Uint8Array {
  return encodeUtf8(JSON.stringify(toJson(header)));
}

function readHex(text: string, length: number): Uint8Array {
  if (/^(?:[0-9a-f]{2})*$/.test(text) && text.length === 2 * length) return decodeHex(text);
  throw new InputError(`not ${2 * length} hex digits in lower case`);
}

function readCiphertext(text: string): Uint8Array {
  const bytes = decodeBase64(text);
  if (bytes.length >= TAG_BYTES) return bytes;
  throw new InputError(`${bytes.length} bytes are fewer than ${TAG_BYTES}`);
}
