import fc from "fast-check";
import assert from "node:assert/strict";
import { lagrangeCoefficients } from "../../lib/frost/ciphersuite.ts";
import { PrimeOrderPoint } from "../../lib/frost/points.ts";

const { Fn } = PrimeOrderPoint;
/** f(x) = 7 + 5x + 3x^2 */
const f = (x: number) => BigInt(7 + 5 * x + 3 * x * x);

Deno.test("lagrangeCoefficients() interpolates a polynomial at any place, RFC 9591 §4.2", () => {
  const identifierSets = fc.uniqueArray(fc.integer({ min: 1, max: 200 }), {
    minLength: 3,
    maxLength: 8,
  });
  const check = (identifiers: number[], x: number) => {
    const weights = lagrangeCoefficients(identifiers, x);
    const sum = identifiers.reduce((sum, identifier, at) => {
      return Fn.add(sum, Fn.mul(f(identifier), weights[at] ?? 0n));
    }, 0n);
    assert.equal(sum, f(x));
  };
  fc.assert(fc.property(identifierSets, fc.integer({ min: 0, max: 300 }), check), { numRuns: 50 });
});

Deno.test("lagrangeCoefficients() are the known weights for participants 1 and 3", () => {
  const [one, three] = lagrangeCoefficients([1, 3]);
  assert.equal(Fn.mul(one ?? 0n, 2n), 3n);
  assert.equal(Fn.mul(three ?? 0n, 2n), Fn.neg(1n));
});

Deno.test("lagrangeCoefficients() refuses an identifier twice", () => {
  assert.throws(() => lagrangeCoefficients([1, 2, 1]), { name: "InvariantError" });
});
