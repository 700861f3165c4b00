import assert from "node:assert/strict";
import { RateLimiter } from "../../lib/transport/acceptor.ts";

Deno.test("RateLimiter allows the burst, then the rate, and never more than the burst", () => {
  let nowMs = 0;
  const limiter = new RateLimiter({ burst: 3, perSecond: 10, nowMs: () => nowMs });
  const take = (count: number) => Array.from({ length: count }, () => limiter.take());
  assert.deepEqual(take(4), [0, 0, 0, 100]);
  nowMs += 50;
  assert.deepEqual(take(1), [50]);
  nowMs += 50;
  assert.deepEqual(take(2), [0, 100]);
  nowMs += 1_000_000;
  assert.deepEqual(take(4), [0, 0, 0, 100]);
});

Deno.test("RateLimiter says when to try again, and keeps its word", () => {
  let nowMs = 0;
  const limiter = new RateLimiter({ burst: 1, perSecond: 8, nowMs: () => nowMs });
  limiter.take();
  for (let count = 0; count < 100; count++) {
    const delayMs = limiter.take();
    assert.equal(delayMs, 125);
    nowMs += delayMs;
    assert.equal(limiter.take(), 0);
  }
});
