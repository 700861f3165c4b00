import assert from "node:assert/strict";
import { Suspects } from "../../lib/raft/signing_coordinator.ts";
import { toNodeId } from "../../lib/types.ts";

const [A, B, C] = [toNodeId("a"), toNodeId("b"), toNodeId("c")];

Deno.test("Suspects.has() knows who was added, however often", () => {
  const suspects = new Suspects(2);
  suspects.add(A);
  suspects.add(A);
  suspects.add(B);
  assert.deepEqual([A, B, C].map((voter) => suspects.has(voter)), [true, true, false]);
});

Deno.test("Suspects.add() clears all where more are suspected than can be at fault", () => {
  const suspects = new Suspects(2);
  for (const voter of [A, B, C]) suspects.add(voter);
  assert.deepEqual([A, B, C].map((voter) => suspects.has(voter)), [false, false, false]);
  suspects.add(C);
  assert.equal(suspects.has(C), true);
});

Deno.test("Suspects.remove() takes one out, and leaves the others", () => {
  const suspects = new Suspects(2);
  suspects.add(A);
  suspects.add(B);
  suspects.remove(A);
  suspects.remove(C);
  assert.deepEqual([A, B, C].map((voter) => suspects.has(voter)), [false, true, false]);
});

Deno.test("Suspects.add() suspects nobody where every voter must sign", () => {
  const suspects = new Suspects(0);
  suspects.add(A);
  assert.equal(suspects.has(A), false);
});
