/**
 * Elements of the prime-order group, validated once.
 *
 * `@noble/curves` checks every point that it parses for torsion, twice and each time anew. That is nine
 * tenths of the time of a FROST signature. {@linkcode PrimeOrderPoint} makes the check once, when it first
 * sees an encoding, and remembers the result: an instance is a checked point. Noble's own classes are
 * frozen and cannot be extended. So this class has the methods of noble's `Point`, and noble's
 * `createFROST` can compute with it.
 *
 * @module
 */

import { mulAddUnsafe } from "@noble/curves/abstract/curve.js";
import { ed25519 } from "@noble/curves/ed25519.js";
import { diffieHellman } from "node:crypto";
import { assert } from "../assert.ts";
import { decodeHex, encodeHex, equalBytes } from "../bytes.ts";
import { toPrivateKey, toPublicKey } from "../native_key.ts";
import { ELEMENT_BYTES } from "./ciphersuite.ts";
import { ExtendedPoint } from "./edwards.ts";
import { FrostError } from "./error.ts";

/**
 * Most encodings remembered as validated. A signing session of 100 voters uses 200 points, so several
 * sessions fit. Beyond the limit the least recently used encoding is forgotten, which costs only time.
 */
export const VALIDATED_POINTS_MAX = 4096;

/** Encodings that passed every check, in hex; the most recently used is last. */
const validated = new Map<string, PrimeOrderPoint>();

/**
 * An element of the prime-order group of Ed25519 (RFC 9591 §3.1, §6.1).
 *
 * Invariant: the point is on the curve and free of torsion. An instance is the base point, the identity,
 * the result of {@linkcode PrimeOrderPoint.fromBytes}, which checks the encoding, or a sum or multiple of
 * such instances, which is always in the group.
 */
export class PrimeOrderPoint {
  /** The field of the coordinates. */
  static readonly Fp: typeof ed25519.Point.Fp = ed25519.Point.Fp;
  /** The field of the scalars. */
  static readonly Fn: typeof ed25519.Point.Fn = ed25519.Point.Fn;
  /** The generator B. */
  static readonly BASE: PrimeOrderPoint = new PrimeOrderPoint(toExtended(ed25519.Point.BASE));
  /** The identity. {@linkcode PrimeOrderPoint.fromBytes} refuses its encoding. */
  static readonly ZERO: PrimeOrderPoint = new PrimeOrderPoint(toExtended(ed25519.Point.ZERO));

  readonly #point: ExtendedPoint;
  #encoding: Uint8Array | null = null;

  private constructor(point: ExtendedPoint) {
    this.#point = point;
  }

  /**
   * DeserializeElement: 32 bytes, canonical, on the curve, of prime order, not the identity. For an
   * encoding that was seen before, this is a look-up.
   *
   * @throws {FrostError} `malformed-element`, `identity-element` or `not-prime-order`.
   * RFC 9591 §3.1, §6.1.
   */
  static fromBytes(bytes: Uint8Array): PrimeOrderPoint {
    checkLength(bytes);
    const key = encodeHex(bytes);
    const known = validated.get(key);
    if (known !== undefined) {
      validated.delete(key);
      validated.set(key, known);
      return known;
    }
    const point = new PrimeOrderPoint(decodeAndCheck(bytes));
    point.#encoding = bytes.slice();
    return remember(key, point);
  }

  /** As {@linkcode PrimeOrderPoint.fromBytes}, from hex. */
  static fromHex(hex: string): PrimeOrderPoint {
    return PrimeOrderPoint.fromBytes(decodeHex(hex));
  }

  /** As {@linkcode PrimeOrderPoint.fromBytes}, from affine coordinates. */
  static fromAffine(affine: { x: bigint; y: bigint }): PrimeOrderPoint {
    return PrimeOrderPoint.fromBytes(ed25519.Point.fromAffine(affine).toBytes());
  }

  /**
   * The sum of `scalars[i] * points[i]`, in variable time: for public values only.
   * RFC 9591 §3.1 (ScalarMult, Add).
   */
  static sumOfProducts(
    points: readonly PrimeOrderPoint[],
    scalars: readonly bigint[],
  ): PrimeOrderPoint {
    return mulAddUnsafe(PrimeOrderPoint, [...points], [...scalars]);
  }

  /** The affine x coordinate. */
  get x(): bigint {
    return this.#point.toAffine().x;
  }

  /** The affine y coordinate. */
  get y(): bigint {
    return this.#point.toAffine().y;
  }

  /** Both affine coordinates. */
  toAffine(): { x: bigint; y: bigint } {
    return this.#point.toAffine();
  }

