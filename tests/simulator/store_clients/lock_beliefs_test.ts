import assert from "node:assert/strict";
import { breaks } from "../checkers/support.ts";
import { LockBeliefs } from "./lock_beliefs.ts";

Deno.test("LockBeliefs accepts one holder after the other", () => {
  const beliefs = new LockBeliefs();
  beliefs.holds({ lease: 1, fence: 5, untilUs: 100 }, 0);
  beliefs.holds({ lease: 2, fence: 6, untilUs: 300 }, 100);
  beliefs.released(2);
  beliefs.holds({ lease: 3, fence: 7, untilUs: 400 }, 200);
});

Deno.test("LockBeliefs catches two holders at once", () => {
  const beliefs = new LockBeliefs();
  beliefs.holds({ lease: 1, fence: 5, untilUs: 100 }, 0);
  const twice = breaks("One at a time holds a lock");
  assert.throws(() => beliefs.holds({ lease: 2, fence: 6, untilUs: 300 }, 99), twice);
});

Deno.test("LockBeliefs catches a fence that is lower than the one before", () => {
  const beliefs = new LockBeliefs();
  beliefs.holds({ lease: 1, fence: 5, untilUs: 100 }, 0);
  const lower = breaks("Fences grow from holder to holder");
  assert.throws(() => beliefs.holds({ lease: 2, fence: 4, untilUs: 300 }, 100), lower);
});

Deno.test("LockBeliefs does not count on a belief that was over when it was told", () => {
  const beliefs = new LockBeliefs();
  beliefs.holds({ lease: 1, fence: 5, untilUs: 100 }, 0);
  beliefs.holds({ lease: 2, fence: 4, untilUs: 50 }, 60);
});
