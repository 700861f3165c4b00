import { ed25519, ED25519_TORSION_SUBGROUP } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import assert from "node:assert/strict";
import { ExtendedPoint } from "../../lib/frost/edwards.ts";

const { Point } = ed25519;
type NoblePoint = typeof Point.BASE;

/** Points of every kind: multiples of the base point, with and without torsion, not normalised. */
const points = fc.tuple(
  fc.bigInt({ min: 0n, max: Point.Fn.ORDER - 1n }),
  fc.constantFrom(...ED25519_TORSION_SUBGROUP),
).map(([scalar, torsion]) => {
  return Point.BASE.multiplyUnsafe(scalar).add(Point.fromHex(torsion)).double()
    .subtract(Point.BASE);
});

Deno.test("ExtendedPoint.add() agrees with noble for any two points", () => {
  const check = (left: NoblePoint, right: NoblePoint) => {
    assertSame(toExtended(left).add(toExtended(right)), left.add(right));
    assertSame(toExtended(left).add(toExtended(left)), left.double());
    assertSame(toExtended(left).add(toExtended(left).negate()), Point.ZERO);
  };
  fc.assert(fc.property(points, points, check), { numRuns: 50 });
});

Deno.test("ExtendedPoint.negate() agrees with noble before and after being added", () => {
  const check = (left: NoblePoint, right: NoblePoint) => {
    const used = toExtended(right);
    assertSame(toExtended(left).add(used.negate()), left.subtract(right));
    toExtended(left).add(used);
    assertSame(toExtended(left).add(used.negate()), left.subtract(right));
    assertSame(toExtended(left).add(used.negate().negate()), left.add(right));
  };
  fc.assert(fc.property(points, points, check), { numRuns: 50 });
});

Deno.test("ExtendedPoint.double() agrees with noble, many times over", () => {
  const check = (point: NoblePoint) => {
    let [own, noble] = [toExtended(point), point];
    for (let times = 0; times < 5; times++) [own, noble] = [own.double(), noble.double()];
    assertSame(own, noble);
  };
  fc.assert(fc.property(points, check), { numRuns: 50 });
});

Deno.test("ExtendedPoint.equals() tells points apart, their negatives included", () => {
  const [one, two] = [toExtended(Point.BASE), toExtended(Point.BASE.double())];
  assert.ok(one.equals(toExtended(Point.BASE)));
  assert.ok(one.double().equals(two));
  assert.ok(!one.equals(two));
  assert.ok(!one.equals(one.negate()));
  assert.ok(!one.equals(toExtended(Point.ZERO)));
});

function toExtended({ X, Y, Z, T }: NoblePoint): ExtendedPoint {
  return new ExtendedPoint(X, Y, Z, T);
}

function assertSame(own: ExtendedPoint, noble: NoblePoint): void {
  assert.deepEqual(own.toBytes(), new Uint8Array(noble.toBytes()));
  assert.deepEqual(own.toAffine(), noble.toAffine());
  assert.ok(own.equals(toExtended(noble)));
}
