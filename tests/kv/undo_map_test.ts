import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { UndoMap } from "../support/memory_store.ts";

const ONE = { number: 1 };
const TWO = { number: 2 };

/** A map that holds `a` and `b` from an earlier transaction. */
function mapOfTwo(): UndoMap<string, object> {
  const map = new UndoMap<string, object>();
  map.begin();
  map.set("a", ONE);
  map.set("b", ONE);
  map.commit();
  return map;
}

Deno.test("UndoMap keeps what was committed", () => {
  const map = mapOfTwo();
  map.begin();
  map.set("a", TWO);
  map.delete("b");
  map.commit();
  assert.deepEqual([map.get("a"), map.get("b"), map.values()], [TWO, null, [TWO]]);
});

Deno.test("UndoMap goes back to before the transaction, however often a key was changed", () => {
  const map = mapOfTwo();
  map.begin();
  map.set("a", TWO);
  map.delete("a");
  map.delete("b");
  map.set("b", TWO);
  map.set("c", TWO);
  map.rollBack();
  assert.deepEqual([map.get("a"), map.get("b"), map.get("c")], [ONE, ONE, null]);
});

Deno.test("UndoMap does not undo what an earlier transaction did", () => {
  const map = mapOfTwo();
  map.begin();
  map.rollBack();
  assert.equal(map.values().length, 2);
});

Deno.test("UndoMap asserts that changes are in one transaction at a time", () => {
  const map = mapOfTwo();
  assert.throws(() => map.set("a", TWO), InvariantError);
  assert.throws(() => map.delete("a"), InvariantError);
  map.begin();
  assert.throws(() => map.begin(), InvariantError);
});
