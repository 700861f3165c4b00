/**
 * The handshake Noise_IK_25519_ChaChaPoly_SHA256 (The Noise Protocol Framework, revision 34, §7.5).
 *
 * ```
 *   <- s                  the initiator knows the responder's static key beforehand
 *   ...
 *   -> e, es, s, ss       the initiator sends its static key, encrypted
 *   <- e, ee, se
 * ```
 *
 * Pure and synchronous: ephemeral keys come in, messages and keys come out. What each side knows, and
 * when: after the first message the responder knows that its author has the initiator's key. It does not
 * know when the message was written, so a replay gets this far. After the second message the initiator
 * knows that the responder is there. The responder knows that the initiator is there once the first
 * message of the channel decrypts. Until then the responder must not act on anything it received.
 *
 * @module
 */

import { hash, hkdfSync } from "node:crypto";
import { assert } from "../assert.ts";
import { concatBytes, encodeUtf8, equalBytes } from "../bytes.ts";
import { RAW_KEY_BYTES } from "../native_key.ts";
import {
  CipherState,
  type KeyPair,
  NoiseError,
  sharedSecret,
  TAG_BYTES,
} from "./noise_primitives.ts";

const PROTOCOL_NAME = "Noise_IK_25519_ChaChaPoly_SHA256";
const STATIC_FIELD_BYTES = RAW_KEY_BYTES + TAG_BYTES;

/** Bytes of the initiator's message around its payload. */
export const FIRST_MESSAGE_BYTES: number = RAW_KEY_BYTES + STATIC_FIELD_BYTES + TAG_BYTES;
/** Bytes of the responder's message around its payload. */
export const SECOND_MESSAGE_BYTES: number = RAW_KEY_BYTES + TAG_BYTES;

/** The input of a handshake, for either side. */
export interface NoiseOptions {
  /** What both sides must agree on beforehand, byte for byte. */
  readonly prologue: Uint8Array;
  /** This side's lasting key pair. */
  readonly staticKeys: KeyPair;
  /** A fresh key pair for this handshake only, from the system's randomness. */
  readonly ephemeralKeys: KeyPair;
  /** The other side's lasting public key, 32 bytes. */
  readonly remoteStaticKey: Uint8Array;
}

/** The result of a handshake. The holder erases both states at the end of the connection. */
export interface NoiseKeys {
  /** Encrypts what this side sends. */
  readonly send: CipherState;
  /** Decrypts what this side receives. */
  readonly receive: CipherState;
  /** 32 bytes that are unique to this channel. Public. */
  readonly handshakeHash: Uint8Array;
}

/**
 * The side that sends first: {@linkcode writeFirst}, then {@linkcode readSecond}. To dispose of it erases
 * the secrets of the handshake, but not the keys that it returned.
 */
export class NoiseInitiator implements Disposable {
  readonly #options: NoiseOptions;
  readonly #state: SymmetricState;
  #next: "writeFirst" | "readSecond" | "nothing" = "writeFirst";

  /** Computes nothing secret yet. */
  constructor(options: NoiseOptions) {
    this.#options = options;
    this.#state = begin(options.prologue, options.remoteStaticKey);
  }

