import assert from "node:assert/strict";
import { TICK_MS, Ticker, TICKS_AT_ONCE_MAX, toTicks } from "../../lib/node/inbox.ts";

/** A ticker over clocks that the test moves. */
function tickerAt(time: { nowMs: number; wallMs: number }): Ticker {
  return new Ticker({ nowMs: () => time.nowMs, wallMs: () => time.wallMs });
}

function pass(time: { nowMs: number; wallMs: number }, ms: number): void {
  time.nowMs += ms;
  time.wallMs += ms;
}

Deno.test("Ticker.take() gives one tick for each that has passed, and keeps the rest", () => {
  const time = { nowMs: 0, wallMs: 1e12 };
  const ticker = tickerAt(time);
  pass(time, 2.5 * TICK_MS);
  assert.deepEqual(ticker.take(), [{ kind: "tick" }, { kind: "tick" }]);
  assert.deepEqual(ticker.take(), []);
  pass(time, TICK_MS / 2);
  assert.deepEqual(ticker.take(), [{ kind: "tick" }]);
});

Deno.test("Ticker.take() gives few ticks after a pause, and says that time has jumped", () => {
  const time = { nowMs: 0, wallMs: 1e12 };
  const ticker = tickerAt(time);
  pass(time, 1000 * TICK_MS);
  const inputs = ticker.take();
  assert.deepEqual(inputs[0], { kind: "clockJumped" });
  assert.equal(inputs.length, 1 + TICKS_AT_ONCE_MAX);
  assert.deepEqual(ticker.take(), []);
});

Deno.test("Ticker.take() notices a suspended machine by its wall clock", () => {
  const time = { nowMs: 0, wallMs: 1e12 };
  const ticker = tickerAt(time);
  time.wallMs += 60_000;
  assert.deepEqual(ticker.take(), [{ kind: "clockJumped" }]);
  assert.deepEqual(ticker.take(), [], "once");
});

Deno.test("toTicks() rounds to whole ticks, at least one", () => {
  assert.deepEqual([0, TICK_MS, 4.6 * TICK_MS].map(toTicks), [1, 1, 5]);
});
