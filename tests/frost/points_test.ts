import { ed25519 } from "@noble/curves/ed25519.js";
import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { checkEd25519Key, PrimeOrderPoint, VALIDATED_POINTS_MAX } from "../../lib/frost/points.ts";
import { assertRefused } from "./signing.ts";
import {
  BAD_ENCODINGS,
  GOOD_POINT,
  MIXED_ORDER_POINTS,
  SMALL_ORDER_POINTS,
} from "./weak_points.ts";

Deno.test("PrimeOrderPoint.fromBytes() reads back what toBytes() wrote", () => {
  const point = PrimeOrderPoint.fromBytes(GOOD_POINT);
  assert.deepEqual(point.toBytes(), new Uint8Array(GOOD_POINT));
  assert.ok(PrimeOrderPoint.fromHex(point.toHex()).equals(point));
  assert.ok(PrimeOrderPoint.fromAffine(point.toAffine()).equals(point));
});

for (const [name, refusal, encoding] of BAD_ENCODINGS) {
  Deno.test(`PrimeOrderPoint.fromBytes() refuses ${name}`, () => {
    // Twice: a refused encoding must not be remembered as a good one.
    assertRefused(refusal, () => PrimeOrderPoint.fromBytes(encoding));
    assertRefused(refusal, () => PrimeOrderPoint.fromBytes(encoding));
    assertRefused(refusal, () => checkEd25519Key(encoding));
  });
}

Deno.test("PrimeOrderPoint.fromBytes() refuses every point of small or mixed order", () => {
  for (const encoding of [...SMALL_ORDER_POINTS, ...MIXED_ORDER_POINTS]) {
    assertRefused("not-prime-order", () => PrimeOrderPoint.fromBytes(encoding));
  }
});

Deno.test("PrimeOrderPoint.fromBytes() refuses all 19 encodings of y from p upward, signed or not", () => {
  for (let low = 0xed; low <= 0xff; low++) {
    for (const high of [0x7f, 0xff]) {
      const encoding = new Uint8Array(32).fill(0xff);
      encoding[0] = low;
      encoding[31] = high;
      assertRefused("malformed-element", () => PrimeOrderPoint.fromBytes(encoding));
    }
  }
});

Deno.test("PrimeOrderPoint.fromBytes() refuses a good encoding with any one byte changed, or reads another", () => {
  for (let at = 0; at < GOOD_POINT.length; at++) {
    const flipped = GOOD_POINT.slice();
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    try {
      assert.deepEqual(PrimeOrderPoint.fromBytes(flipped).toBytes(), new Uint8Array(flipped));
    } catch (error) {
      assert.equal((error as Error).name, "FrostError");
    }
  }
});

Deno.test("PrimeOrderPoint.fromBytes() keeps no hold on the caller's bytes", () => {
  const encoding = ed25519.Point.BASE.multiply(424242n).toBytes();
  const point = PrimeOrderPoint.fromBytes(encoding);
  const before = point.toHex();
  encoding.fill(0);
  point.toBytes().fill(0);
  assert.equal(point.toHex(), before);
  assertRefused("not-prime-order", () => PrimeOrderPoint.fromBytes(encoding));
});

Deno.test("PrimeOrderPoint.fromBytes() reads right when more points came than are remembered", () => {
  let point = PrimeOrderPoint.BASE;
  for (let count = 0; count <= VALIDATED_POINTS_MAX; count++) {
    point = point.add(PrimeOrderPoint.BASE);
    point.toBytes();
  }
  assert.ok(PrimeOrderPoint.fromBytes(GOOD_POINT).toHex() === GOOD_POINT.toHex());
  assertRefused("identity-element", () => {
    PrimeOrderPoint.fromBytes(PrimeOrderPoint.ZERO.toBytes());
  });
});

Deno.test("PrimeOrderPoint.multiply() refuses any point but the base point", () => {
  const other = PrimeOrderPoint.fromBytes(GOOD_POINT);
  assert.throws(() => other.multiply(3n), InvariantError);
  assert.throws(() => PrimeOrderPoint.ZERO.multiply(3n), InvariantError);
  assert.throws(() => PrimeOrderPoint.BASE.negate().negate().multiply(3n), InvariantError);
});

Deno.test("PrimeOrderPoint.multiply() refuses zero and the group order", () => {
  assert.throws(() => PrimeOrderPoint.BASE.multiply(0n), RangeError);
  assert.throws(() => PrimeOrderPoint.BASE.multiply(PrimeOrderPoint.Fn.ORDER), RangeError);
});

Deno.test("PrimeOrderPoint computes as noble's points do", () => {
  const [left, right] = [ed25519.Point.BASE.multiply(77n), ed25519.Point.BASE.multiply(99n)];
  const [ownLeft, ownRight] = [left, right].map((point) => {
    return PrimeOrderPoint.fromBytes(point.toBytes());
  });
  assert.ok(ownLeft && ownRight);
  assert.equal(ownLeft.subtract(ownRight).toHex(), left.subtract(right).toHex());
  assert.equal(ownLeft.double().toHex(), left.double().toHex());
  assert.equal(ownLeft.clearCofactor().toHex(), left.clearCofactor().toHex());
  assert.equal(ownLeft.multiplyUnsafe(12345n).toHex(), left.multiplyUnsafe(12345n).toHex());
  assert.deepEqual([ownLeft.x, ownLeft.y], [left.x, left.y]);
  assert.equal(
    PrimeOrderPoint.sumOfProducts([ownLeft, ownRight], [5n, 6n]).toHex(),
    left.multiply(5n).add(right.multiply(6n)).toHex(),
  );
});

Deno.test("PrimeOrderPoint.is0() holds for the identity only", () => {
  assert.ok(PrimeOrderPoint.ZERO.is0());
  assert.ok(PrimeOrderPoint.BASE.subtract(PrimeOrderPoint.BASE).isSmallOrder());
  assert.ok(!PrimeOrderPoint.BASE.is0());
});
