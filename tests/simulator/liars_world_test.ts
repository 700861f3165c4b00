import assert from "node:assert/strict";
import { type LieKind, TERMS_CARRY_PROOF } from "./fault_kinds.ts";
import {
  faultOf,
  LIARS_WORLDS,
  LIES_THAT_COST_TIME,
  nameOf,
  runLiarsWorld,
  UNPROVEN_LIES,
} from "./liars_world.ts";

for (const world of LIARS_WORLDS) {
  const needsProof = world.lies.some((lie) => UNPROVEN_LIES.includes(lie));
  Deno.test({
    name: `liars cost time, not the cluster: ${nameOf(world)}`,
    // Until terms carry proof, these liars win.
    ignore: needsProof && !TERMS_CARRY_PROOF,
    fn: async () => {
      const outcome = await runLiarsWorld(world);
      assert.equal(faultOf(outcome), null);
      assert.ok(outcome.lies > 0, "a lie that is never told shows nothing");
    },
  });
}

Deno.test("every lie of a voter is told alone in some world", () => {
  const alone = LIARS_WORLDS.filter(({ lies }) => lies.length === 1).flatMap(({ lies }) => lies);
  const expected: readonly LieKind[] = [...LIES_THAT_COST_TIME, "voteForAll"];
  assert.deepEqual(new Set(alone), new Set(expected));
});

Deno.test("faultOf() names what is missing, and nothing where nothing is", () => {
  const lies = 1;
  assert.equal(faultOf({ ledShare: 0.95, writtenShare: 0.97, lies }), null);
  assert.equal(faultOf({ ledShare: 0.5, writtenShare: 1, lies }), "led 50.0 % of the time");
  const wrote = "wrote 10.0 % of what honest voters write";
  assert.equal(faultOf({ ledShare: 0.95, writtenShare: 0.1, lies }), wrote);
});
