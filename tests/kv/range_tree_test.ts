import assert from "node:assert/strict";
import fc from "fast-check";
import { inRange, type KeyRange } from "../../lib/kv/key_range.ts";
import { RangeTree } from "../../lib/kv/range_tree.ts";
import { bytes } from "./support.ts";

const NAMES = ["", "a", "b", "bb", "c", "d"] as const;

function found<Owner>(tree: RangeTree<Owner>, key: string): readonly Owner[] {
  const owners: Owner[] = [];
  tree.collect(bytes(key), owners);
  return owners;
}

Deno.test("RangeTree finds exactly the ranges with a key, through additions and removals", () => {
  const name = fc.constantFrom(...NAMES);
  const step = fc.record({
    owner: fc.nat(120),
    start: name,
    end: fc.option(name),
    isAdded: fc.integer({ max: 3 }).map((drawn) => drawn > 0),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600, size: "max" }), (steps) => {
      const tree = new RangeTree<number>();
      const model = new Map<number, KeyRange>();
      for (const { owner, start, end, isAdded } of steps) {
        const keys = { start: bytes(start), end: end === null ? null : bytes(end) };
        tree.remove(owner);
        model.delete(owner);
        if (!isAdded) continue;
        tree.add(keys, owner);
        model.set(owner, keys);
      }
      for (const key of ["a", "b", "ba", "bb", "c", "zz"]) {
        const expected = [...model].filter(([, keys]) => inRange(keys, bytes(key)));
        assert.deepEqual(
          found(tree, key).toSorted((left, right) => left - right),
          expected.map(([owner]) => owner).sort((left, right) => left - right),
        );
      }
    }),
    { numRuns: 50 },
  );
});

Deno.test("RangeTree looks at few of many ranges", () => {
  const tree = new RangeTree<number>();
  let looked = 0;
  const count = 10_000;
  for (let at = 0; at < count; at++) {
    const start = bytes(`k${String(at).padStart(5, "0")}`);
    const end = bytes(`k${String(at + 2).padStart(5, "0")}`);
    const keys = {
      get start() {
        looked++;
        return start;
      },
      end,
    };
    tree.add(keys, at);
  }
  looked = 0;
  assert.deepEqual(found(tree, "k05000x").toSorted(), [4999, 5000]);
  assert.ok(looked < 200, `${looked} of ${count} were looked at`);
});
