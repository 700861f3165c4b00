import assert from "node:assert/strict";
import { mutate } from "./mutant.ts";
import { chooseMutants, MUTANTS } from "./mutants.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("there are at least twenty mutants, each with a name of its own", () => {
  assert.ok(MUTANTS.length >= 20);
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
});

for (const mutant of MUTANTS) {
  Deno.test(`mutant ${mutant.name} still applies: ${mutant.bug}`, async () => {
    const text = await Deno.readTextFile(new URL(mutant.file, ROOT));
    assert.notEqual(mutate(mutant, text), text);
  });
}

Deno.test("docs/mutants.md knows every mutant, by its trap and by the seeds it took", async () => {
  const text = await Deno.readTextFile(new URL("docs/mutants.md", ROOT));
  const names = new Set(MUTANTS.map(({ name }) => name));
  const rows = text.split("\n").filter((line) => line.startsWith("| ")).map((line) => {
    return line.split("|").slice(1, -1).map((cell) => cell.trim());
  });
  const taken = rows.filter(([, seeds = ""]) => /^[0-9]+$/.test(seeds));
  assert.deepEqual(new Set(taken.map(([name = ""]) => name)), names);
  const trapped = rows.filter(([, , third]) => third === undefined)
    .flatMap(([, mutants = ""]) => mutants.split(", ")).filter((name) => /^[a-z]+-/.test(name));
  assert.deepEqual(trapped.filter((name) => !names.has(name)), []);
});

Deno.test("mutate() refuses a place that is not there, or there twice", () => {
  const mutant = { name: "m", bug: "b", file: "f", find: "x", replace: "y" };
  assert.equal(mutate(mutant, "a x b"), "a y b");
  assert.throws(() => mutate(mutant, "a b"), /stands 0 times/);
  assert.throws(() => mutate(mutant, "x x"), /stands 2 times/);
});

Deno.test("chooseMutants() takes all where none is named, and refuses a name of none", () => {
  assert.equal(chooseMutants([]), MUTANTS);
  assert.deepEqual(chooseMutants(["second-vote"]).map(({ name }) => name), ["second-vote"]);
  assert.throws(() => chooseMutants(["second-vote", "third-vote"]), /no mutant third-vote/);
});
