import assert from "node:assert/strict";
import { InputError } from "../lib/errors.ts";
import { highest, lowest, plus, toEpoch, toLogIndex, toNodeId, toTerm } from "../lib/types.ts";

Deno.test("the checked constructors take what is at their limits", () => {
  assert.equal(toTerm(0), 0);
  assert.equal(toLogIndex(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
  assert.equal(toEpoch(1), 1);
  assert.equal(toNodeId("x".repeat(64)), "x".repeat(64));
});

Deno.test("plus(), highest() and lowest() compute with indexes as with numbers", () => {
  const [three, five] = [toLogIndex(3), toLogIndex(5)];
  assert.deepEqual([plus(three, 1), plus(three, -2)], [4, 1]);
  assert.deepEqual([highest(three, five, three), lowest(five, three)], [5, 3]);
});

/** So deep that turning it into text would end in an error of the stack's. */
function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

const REFUSED: readonly (readonly [what: string, value: unknown, shown: RegExp])[] = [
  ["a fraction", 0.5, /: 0.5 /],
  ["a negative number", -1, /: -1 /],
  ["a number that is not exact", 2 ** 53, /: 9007199254740992 /],
  ["no number", NaN, /: NaN /],
  ["a text in its quotes", "1", /: "1" /],
  ["a long text, shortened", "x".repeat(1000), /: "x{79}\.\.\. /],
  ["nothing", null, /: null /],
  ["an object without a prototype", Object.create(null), /: an object /],
  ["an object that is not to be turned into text", { toString: 1, valueOf: 1 }, /: an object /],
  ["arrays nested deeper than the stack reaches", nested(100_000), /: an array /],
];

for (const [what, value, shown] of REFUSED) {
  Deno.test(`toTerm() refuses ${what}, and says so`, () => {
    assert.throws(() => toTerm(value), (error: unknown) => {
      assert.ok(error instanceof InputError);
      assert.match(error.message, shown);
      return true;
    });
  });
}
