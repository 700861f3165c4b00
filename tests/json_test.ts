import fc from "fast-check";
import assert from "node:assert/strict";
import { findJsonFault, JsonError, measureJson, parseStrictJson } from "../lib/json.ts";

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

const DOUBLED: readonly (readonly [text: string, line: number, column: number])[] = [
  ['{"a":1,"a":1}', 1, 8],
  ['{"a":1,\n "b":{"c":1},\n "a":2}', 3, 2],
  ['{"b":{"c":1,"c":2}}', 1, 13],
  ['[{"a":1},{"a":1,"\\u0061":2}]', 1, 17],
  ['{"":1,"":2}', 1, 7],
  ['{"__proto__":1,"__proto__":2}', 1, 16],
];
for (const [text, line, column] of DOUBLED) {
  Deno.test(`parseStrictJson() refuses a key that stands twice: ${text}`, () => {
    assert.throws(
      () => parseStrictJson(text),
      (error) =>
        error instanceof JsonError && error.fault === "doubledKey" &&
        error.message.endsWith(`the second time at line ${line}, column ${column}`),
    );
  });
}

Deno.test("parseStrictJson() takes equal keys of different objects, and strings that look like keys", () => {
  for (const text of ['{"a":{"a":[{"a":1},{"a":"a"}]},"b":":a:"}', '["a","a"]', '"a"', " 1 "]) {
    assert.deepEqual(parseStrictJson(text), JSON.parse(text));
  }
});

Deno.test("parseStrictJson() names a byte order mark, and quotes nothing of what is not JSON", () => {
  assert.throws(() => parseStrictJson("\ufeff{}"), /^JsonError: begins with a byte order mark/);
  assert.throws(
    () => parseStrictJson('{"secret'),
    (error) =>
      error instanceof JsonError && error.message === "not JSON at line 1, column 2" &&
      error.cause === undefined,
  );
});

Deno.test("measureJson() counts brackets and commas, but none in a text", () => {
  const measure = (text: string) => measureJson(new TextEncoder().encode(text));
  assert.deepEqual(measure('{"a":[1,2,{"b":null}],"c":{}}'), { depth: 3, parts: 7 });
  assert.deepEqual(measure('"[,{\\",["'), { depth: 0, parts: 0 });
  assert.deepEqual(measure("]]][["), { depth: 0, parts: 2 });
});
