/**
 * Lagrange coefficients over the scalar field: what each share weighs in the sum.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { PrimeOrderPoint } from "./points.ts";

const { Fn } = PrimeOrderPoint;

/**
 * The weight of each x-coordinate in `identifiers` when the polynomial through them is evaluated at
 * `x`, in the same order; at 0, where the secret is, unless told otherwise. All are inverted with one
 * inversion. The identifiers must be unique.
 *
 * RFC 9591 §4.2 (derive_interpolating_value), for every participant at once.
 */
export function lagrangeCoefficients(identifiers: readonly number[], x = 0): bigint[] {
  assert(
    new Set(identifiers).size === identifiers.length,
    "Interpolation needs unique identifiers",
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
