import fc from "fast-check";
import assert from "node:assert/strict";
import { findJsonFault } from "../../lib/config/json.ts";

Deno.test("findJsonFault() finds none in any JSON", () => {
  fc.assert(fc.property(fc.json(), fc.constantFrom(0, 2), (text, indent) => {
    assert.equal(findJsonFault(JSON.stringify(JSON.parse(text), null, indent)), null);
  }));
});

Deno.test("findJsonFault() finds one exactly in what JSON.parse() refuses", () => {
  const damaged = fc.tuple(fc.json(), fc.nat(), fc.constantFrom("", ",", "}", "]", '"', "x", "\n"))
    .map(([text, at, insert]) => {
      const offset = at % (text.length + 1);
      return text.slice(0, offset) + insert + text.slice(offset + 1);
    });
  fc.assert(fc.property(damaged, (text) => {
    assert.equal(findJsonFault(text) === null, isJson(text), text);
  }));
});

for (
  const [text, line, column] of [
    ["", 1, 1],
    ["{", 1, 2],
    ['{"a": 1,}', 1, 9],
    ['{\n  "a": x\n}', 2, 8],
    ['{\n  "a": 1\n  "b": 2\n}', 3, 3],
    ["[1, 2", 1, 6],
    ["{} {}", 1, 4],
    ["{'a': 1}", 1, 2],
    ["[1}", 1, 3],
    ["// comment\n{}", 1, 1],
  ] as const
) {
  Deno.test(`findJsonFault() points into ${JSON.stringify(text)}`, () => {
    assert.deepEqual(findJsonFault(text), { line, column });
  });
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
