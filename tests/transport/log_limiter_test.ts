import assert from "node:assert/strict";
import { LOG_RECORDS_MAX, LOG_WINDOW_MS, LogLimiter } from "../../lib/transport/reporter.ts";

Deno.test("LogLimiter lets so many records through in a window and counts the others", () => {
  let nowMs = 0;
  const limiter = new LogLimiter(() => nowMs);
  const admitted = Array.from({ length: LOG_RECORDS_MAX + 5 }, () => limiter.admit("a"));
  assert.equal(admitted.filter((admission) => admission !== null).length, LOG_RECORDS_MAX);
  assert.deepEqual(admitted[0], { suppressed: 0 });

  nowMs = LOG_WINDOW_MS;
  assert.deepEqual(limiter.admit("a"), { suppressed: 5 });
  assert.deepEqual(limiter.admit("a"), { suppressed: 0 });
});

Deno.test("LogLimiter keeps events apart", () => {
  const limiter = new LogLimiter(() => 0);
  for (let records = 0; records <= LOG_RECORDS_MAX; records++) limiter.admit("a");
  assert.equal(limiter.admit("a"), null);
  assert.deepEqual(limiter.admit("b"), { suppressed: 0 });
});
