/**
 * The primitives of the handshake and the channel: Noise's CipherState (§5.1), which is a key and a
 * counter of messages, with ChaCha20-Poly1305 (§12.3), and X25519 key pairs.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import {
  createCipheriv,
  createDecipheriv,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { assert } from "../assert.ts";
import { InputError } from "../errors.ts";
import { toPublicKey, toRawPublicKey } from "../native_key.ts";

/** Most bytes in a Noise message (§3). */
export const NOISE_MESSAGE_BYTES_MAX = 65_535;
/** Bytes that encryption adds. */
export const TAG_BYTES = 16;
/** Most bytes of plaintext in one message. */
export const PLAINTEXT_BYTES_MAX: number = NOISE_MESSAGE_BYTES_MAX - TAG_BYTES;

const ALGORITHM = "chacha20-poly1305";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
/** Noise allows up to 2^64 - 2. JavaScript counts exactly up to here, and no connection gets this far. */
const NONCE_MAX = Number.MAX_SAFE_INTEGER - 1;
/** 2^64 - 1, which no message uses (§5.1). */
const REKEY_NONCE = Buffer.from("00000000ffffffffffffffff", "hex");
const NOTHING = new Uint8Array(0);

/** A message in its two parts: it is the ciphertext, then the tag. */
interface Sealed {
  /** As long as the plaintext. */
  readonly ciphertext: Uint8Array;
  /** {@linkcode TAG_BYTES} bytes. */
  readonly tag: Uint8Array;
}

/**
 * The key of one direction. Each message takes the next nonce, so no nonce is used twice. A message that
 * is repeated or out of order, or that follows a lost one, does not decrypt.
 *
 * It owns its key: no other code keeps the bytes, and {@linkcode erase} zeroes them.
 */
export class CipherState {
  readonly #key: Uint8Array;
  readonly #iv = Buffer.alloc(NONCE_BYTES);
  #nonce: number;
  #erased = false;

  /** Takes over `key`, 32 bytes. `nonce` is the first nonce. */
  constructor(key: Uint8Array, nonce: number = 0) {
    assert(key.length === KEY_BYTES, `the cipher key has ${key.length} bytes`);
    this.#key = key;
    this.#nonce = nonce;
  }

  /**
   * Encrypts a message.
   *
   * @throws {NoiseError} `exhausted` when there is no nonce left.
   */
  encrypt(plaintext: Uint8Array, associatedData: Uint8Array = NOTHING): Sealed {
    assert(plaintext.length <= PLAINTEXT_BYTES_MAX, `the message has ${plaintext.length} bytes`);
    return this.#seal(this.#takeNonce(), plaintext, associatedData);
  }

  /**
   * Decrypts a message. After a failure the caller closes the channel.
   *
   * @throws {NoiseError} `malformed`, `notAuthentic` or `exhausted`.
   */
  decrypt(message: Uint8Array, associatedData: Uint8Array = NOTHING): Uint8Array {
    const length = message.length - TAG_BYTES;
    if (length < 0 || length > PLAINTEXT_BYTES_MAX) {
      throw new NoiseError(
        "malformed",
        `Cannot read message: length ${message.length} is not from ${TAG_BYTES} to ` +
          `${NOISE_MESSAGE_BYTES_MAX}`,
      );
    }
    const nonce = this.#takeNonce();
    const decipher = createDecipheriv(ALGORITHM, this.#key, nonce, { authTagLength: TAG_BYTES });
    if (associatedData.length > 0) decipher.setAAD(associatedData, { plaintextLength: length });
    decipher.setAuthTag(message.subarray(length));
    const plaintext = decipher.update(message.subarray(0, length));
    try {
      decipher.final();
    } catch {
      plaintext.fill(0);
      throw new NoiseError(
        "notAuthentic",
        `Cannot read message ${this.#nonce}: it is not the next message of the other side`,
      );
    }
    return plaintext;
  }

  /** Replaces the key. The new key does not reveal the old one (§11.3). The nonces go on. */
  rekey(): void {
    this.#checkAlive();
    const { ciphertext } = this.#seal(REKEY_NONCE, new Uint8Array(KEY_BYTES), NOTHING);
    this.#key.set(ciphertext);
    ciphertext.fill(0);
  }

  /** Zeroes the key. The state cannot be used afterwards. */
  erase(): void {
    this.#key.fill(0);
    this.#erased = true;
  }

  #seal(nonce: Uint8Array, plaintext: Uint8Array, associatedData: Uint8Array): Sealed {
    const cipher = createCipheriv(ALGORITHM, this.#key, nonce, { authTagLength: TAG_BYTES });
    if (associatedData.length > 0) {
      cipher.setAAD(associatedData, { plaintextLength: plaintext.length });
    }
    const ciphertext = cipher.update(plaintext);
    cipher.final();
    return { ciphertext, tag: cipher.getAuthTag() };
  }

  /** 32 zero bits, then the counter as 64 bits, little-endian (§12.3). */
  #takeNonce(): Uint8Array {
    this.#checkAlive();
    if (this.#nonce > NONCE_MAX) {
      throw new NoiseError("exhausted", `Cannot use another nonce: ${NONCE_MAX} are used up`);
    }
    this.#iv.writeUInt32LE(this.#nonce % 2 ** 32, 4);
    this.#iv.writeUInt32LE(Math.floor(this.#nonce / 2 ** 32), 8);
    this.#nonce += 1;
    return this.#iv;
  }

