import assert from "node:assert/strict";
import { findGrowth, isMemoryGrowing, type Sample } from "./growth.ts";

function samplesOf(count: number, rssOf: (at: number) => number, pid = 1): Sample[] {
  return Array.from({ length: count }, (_, at) => ({ pid, rssBytes: rssOf(at), fds: 10 + at }));
}

Deno.test("findGrowth() compares the second fifth of a process's life with its last", () => {
  assert.deepEqual(findGrowth(samplesOf(50, (at) => at)), {
    samples: 50,
    early: { rssBytes: 15, fds: 25 },
    late: { rssBytes: 45, fds: 55 },
    rssFloors: [10, 20, 30, 40],
  });
});

Deno.test("findGrowth() is not misled by single moments", () => {
  const growth = findGrowth(samplesOf(50, (at) => at === 12 || at === 48 ? 1_000 : 7));
  assert.equal(growth?.early.rssBytes, 7);
  assert.equal(growth?.late.rssBytes, 7);
});

Deno.test("findGrowth() looks at the last process only", () => {
  const samples = [...samplesOf(50, () => 1_000, 1), ...samplesOf(25, () => 5, 2)];
  assert.equal(findGrowth(samples)?.samples, 25);
  assert.equal(findGrowth(samples)?.early.rssBytes, 5);
});

Deno.test("findGrowth() says nothing of a short life", () => {
  assert.equal(findGrowth(samplesOf(24, () => 1)), null);
  assert.equal(findGrowth([]), null);
});

/** Whether a process with this memory, in the order of its samples, grows by ten or more at each step. */
function isGrowing(count: number, rssOf: (at: number) => number): boolean {
  const growth = findGrowth(samplesOf(count, rssOf));
  return growth !== null && isMemoryGrowing(growth, 10);
}

Deno.test("isMemoryGrowing() finds a leak, though it is hidden by what is freed again", () => {
  assert.ok(isGrowing(100, (at) => at));
  assert.ok(isGrowing(100, (at) => at + (at % 3) * 500));
});

Deno.test("isMemoryGrowing() takes no step, no warming up and no ups and downs for growth", () => {
  assert.ok(!isGrowing(100, (at) => at < 50 ? 100 : 1_000));
  assert.ok(!isGrowing(100, (at) => 1_000 - 900 / (1 + at)));
  assert.ok(!isGrowing(100, (at) => at % 40 * 10));
});

Deno.test("isMemoryGrowing() says nothing of a life of less than minutes", () => {
  assert.ok(!isGrowing(99, (at) => 10 * at));
});
