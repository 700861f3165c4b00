import assert from "node:assert/strict";
import type { LieKind } from "./fault_kinds.ts";
import {
  faultOf,
  LIARS_WORLDS,
  LIES_THAT_COST_TIME,
  nameOf,
  runLiarsWorld,
} from "./liars_world.ts";

for (const world of LIARS_WORLDS) {
  Deno.test(`liars cost time, not the cluster: ${nameOf(world)}`, async () => {
    const outcome = await runLiarsWorld(world);
    assert.equal(faultOf(outcome), null);
    assert.ok(outcome.lies > 0, "a lie that is never told shows nothing");
  });
}

Deno.test("every lie of a voter is told alone in some world", () => {
  const alone = LIARS_WORLDS.filter(({ lies }) => lies.length === 1).flatMap(({ lies }) => lies);
  const expected: readonly LieKind[] = [...LIES_THAT_COST_TIME, "voteForAll"];
  assert.deepEqual(new Set(alone), new Set(expected));
});

Deno.test("faultOf() names what is missing, and nothing where nothing is", () => {
  assert.equal(faultOf({ ledShare: 0.95, writtenShare: 0.97 }), null);
  assert.equal(faultOf({ ledShare: 0.5, writtenShare: 1 }), "led 50.0 % of the time");
  const wrote = "wrote 10.0 % of what honest voters write";
  assert.equal(faultOf({ ledShare: 0.95, writtenShare: 0.1 }), wrote);
});
