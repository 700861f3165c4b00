import assert from "node:assert/strict";
import { Counters } from "../lib/counters.ts";

Deno.test("Counters counts each name from zero, and hands out copies", () => {
  const counters = new Counters(["sent", "received"]);
  const before = counters.counts;
  counters.count("sent");
  counters.count("sent", 4);
  assert.deepEqual(before, { sent: 0, received: 0 });
  assert.deepEqual(counters.counts, { sent: 5, received: 0 });
});
