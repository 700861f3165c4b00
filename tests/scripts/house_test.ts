import assert from "node:assert/strict";
import {
  findCircles,
  findDetours,
  findRepeatingComments,
  findUnusedExports,
  readHouse,
  type SourceFile,
} from "../../scripts/house.ts";

const house = readHouse();

Deno.test("lib has no import past a mod.ts", () => {
  assert.deepEqual(findDetours(house), []);
});

Deno.test("lib has no circle of value imports", () => {
  assert.deepEqual(findCircles(house), []);
});

Deno.test("lib has no export that nobody uses", () => {
  assert.deepEqual(findUnusedExports(house), []);
});

Deno.test("lib has no comment that only repeats a name", () => {
  assert.deepEqual(findRepeatingComments(house), []);
});

Deno.test("findDetours() names an import past a mod.ts, and lets the facade pass", () => {
  const file = fileOf("lib/node/node.ts", {
    imports: [take("lib/raft/raft.ts", ["Raft"]), take("lib/raft/mod.ts", ["Raft"])],
  });
  assert.deepEqual(findDetours([file]), ["lib/node/node.ts -> lib/raft/raft.ts"]);
});

Deno.test("findCircles() names a circle once, and lets types close one", () => {
  const [a, b] = ["lib/a.ts", "lib/b.ts"] as const;
  const forth = fileOf(a, { imports: [take(b, ["B"])] });
  const back = fileOf(b, { imports: [take(a, ["A"])] });
  const typeBack = fileOf(b, { imports: [{ ...take(a, ["A"]), isTypeOnly: true }] });
  assert.deepEqual(findCircles([forth, back]), ["lib/a.ts, lib/b.ts"]);
  assert.deepEqual(findCircles([forth, typeBack]), []);
});

Deno.test("findUnusedExports() looks through a facade", () => {
  const home = fileOf("lib/raft/log.ts", { exports: ["Log", "forgotten"] });
  const facade = fileOf("lib/raft/mod.ts", {
    imports: [{ ...take("lib/raft/log.ts", ["Log", "forgotten"]), isReexport: true }],
  });
  const user = fileOf("lib/node/node.ts", { imports: [take("lib/raft/mod.ts", ["Log"])] });
  assert.deepEqual(findUnusedExports([home, facade, user]), ["lib/raft/log.ts: forgotten"]);
});

Deno.test("findRepeatingComments() tells a repeated name from a reason", () => {
  const text = [
    "/** The group's key. */",
    "readonly groupKey: Uint8Array;",
    "/** 32 bytes, never logged. */",
    "readonly secret: Uint8Array;",
  ].join("\n");
  const found = findRepeatingComments([{ ...fileOf("lib/a.ts", {}), text }]);
  assert.deepEqual(found, ["lib/a.ts:1: The group's key."]);
});

function fileOf(path: string, parts: Partial<SourceFile>): SourceFile {
  return { path, text: "", imports: [], exports: [], ...parts };
}

function take(target: string, names: readonly string[]): SourceFile["imports"][number] {
  return { target, names, isTypeOnly: false, isReexport: false };
}
