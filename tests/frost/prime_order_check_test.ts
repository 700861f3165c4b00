import { ed25519, ED25519_TORSION_SUBGROUP } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import assert from "node:assert/strict";
import { isPrimeOrder } from "../../lib/frost/points.ts";

const { Point } = ed25519;
const torsion = ED25519_TORSION_SUBGROUP.map((hex) => Point.fromHex(hex));
const scalars = fc.bigInt({ min: 1n, max: Point.Fn.ORDER - 1n });

Deno.test("isPrimeOrder() refuses the identity and every point of small order", () => {
  assert.equal(torsion.length, 8);
  for (const point of torsion) assert.equal(isPrimeOrder(point.y), false, point.toHex());
});

Deno.test("isPrimeOrder() refuses an element plus any torsion, and accepts the element", () => {
  const check = (scalar: bigint) => {
    const element = Point.BASE.multiply(scalar);
    for (const point of torsion) {
      assert.equal(isPrimeOrder(element.add(point).y), point.is0());
    }
  };
  fc.assert(fc.property(scalars, check), { numRuns: 25 });
});

Deno.test("isPrimeOrder() agrees with multiplication by the group order on any curve point", () => {
  const check = (bytes: Uint8Array) => {
    let point;
    try {
      point = Point.fromBytes(bytes);
    } catch {
      return;
    }
    assert.equal(isPrimeOrder(point.y), point.isTorsionFree());
  };
  fc.assert(fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), check), { numRuns: 100 });
});

Deno.test("isPrimeOrder() accepts the smallest and the largest multiples of the base point", () => {
  for (const scalar of [1n, 2n, 8n, Point.Fn.ORDER - 2n, Point.Fn.ORDER - 1n]) {
    assert.ok(isPrimeOrder(Point.BASE.multiply(scalar).y));
  }
});
