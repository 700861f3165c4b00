import assert from "node:assert/strict";
import {
  Pace,
  REST_MS_MAX,
  REST_PER_WORK,
  WORK_MS_MAX,
} from "../../../lib/storage/snapshot/pace.ts";

/** A pace on a clock that the test moves, and the rests so far. */
function paceOf(): { pace: Pace; work: (milliseconds: number) => void; rests: number[] } {
  let nowMs = 1_000;
  const rests: number[] = [];
  const sleep = (milliseconds: number) => {
    rests.push(milliseconds);
    nowMs += milliseconds;
  };
  const work = (milliseconds: number) => nowMs += milliseconds;
  return { pace: new Pace({ nowMs: () => nowMs, sleep }), work, rests };
}

Deno.test("Pace rests as long as was worked, once that is worth a rest", () => {
  const { pace, work, rests } = paceOf();
  work(WORK_MS_MAX - 1);
  pace.rest();
  assert.deepEqual(rests, []);
  work(1);
  pace.rest();
  pace.rest();
  assert.deepEqual(rests, [WORK_MS_MAX * REST_PER_WORK]);
});

Deno.test("Pace does not count a rest as work", () => {
  const { pace, work, rests } = paceOf();
  for (let round = 0; round < 3; round++) {
    work(10);
    pace.rest();
  }
  assert.deepEqual(rests, [10, 10, 10].map((worked) => worked * REST_PER_WORK));
});

Deno.test("Pace does not count the time before work began", () => {
  const { pace, work, rests } = paceOf();
  work(10_000);
  pace.begin();
  pace.rest();
  assert.deepEqual(rests, []);
});

Deno.test("Pace does not rest for long after a call that could not be interrupted", () => {
  const { pace, work, rests } = paceOf();
  work(10_000);
  pace.rest();
  assert.deepEqual(rests, [REST_MS_MAX]);
});