  /**
   * SerializeElement: 32 bytes (RFC 9591 §3.1, RFC 8032 §5.1.2). The encoding is remembered as validated,
   * because it is of a point in the group.
   */
  toBytes(): Uint8Array<ArrayBuffer> {
    if (this.#encoding === null) {
      this.#encoding = this.#point.toBytes();
      if (!this.is0()) remember(encodeHex(this.#encoding), this);
    }
    return new Uint8Array(this.#encoding);
  }

  /** The encoding in hex. */
  toHex(): string {
    return encodeHex(this.toBytes());
  }

  /** The sum with another element. */
  add(other: PrimeOrderPoint): PrimeOrderPoint {
    return new PrimeOrderPoint(this.#point.add(other.#point));
  }

  /** The difference from another element. */
  subtract(other: PrimeOrderPoint): PrimeOrderPoint {
    return this.add(other.negate());
  }

  /** The inverse element. */
  negate(): PrimeOrderPoint {
    return new PrimeOrderPoint(this.#point.negate());
  }

  /** The sum with itself. */
  double(): PrimeOrderPoint {
    return new PrimeOrderPoint(this.#point.double());
  }

  /**
   * Multiplies the base point by a secret scalar, at least 1 and below the group order. It is noble's own
   * multiplication, blinded and in a fixed sequence of steps. Other points do not have this protection,
   * so a secret must not multiply them. For public scalars see
   * {@linkcode PrimeOrderPoint.sumOfProducts}.
   *
   * @throws {InvariantError} on any point but the base point.
   */
  multiply(secretScalar: bigint): PrimeOrderPoint {
    assert(this === PrimeOrderPoint.BASE, "a secret must multiply only the base point");
    return new PrimeOrderPoint(toExtended(ed25519.Point.BASE.multiply(secretScalar)));
  }

  /** Multiplies by a public scalar, in variable time. */
  multiplyUnsafe(publicScalar: bigint): PrimeOrderPoint {
    return PrimeOrderPoint.sumOfProducts([this], [publicScalar]);
  }

  /** Whether both are the same element. */
  equals(other: PrimeOrderPoint): boolean {
    return this.#point.equals(other.#point);
  }

  /** Whether this is the identity. */
  is0(): boolean {
    return this.equals(PrimeOrderPoint.ZERO);
  }

  /** Does nothing: the class's invariant already guarantees it. */
  assertValidity(): void {}

  /** Always true, by the class's invariant. */
  isTorsionFree(): boolean {
    return true;
  }

  /** Whether the order divides 8: only the identity's does. */
  isSmallOrder(): boolean {
    return this.is0();
  }

  /** Multiplies by the cofactor 8. */
  clearCofactor(): PrimeOrderPoint {
    return this.double().double().double();
  }

  /** Part of noble's interface. Only the base point has a precomputed table, and noble made it already. */
  precompute(): PrimeOrderPoint {
    return this;
  }
}

/**
 * Checks a public key from outside. Refuses keys under which forged signatures could verify.
 *
 * @throws {FrostError} `malformed-element`, `identity-element` or `not-prime-order`.
 */
export function checkEd25519Key(publicKey: Uint8Array): void {
  PrimeOrderPoint.fromBytes(publicKey);
}

function checkLength(bytes: Uint8Array): void {
  if (bytes.length === ELEMENT_BYTES) return;
  throw new FrostError(
    "malformed-element",
    `Cannot read element: length ${bytes.length} is not ${ELEMENT_BYTES}`,
  );
}

/** All of RFC 9591 §3.1's DeserializeElement for 32 bytes, the cheapest check first. */
function decodeAndCheck(bytes: Uint8Array): ExtendedPoint {
  const point = decode(bytes);
  if (point.is0()) {
    throw new FrostError("identity-element", `Cannot read element: it is the identity`);
  }
  if (!isPrimeOrder(point.Y)) {
    throw new FrostError(
      "not-prime-order",
      `Cannot read element: ${encodeHex(bytes)} is not in the prime-order group`,
    );
  }
  return toExtended(point);
}

/** Decodes to a point with Z = 1, so Y is the affine y coordinate. */
function decode(bytes: Uint8Array): typeof ed25519.Point.BASE {
  try {
    return ed25519.Point.fromBytes(bytes);
  } catch (cause) {
    throw new FrostError(
      "malformed-element",
      `Cannot read element: ${encodeHex(bytes)} is not the canonical encoding of a point`,
      { cause },
    );
  }
}

function toExtended({ X, Y, Z, T }: typeof ed25519.Point.BASE): ExtendedPoint {
  return new ExtendedPoint(X, Y, Z, T);
}

function remember(key: string, point: PrimeOrderPoint): PrimeOrderPoint {
  validated.set(key, point);
  if (validated.size > VALIDATED_POINTS_MAX) {
    const oldest = validated.keys().next();
    if (!oldest.done) validated.delete(oldest.value);
  }
  return point;
}

const { Fp, Fn } = ed25519.Point;

/** The public constant s = 5L - 1, in the form of a key. */
const minusOneKey = toPrivateKey("x25519", Fp.toBytes(5n * Fn.ORDER - 1n));

/**
 * Whether the curve point with this affine `y` has prime order. False for the identity, for points of
 * small order, and for sums with such points. `y` must be the coordinate of a point on the curve, which
 * decoding guarantees. The sign of `x` makes no difference.
 */
export function isPrimeOrder(y: bigint): boolean {
  if (y === Fp.ONE) return false;
  // The birational map of RFC 7748 §4.1: u = (1 + y) / (1 - y).
  const u = Fp.div(Fp.add(Fp.ONE, y), Fp.sub(Fp.ONE, y));
  if (u === Fp.ZERO) return false;
  const encoded = Fp.toBytes(u);
  const product = multiplyByMinusOne(encoded);
  return product !== null && equalBytes(product, encoded);
}

/** X25519(s, u); null when the native function refuses a zero result (RFC 7748 §6.1). */
function multiplyByMinusOne(u: Uint8Array): Uint8Array | null {
  const publicKey = toPublicKey("x25519", u);
  try {
    return diffieHellman({ privateKey: minusOneKey, publicKey });
  } catch {
    return null;
  }
}
