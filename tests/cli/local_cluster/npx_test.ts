import assert from "node:assert/strict";
import { parseStat } from "../../../lib/cli/local_cluster/node_process.ts";

Deno.test("parseStat() reads id, name and parent", () => {
  assert.deepEqual(parseStat("42 (npm exec deno@2) S 7 42 42 0 -1 4194304"), [
    { pid: 42, name: "npm exec deno@2", parent: 7 },
  ]);
});

Deno.test("parseStat() reads a name that holds parentheses and spaces", () => {
  assert.deepEqual(parseStat("42 (a) Z 1 (b) S 7 1 "), [{ pid: 42, name: "a) Z 1 (b", parent: 7 }]);
});

Deno.test("parseStat() counts a process that has ended as gone, whoever still holds it", () => {
  assert.deepEqual(parseStat("42 (sh) Z 1 42 42 0"), []);
  assert.deepEqual(parseStat("42 (sh) X 1 42 42 0"), []);
  assert.deepEqual(parseStat(""), []);
});
