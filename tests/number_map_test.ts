import assert from "node:assert/strict";
import fc from "fast-check";
import { NumberMap } from "../lib/number_map.ts";

Deno.test("NumberMap agrees with Map, whatever is set and deleted", () => {
  const step = fc.record({ key: fc.nat(300), isSet: fc.boolean() });
  fc.assert(fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
    const map = new NumberMap<number>();
    const model = new Map<number, number>();
    for (const [value, { key, isSet }] of steps.entries()) {
      if (isSet) {
        map.set(key, value);
        model.set(key, value);
      } else {
        map.delete(key);
        model.delete(key);
      }
      assert.equal(map.get(key), model.get(key));
      assert.equal(map.has(key), model.has(key));
      assert.equal(map.size, model.size);
    }
    assert.deepEqual(map.entries(), [...model].sort(([left], [right]) => left - right));
  }));
});

Deno.test("NumberMap keeps large keys apart that share a bucket", () => {
  const map = new NumberMap<string>();
  const keys = [2 ** 52, 2 ** 52 + 2 ** 10, 2 ** 52 + 2 ** 11];
  for (const key of keys) map.set(key, String(key));
  map.delete(2 ** 52 + 2 ** 10);
  assert.deepEqual(map.entries(), [[2 ** 52, String(2 ** 52)], [
    2 ** 52 + 2 ** 11,
    String(2 ** 52 + 2 ** 11),
  ]]);
});

Deno.test("entries() lists what there was, while it is removed", () => {
  const map = new NumberMap<string>();
  for (const key of [3, 1, 2]) map.set(key, `v${key}`);
  const seen: number[] = [];
  for (const [key] of map.entries()) {
    seen.push(key);
    map.delete(key);
  }
  assert.deepEqual(seen, [1, 2, 3]);
  assert.equal(map.size, 0);
});
