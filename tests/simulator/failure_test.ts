import assert from "node:assert/strict";
import { describeFailure, LAST_LINES } from "./failure.ts";
import { runSeed } from "./run.ts";

Deno.test("describeFailure() tells the seed, the invariant, the last steps and the command", async () => {
  const seed = 16;
  const trace: string[] = [];
  await runSeed(seed, (line) => trace.push(line));
  const violation = { invariant: "One vote a term", message: "n1 votes twice", stack: "" };
  const lines = (await describeFailure({ seed, violation })).split("\n");
  assert.deepEqual(lines.slice(0, 3), ["Seed 16 broke: One vote a term", "n1 votes twice", ""]);
  assert.deepEqual(lines.slice(3, -2), trace.slice(-LAST_LINES));
  assert.deepEqual(lines.slice(-2), ["", "Replay it with: deno task simulate --seed 16"]);
});
