import assert from "node:assert/strict";
import { Backoff } from "../../lib/transport/peer.ts";

const bounds = { backoffInitialMs: 20, backoffMaxMs: 1000 };

Deno.test("Backoff doubles up to its maximum", () => {
  const backoff = new Backoff({ ...bounds, random: () => 1 });
  const delays = Array.from({ length: 8 }, () => backoff.next());
  assert.deepEqual(delays, [20, 40, 80, 160, 320, 640, 1000, 1000]);
});

Deno.test("Backoff draws from the upper half of each range", () => {
  const backoff = new Backoff({ ...bounds, random: () => 0 });
  assert.deepEqual([backoff.next(), backoff.next(), backoff.next()], [10, 20, 40]);
});

Deno.test("Backoff starts over after a sound connection", () => {
  const backoff = new Backoff({ ...bounds, random: () => 1 });
  backoff.next();
  backoff.next();
  backoff.reset();
  assert.equal(backoff.next(), 20);
});
