import assert from "node:assert/strict";
import { Histogram } from "../lib/histogram.ts";

Deno.test("Histogram counts each value once, in the first bucket that holds it", () => {
  const histogram = new Histogram([1, 10]);
  for (const value of [0, 1, 1.5, 10, 11, 1_000]) histogram.observe(value);
  assert.deepEqual(histogram.counted, { bounds: [1, 10], counts: [2, 2, 2], sum: 1_023.5 });
});

Deno.test("Histogram.counted is a copy: what is counted later does not change it", () => {
  const histogram = new Histogram([1]);
  const before = histogram.counted;
  histogram.observe(5);
  assert.deepEqual(before.counts, [0, 0]);
});

Deno.test("Histogram refuses bounds that do not ascend", () => {
  assert.throws(() => new Histogram([1, 1]), /Bounds ascend/);
});