  /**
   * `-> e, es, s, ss`: the first message. An attacker can replay its payload, and can read it after
   * stealing the responder's static key later.
   *
   * @throws {NoiseError} `weakKey` when the responder's key is of low order.
   */
  writeFirst(payload: Uint8Array): Uint8Array {
    assert(this.#next === "writeFirst", `The initiator's turn is to ${this.#next}`);
    this.#next = "readSecond";
    const { staticKeys, ephemeralKeys, remoteStaticKey } = this.#options;
    this.#state.mixHash(ephemeralKeys.publicKey);
    this.#state.mixKey(sharedSecret(ephemeralKeys, remoteStaticKey));
    const staticField = this.#state.encryptAndHash(staticKeys.publicKey);
    this.#state.mixKey(sharedSecret(staticKeys, remoteStaticKey));
    return concatBytes(
      ephemeralKeys.publicKey,
      staticField,
      this.#state.encryptAndHash(payload),
    );
  }

  /** `<- e, ee, se`: reads the responder's message. @throws {NoiseError} when it is not genuine. */
  readSecond(message: Uint8Array): NoiseKeys & { readonly payload: Uint8Array } {
    assert(this.#next === "readSecond", `The initiator's turn is to ${this.#next}`);
    this.#next = "nothing";
    checkLength(message, SECOND_MESSAGE_BYTES);
    const { staticKeys, ephemeralKeys } = this.#options;
    const remoteEphemeralKey = message.subarray(0, RAW_KEY_BYTES);
    this.#state.mixHash(remoteEphemeralKey);
    this.#state.mixKey(sharedSecret(ephemeralKeys, remoteEphemeralKey));
    this.#state.mixKey(sharedSecret(staticKeys, remoteEphemeralKey));
    const payload = this.#state.decryptAndHash(message.subarray(RAW_KEY_BYTES));
    const [send, receive] = this.#state.split();
    return { payload, send, receive, handshakeHash: this.#state.hash };
  }

  /** Erases the secrets of the handshake. */
  [Symbol.dispose](): void {
    this.#next = "nothing";
    this.#state.erase();
  }
}

/**
 * The side that answers: {@linkcode readFirst}, then {@linkcode writeSecond}. To dispose of it erases the
 * secrets of the handshake, but not the keys that it returned.
 */
export class NoiseResponder implements Disposable {
  readonly #options: NoiseOptions;
  readonly #state: SymmetricState;
  #next: "readFirst" | "writeSecond" | "nothing" = "readFirst";
  #remoteEphemeralKey = new Uint8Array(0);

  /** `remoteStaticKey` is the key that the initiator must have. */
  constructor(options: NoiseOptions) {
    this.#options = options;
    this.#state = begin(options.prologue, options.staticKeys.publicKey);
  }

  /**
   * Reads the initiator's message and returns its payload.
   *
   * @throws {NoiseError} `wrongKey` when the initiator's static key is not `remoteStaticKey`;
   * `notAuthentic` when the initiator used another responder's key, or the message was altered.
   */
  readFirst(message: Uint8Array): Uint8Array {
    assert(this.#next === "readFirst", `The responder's turn is to ${this.#next}`);
    this.#next = "nothing";
    checkLength(message, FIRST_MESSAGE_BYTES);
    const { staticKeys, remoteStaticKey } = this.#options;
    const payloadOffset = RAW_KEY_BYTES + STATIC_FIELD_BYTES;
    this.#remoteEphemeralKey = message.slice(0, RAW_KEY_BYTES);
    this.#state.mixHash(this.#remoteEphemeralKey);
    this.#state.mixKey(sharedSecret(staticKeys, this.#remoteEphemeralKey));
    const staticKey = this.#state.decryptAndHash(message.subarray(RAW_KEY_BYTES, payloadOffset));
    // First, so that a wrong key costs no more computation. Both keys are public, so the time that the
    // comparison takes reveals nothing.
    if (!equalBytes(staticKey, remoteStaticKey)) {
      throw new NoiseError("wrongKey", "Cannot accept handshake: the initiator has another key");
    }
    this.#state.mixKey(sharedSecret(staticKeys, staticKey));
    const payload = this.#state.decryptAndHash(message.subarray(payloadOffset));
    this.#next = "writeSecond";
    return payload;
  }

  /** `<- e, ee, se`: the second message, and the keys of the channel. */
  writeSecond(payload: Uint8Array): NoiseKeys & { readonly message: Uint8Array } {
    assert(this.#next === "writeSecond", `The responder's turn is to ${this.#next}`);
    this.#next = "nothing";
    const { ephemeralKeys, remoteStaticKey } = this.#options;
    this.#state.mixHash(ephemeralKeys.publicKey);
    this.#state.mixKey(sharedSecret(ephemeralKeys, this.#remoteEphemeralKey));
    this.#state.mixKey(sharedSecret(ephemeralKeys, remoteStaticKey));
    const message = concatBytes(ephemeralKeys.publicKey, this.#state.encryptAndHash(payload));
    const [receive, send] = this.#state.split();
    return { message, send, receive, handshakeHash: this.#state.hash };
  }

  /** Erases the secrets of the handshake. */
  [Symbol.dispose](): void {
    this.#next = "nothing";
    this.#state.erase();
  }
}

/** The responder's static key is a pre-message of the pattern (§5.3, Initialize). */
function begin(prologue: Uint8Array, responderKey: Uint8Array): SymmetricState {
  const state = new SymmetricState(PROTOCOL_NAME);
  state.mixHash(prologue);
  state.mixHash(responderKey);
  return state;
}

function checkLength(message: Uint8Array, bytesMin: number): void {
  if (message.length < bytesMin) {
    throw new NoiseError(
      "malformed",
      `Cannot read handshake: length ${message.length} is below ${bytesMin}`,
    );
  }
}

/** Bytes of a hash, and of every key. */
const HASH_BYTES = 32;
const NOTHING = new Uint8Array(0);

/** The state of a handshake without its Diffie-Hellman keys. {@linkcode erase} it at the end. */
export class SymmetricState {
  #hash: Uint8Array;
  readonly #chainingKey: Uint8Array;
  #cipher: CipherState | null = null;

  /** `protocolName` is the full name. It has exactly 32 bytes: a longer name would be hashed (§5.2). */
  constructor(protocolName: string) {
    this.#hash = encodeUtf8(protocolName);
    assert(this.#hash.length === HASH_BYTES, `the protocol name has ${this.#hash.length} bytes`);
    this.#chainingKey = this.#hash.slice();
  }

  /** The hash of everything so far. At the end of a handshake it identifies this channel (§11.2). */
  get hash(): Uint8Array {
    return this.#hash;
  }

  /** Adds public bytes to the hash. */
  mixHash(data: Uint8Array): void {
    this.#hash = hash("sha256", concatBytes(this.#hash, data), "buffer");
  }

  /** Mixes a shared secret into the chaining key, erases the secret, and continues with a new key. */
  mixKey(secret: Uint8Array): void {
    const [chainingKey, key] = this.#derive(secret);
    secret.fill(0);
    this.#chainingKey.set(chainingKey);
    chainingKey.fill(0);
    this.#cipher?.erase();
    this.#cipher = new CipherState(key);
  }

  /** Encrypts with the current key. The hash of everything so far is the associated data. */
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

  /** The two keys of the channel: first the one the initiator sends with, then the responder's. */
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

  /** Noise's HKDF (§4.3) is HKDF of RFC 5869 with the chaining key as salt and an empty info. */
  #derive(secret: Uint8Array): readonly [Uint8Array, Uint8Array] {
    const both = hkdfSync("sha256", secret, this.#chainingKey, NOTHING, 2 * HASH_BYTES);
    return [new Uint8Array(both, 0, HASH_BYTES), new Uint8Array(both, HASH_BYTES)];
  }
}
