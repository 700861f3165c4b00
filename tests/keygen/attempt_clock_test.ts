import assert from "node:assert/strict";
import {
  ATTEMPT_GAP_TICKS_MAX,
  ATTEMPT_MAX,
  ATTEMPT_STRIDE_MAX,
  AttemptClock,
} from "../../lib/keygen/attempt.ts";
import { nodeId } from "../certificate/cluster.ts";

const [SELF, PEER] = [nodeId(1), nodeId(2)];

Deno.test("AttemptClock wants the attempt after the last one, at once", () => {
  assert.deepEqual(new AttemptClock(0, SELF).due(0), { attempt: 1, raisedBy: SELF });
  assert.deepEqual(new AttemptClock(41, SELF).due(41), { attempt: 42, raisedBy: SELF });
  assert.equal(new AttemptClock(41, SELF).due(42), null);
});

Deno.test("AttemptClock takes the highest attempt that anybody names, and remembers who", () => {
  const clock = new AttemptClock(0, SELF);
  clock.want(7, { current: 1, raisedBy: PEER });
  clock.want(5, { current: 1, raisedBy: SELF });
  clock.want(7, { current: 1, raisedBy: SELF });
  assert.deepEqual(clock.due(1), { attempt: 7, raisedBy: PEER });
});

Deno.test("AttemptClock goes no more than a stride at a time", () => {
  const clock = new AttemptClock(0, SELF);
  clock.want(ATTEMPT_MAX, { current: 1, raisedBy: PEER });
  assert.equal(clock.due(1)?.attempt, 1 + ATTEMPT_STRIDE_MAX);
});

Deno.test("AttemptClock waits longer before each attempt, up to a limit", () => {
  const clock = new AttemptClock(0, SELF);
  const waits: number[] = [];
  for (let attempt = 1; attempt <= ATTEMPT_GAP_TICKS_MAX + 5; attempt++) {
    clock.want(attempt, { current: attempt - 1, raisedBy: SELF });
    const before = clock.nowTick;
    while (clock.due(attempt - 1) === null) clock.tick();
    waits.push(clock.nowTick - before);
    clock.entered();
  }
  assert.deepEqual(waits.slice(0, 4), [0, 1, 2, 3]);
  assert.equal(Math.max(...waits), ATTEMPT_GAP_TICKS_MAX);
  assert.deepEqual(waits, waits.toSorted((left, right) => left - right));
});

Deno.test("AttemptClock makes the first attempt after a quiet time wait for nothing", () => {
  const clock = new AttemptClock(0, SELF);
  clock.entered();
  for (let tick = 0; tick < 10; tick++) clock.tick();
  clock.want(2, { current: 1, raisedBy: PEER });
  assert.equal(clock.due(1)?.attempt, 2);
});

Deno.test("AttemptClock ends at the last attempt", () => {
  assert.equal(new AttemptClock(ATTEMPT_MAX - 1, SELF).due(ATTEMPT_MAX - 1)?.attempt, ATTEMPT_MAX);
  assert.equal(new AttemptClock(ATTEMPT_MAX, SELF).due(ATTEMPT_MAX), null);
});
