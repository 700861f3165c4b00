/**
 * FROST(Ed25519, SHA-512): the hashes and the scalars of the ciphersuite (RFC 9591 §6.1).
 *
 * H3, which derives nonces, is used on the secret path only and stays inside `@noble/curves`.
 *
 * @module
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import { createHash } from "node:crypto";
import { assert } from "../assert.ts";
import { concatBytes, encodeUtf8 } from "../bytes.ts";
import { FrostError } from "./error.ts";
import type { PrimeOrderPoint } from "./points.ts";

/** Separates this ciphersuite's hashes from all others (RFC 9591 §6.1). */
export const CONTEXT_STRING = "FROST-ED25519-SHA512-v1";
/** Bytes of an encoded element: a compressed Edwards point (RFC 8032 §5.1.2). */
export const ELEMENT_BYTES = 32;
/** Bytes of an encoded scalar: little-endian, below the group order (RFC 9591 §6.1). */
const SCALAR_BYTES = 32;
/** Bytes of a signature: the element R, then the scalar z (RFC 8032 §5.1.6). */
export const SIGNATURE_BYTES: number = ELEMENT_BYTES + SCALAR_BYTES;

const { Fn } = ed25519.Point;
const RHO = encodeUtf8(`${CONTEXT_STRING}rho`);
const MESSAGE = encodeUtf8(`${CONTEXT_STRING}msg`);
const COMMITMENTS = encodeUtf8(`${CONTEXT_STRING}com`);
const KEY_GENERATION = encodeUtf8(`${CONTEXT_STRING}dkg`);
const REVEAL = encodeUtf8(`${CONTEXT_STRING}reveal`);

/** SHA-512, native: 64 bytes. The ciphersuite's hash H (RFC 9591 §6.1). */
export function hash(message: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash("sha512").update(message).digest());
}

/** Hashes the input of a binding factor to a scalar (RFC 9591 §4.4, §6.1). */
export function H1(message: Uint8Array): bigint {
  return hashToScalar(concatBytes(RHO, message));
}

/** Hashes to the challenge. It has no context string, so it is Ed25519's own (RFC 9591 §4.6, §6.1). */
function H2(message: Uint8Array): bigint {
  return hashToScalar(message);
}

/** Hashes the message that is signed: 64 bytes (RFC 9591 §4.4, §6.1). */
export function H4(message: Uint8Array): Uint8Array<ArrayBuffer> {
  return hash(concatBytes(MESSAGE, message));
}

/** Hashes an encoded commitment list: 64 bytes (RFC 9591 §4.4, §6.1). */
export function H5(message: Uint8Array): Uint8Array<ArrayBuffer> {
  return hash(concatBytes(COMMITMENTS, message));
}

/**
 * Hashes to the challenge of a proof of knowledge in key generation (FROST paper, Figure 1, step 2).
 * RFC 9591 does not cover key generation. The name and the prefix are from the Zcash Foundation's
 * frost-core.
 */
export function HDKG(message: Uint8Array): bigint {
  return hashToScalar(concatBytes(KEY_GENERATION, message));
}

/** Hashes a commitment that is revealed later in key generation: 64 bytes. Floe's own hash. */
export function HReveal(message: Uint8Array): Uint8Array<ArrayBuffer> {
  return hash(concatBytes(REVEAL, message));
}

/** SerializeScalar: 32 bytes, little-endian (RFC 9591 §3.1, §6.1). */
export function serializeScalar(scalar: bigint): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Fn.toBytes(scalar));
}

/**
 * DeserializeScalar: 32 bytes, little-endian, below the group order (RFC 9591 §3.1, §6.1).
 *
 * @throws {FrostError} `malformed-scalar` for anything else.
 */
export function deserializeScalar(bytes: Uint8Array): bigint {
  if (bytes.length !== SCALAR_BYTES) {
    throw new FrostError(
      "malformed-scalar",
      `Cannot read scalar: length ${bytes.length} is not ${SCALAR_BYTES}`,
    );
  }
  try {
    return Fn.fromBytes(bytes);
  } catch {
    // Without the cause: its message could contain the value, which can be a secret.
    throw new FrostError("malformed-scalar", "Cannot read scalar: not below the group order");
  }
}

/** compute_challenge: Ed25519's own (RFC 9591 §4.6, RFC 8032 §5.1.7). */
export function computeChallenge(
  groupCommitment: PrimeOrderPoint,
  groupPublicKey: PrimeOrderPoint,
  message: Uint8Array,
): bigint {
  return H2(concatBytes(groupCommitment.toBytes(), groupPublicKey.toBytes(), message));
}

/** Reads 64 bytes as a little-endian integer and reduces it (RFC 9591 §6.1). */
function hashToScalar(message: Uint8Array): bigint {
  const digest = hash(message).reverse();
  return Fn.create(BigInt(`0x${digest.toHex()}`));
}

/**
 * The weight of each x-coordinate in `identifiers`, in the same order, to evaluate the polynomial through
 * them at `x`. The default is 0, where the secret is. One modular inversion serves all weights. The
 * identifiers must be unique.
 *
 * RFC 9591 §4.2 (derive_interpolating_value), for every participant at once.
 */
export function lagrangeCoefficients(identifiers: readonly number[], x = 0): bigint[] {
  assert(
    new Set(identifiers).size === identifiers.length,
    "the identifiers are not unique",
  );
  const numerators: bigint[] = [];
  const denominators: bigint[] = [];
  for (const own of identifiers) {
    let numerator = 1n;
    let denominator = 1n;
    for (const other of identifiers) {
      if (other === own) continue;
      numerator = Fn.mul(numerator, Fn.create(BigInt(other - x)));
      denominator = Fn.mul(denominator, Fn.create(BigInt(other - own)));
    }
    numerators.push(numerator);
    denominators.push(denominator);
  }
  const inverses = Fn.invertBatch(denominators);
  return numerators.map((numerator, at) => Fn.mul(numerator, inverses[at] ?? 0n));
}