  #checkAlive(): void {
    assert(!this.#erased, "the cipher state was used after its key was erased");
  }
}

/**
 * An X25519 key pair. The private key is a key object, which keeps it out of logs and JSON. It is freed
 * with its last reference. A static pair lives as long as its node, an ephemeral one as long as a
 * handshake.
 */
export interface KeyPair {
  /** 32 bytes, X25519. Never logged. */
  readonly privateKey: KeyObject;
  /** The public key, 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** Generates a key pair from the system's randomness. */
export function generateKeyPair(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync("x25519");
  return { privateKey, publicKey: toRawPublicKey(publicKey) };
}

/** The key pair of a private key. */
export function toKeyPair(privateKey: KeyObject): KeyPair {
  return { privateKey, publicKey: toRawPublicKey(privateKey) };
}

/**
 * The secret that the two sides share, 32 bytes. The caller erases it.
 *
 * @throws {NoiseError} `weakKey` when the public key is one of the few of low order: the secret is then
 * zero for every private key (RFC 7748 §6.1, Noise §12.1).
 */
export function sharedSecret({ privateKey }: KeyPair, publicKey: Uint8Array): Uint8Array {
  let secret: Uint8Array;
  try {
    secret = diffieHellman({ privateKey, publicKey: toPublicKey("x25519", publicKey) });
  } catch (cause) {
    // OpenSSL makes the same check, and its error says only that it failed.
    throw weakKey({ cause });
  }
  if (secret.every((byte) => byte === 0)) throw weakKey();
  return secret;
}

/** Checks a public key before it is pinned. @throws {NoiseError} `weakKey` when it is of low order. */
export function checkX25519Key(publicKey: Uint8Array): void {
  sharedSecret(generateKeyPair(), publicKey).fill(0);
}

function weakKey(options: ErrorOptions = {}): NoiseError {
  return new NoiseError("weakKey", "Cannot use X25519 public key: it is of low order", options);
}

/** Why a message of the other side was refused. */
export type NoiseRefusal =
  /** It is not authentic: altered, repeated, out of order, or made with other keys. */
  | "notAuthentic"
  /** It is authentic, but the sender's key is not the pinned one. */
  | "wrongKey"
  /** Its public key is of low order: every shared secret would be zero. */
  | "weakKey"
  /** It is shorter or longer than a Noise message can be. */
  | "malformed"
  /** There were more messages under one key than allowed. */
  | "exhausted";

/** A handshake or transport message is refused. The channel cannot go on: it must be closed. */
export class NoiseError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "NoiseError";
  /** Which rule refused it. */
  readonly refusal: NoiseRefusal;

  /** `message` says what was refused, the value and the limit; never a key. */
  constructor(refusal: NoiseRefusal, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.refusal = refusal;
  }
}
