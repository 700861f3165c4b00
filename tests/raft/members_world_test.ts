import assert from "node:assert/strict";
import { runMembersWorld } from "./members_world.ts";

for (const seed of [8, 9]) {
  Deno.test(`members change while all goes wrong, and the cluster gets on with it: seed ${seed}`, () => {
    const { epoch, sequence } = runMembersWorld(seed);
    assert.ok(epoch > 1 && sequence > 0, "a change was made");
  });
}
