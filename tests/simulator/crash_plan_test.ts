import assert from "node:assert/strict";
import { toLogIndex, toTerm } from "../../lib/types.ts";
import { batchOf } from "./checkers/support.ts";
import { BOUNDARIES, CrashPlan, kindsOf } from "./crash_plan.ts";
import { Random } from "./random.ts";

Deno.test("CrashPlan strikes once at each boundary that was armed, and nowhere else", () => {
  const plan = new CrashPlan();
  plan.arm("send", new Random("plan"));
  plan.arm("beforeInstall", new Random("plan"));
  for (const boundary of BOUNDARIES) {
    const strikes = Array.from({ length: 20 }, () => plan.strikes(boundary)).filter(Boolean);
    const isArmed = boundary === "send" || boundary === "beforeInstall";
    assert.equal(strikes.length, isArmed ? 1 : 0, boundary);
  }
});

Deno.test("CrashPlan.clear() spares everyone", () => {
  const plan = new CrashPlan();
  for (const boundary of BOUNDARIES) plan.arm(boundary, new Random("plan"));
  assert.ok(!plan.isCleared);
  plan.clear();
  assert.ok(plan.isCleared);
  assert.ok(!BOUNDARIES.some((boundary) => plan.strikes(boundary)));
});

Deno.test("kindsOf() tells a cut of the log and its replacement from a plain write", () => {
  const position = { index: toLogIndex(1), term: toTerm(1) };
  assert.deepEqual(kindsOf(batchOf()), ["Persist"]);
  const compaction = { ...batchOf(), logStart: { position, keepsRest: true, members: null } };
  assert.deepEqual(kindsOf(compaction), ["Persist", "Compaction"]);
  const reset = { ...batchOf(), logStart: { position, keepsRest: false, members: null } };
  assert.deepEqual(kindsOf(reset), ["Persist", "Reset"]);
});
