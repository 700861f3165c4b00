/**
 * Noise's SymmetricState (§5.2) with SHA-256: what both sides of a handshake have seen so far, as a
 * hash, and the keys that follow from it.
 *
 * @module
 */

import { hash, hkdfSync } from "node:crypto";
import { assert } from "../assert.ts";
import { concatBytes, encodeUtf8 } from "../bytes.ts";
import { CipherState } from "./noise_cipher_state.ts";

/** Bytes of a hash, and of every key. */
const HASH_BYTES = 32;
const NOTHING = new Uint8Array(0);

/** The state of a handshake without its Diffie-Hellman keys. {@linkcode erase} it at the end. */
export class SymmetricState {
  #hash: Uint8Array;
  readonly #chainingKey: Uint8Array;
  #cipher: CipherState | null = null;

  /** `protocolName` is the full name, 32 bytes of it: a longer one would have to be hashed. */
  constructor(protocolName: string) {
    this.#hash = encodeUtf8(protocolName);
    assert(this.#hash.length === HASH_BYTES, `A protocol name of ${this.#hash.length} bytes`);
    this.#chainingKey = this.#hash.slice();
  }

  /** The hash of everything so far; at the end of a handshake it names this channel (§11.2). */
  get hash(): Uint8Array {
    return this.#hash;
  }

  /** Takes public bytes in. */
  mixHash(data: Uint8Array): void {
    this.#hash = hash("sha256", concatBytes(this.#hash, data), "buffer");
  }

  /** Takes a shared secret in, which is erased, and starts over with a new key. */
  mixKey(secret: Uint8Array): void {
    const [chainingKey, key] = this.#derive(secret);
    secret.fill(0);
    this.#chainingKey.set(chainingKey);
    chainingKey.fill(0);
    this.#cipher?.erase();
    this.#cipher = new CipherState(key);
  }

  /** Encrypts with the current key, bound to everything so far. */
  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const { ciphertext, tag } = this.#currentCipher().encrypt(plaintext, this.#hash);
    const message = concatBytes(ciphertext, tag);
    this.mixHash(message);
    return message;
  }

  /** Decrypts what the other side's {@linkcode encryptAndHash} wrote. @throws {NoiseError} */
  decryptAndHash(message: Uint8Array): Uint8Array {
    const plaintext = this.#currentCipher().decrypt(message, this.#hash);
    this.mixHash(message);
    return plaintext;
  }

  /** The two keys of the channel: first the initiator's to send with, then the responder's. */
  split(): readonly [CipherState, CipherState] {
    const [first, second] = this.#derive(NOTHING);
    return [new CipherState(first), new CipherState(second)];
  }

  /** Zeroes the keys. */
  erase(): void {
    this.#chainingKey.fill(0);
    this.#cipher?.erase();
    this.#cipher = null;
  }

  #currentCipher(): CipherState {
    assert(this.#cipher !== null, "Noise IK encrypts nothing before its first key");
    return this.#cipher;
  }

  /** Noise's HKDF (§4.3) is RFC 5869's with the chaining key as salt and no info. */
  #derive(secret: Uint8Array): readonly [Uint8Array, Uint8Array] {
    const both = hkdfSync("sha256", secret, this.#chainingKey, NOTHING, 2 * HASH_BYTES);
    return [new Uint8Array(both, 0, HASH_BYTES), new Uint8Array(both, HASH_BYTES)];
  }
}
