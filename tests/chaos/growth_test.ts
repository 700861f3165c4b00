import assert from "node:assert/strict";
import { findGrowth, type Sample } from "./growth.ts";

function samplesOf(count: number, rssOf: (at: number) => number, pid = 1): Sample[] {
  return Array.from({ length: count }, (_, at) => ({ pid, rssBytes: rssOf(at), fds: 10 + at }));
}

Deno.test("findGrowth() compares the second fifth of a process's life with its last", () => {
  assert.deepEqual(findGrowth(samplesOf(50, (at) => at)), {
    samples: 50,
    early: { rssBytes: 15, fds: 25 },
    late: { rssBytes: 45, fds: 55 },
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
