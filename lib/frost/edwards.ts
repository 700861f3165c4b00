/**
 * The addition law of edwards25519 in extended coordinates (RFC 8032 §5.1.4), for public points.
 *
 * `@noble/curves` has the same law, but freezes and range-checks every intermediate point, and a group
 * commitment of 67 signers makes four thousand of them. This file does neither, which makes a signature
 * share about a quarter faster. No secret is ever an input here: noble multiplies the base point by a
 * secret, blinded and in a fixed sequence of steps.
 *
 * @module
 */

import { ed25519 } from "@noble/curves/ed25519.js";

const { Fp } = ed25519.Point;
const P = Fp.ORDER;
const TWO_D = Fp.mul(2n, ed25519.Point.CURVE().d);

/**
 * A curve point with x = X/Z, y = Y/Z, x*y = T/Z. The coordinates stand for residues modulo
 * 2^255 - 19 and may be negative, as JavaScript's remainder leaves them.
 */
export class ExtendedPoint {
  /** x times Z. */
  readonly X: bigint;
  /** y times Z. */
  readonly Y: bigint;
  /** The common denominator, never zero. */
  readonly Z: bigint;
  /** x times y times Z. */
  readonly T: bigint;
  #addend: Addend | null = null;

  /** The coordinates must satisfy the curve's equation. They are not checked. */
  constructor(X: bigint, Y: bigint, Z: bigint, T: bigint) {
    this.X = X;
    this.Y = Y;
    this.Z = Z;
    this.T = T;
  }

  /** The sum. The law is complete: it holds for every pair of points. RFC 8032 §5.1.4. */
  add(other: ExtendedPoint): ExtendedPoint {
    const { minus, plus, T2d, Z2 } = other.#addend ??= toAddend(other);
    const A = ((this.Y - this.X) * minus) % P;
    const B = ((this.Y + this.X) * plus) % P;
    const C = (this.T * T2d) % P;
    const D = (this.Z * Z2) % P;
    return fromFactors(B - A, D - C, D + C, B + A);
  }

  /** The sum with itself. RFC 8032 §5.1.4. */
  double(): ExtendedPoint {
    const { X, Y, Z } = this;
    const A = (X * X) % P;
    const B = (Y * Y) % P;
    const C = (2n * Z * Z) % P;
    const H = A + B;
    const G = A - B;
    return fromFactors(H - ((X + Y) * (X + Y)) % P, C + G, G, H);
  }

  /** The inverse: (-x, y). */
  negate(): ExtendedPoint {
    const negative = new ExtendedPoint(-this.X, this.Y, this.Z, -this.T);
    const addend = this.#addend;
    if (addend !== null) {
      const { minus, plus, T2d, Z2 } = addend;
      negative.#addend = { minus: plus, plus: minus, T2d: -T2d, Z2 };
    }
    return negative;
  }

  /** Whether both are the same point. */
  equals(other: ExtendedPoint): boolean {
    return (this.X * other.Z - other.X * this.Z) % P === 0n &&
      (this.Y * other.Z - other.Y * this.Z) % P === 0n;
  }

  /** The coordinates (x, y), from 0 to 2^255 - 20. */
  toAffine(): { readonly x: bigint; readonly y: bigint } {
    const inverse = Fp.inv(Fp.create(this.Z));
    return { x: Fp.create(this.X * inverse), y: Fp.create(this.Y * inverse) };
  }

  /** 32 bytes: y, little-endian, with the sign of x in the highest bit. RFC 8032 §5.1.2. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const { x, y } = this.toAffine();
    const signOfX = x % 2n << 255n;
    return Uint8Array.fromHex((y + signOfX).toString(16).padStart(64, "0")).reverse();
  }
}

/** The values that the addition law needs of the second point, computed once. */
interface Addend {
  /** Y - X */
  readonly minus: bigint;
  /** Y + X */
  readonly plus: bigint;
  /** 2 d T, with d of the curve's equation */
  readonly T2d: bigint;
  /** 2 times Z */
  readonly Z2: bigint;
}

function toAddend({ X, Y, Z, T }: ExtendedPoint): Addend {
  return { minus: Y - X, plus: Y + X, T2d: (T * TWO_D) % P, Z2: 2n * Z };
}

/** The last four multiplications of both laws. */
function fromFactors(E: bigint, F: bigint, G: bigint, H: bigint): ExtendedPoint {
  return new ExtendedPoint((E * F) % P, (G * H) % P, (F * G) % P, (E * H) % P);
}
