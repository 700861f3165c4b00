import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { InputError } from "../../lib/errors.ts";
import { readNumber, readWhole } from "../../scripts/command_line.ts";

Deno.test("readNumber() and readWhole() read what is in the range", () => {
  const range = { name: "--seeds", from: 1, to: 10 };
  for (const text of ["1", "7", "10"]) {
    assert.equal(readWhole({ ...range, text }), Number(text));
    assert.equal(readNumber({ ...range, text }), Number(text));
  }
  assert.equal(readNumber({ ...range, text: "2.5" }), 2.5);
  assert.equal(readWhole({ name: "--seed", from: 0, text: "9007199254740991" }), 2 ** 53 - 1);
});

const REFUSED: readonly (readonly [text: string, message: string])[] = [
  ["0", "--jobs: 0 is not a number from 1 to 10"],
  ["11", "--jobs: 11 is not a number from 1 to 10"],
  ["", "--jobs:  is not a number from 1 to 10"],
  ["x", "--jobs: x is not a number from 1 to 10"],
  ["Infinity", "--jobs: Infinity is not a number from 1 to 10"],
  ["2.5", "--jobs: 2.5 is not a whole number"],
];
for (const [text, message] of REFUSED) {
  Deno.test(`readWhole() refuses ${JSON.stringify(text)}, and says why`, () => {
    const option = { name: "--jobs", text, from: 1, to: 10 };
    assert.throws(() => readWhole(option), new InputError(message));
  });
}

Deno.test("readNumber() refuses what is too large to count by, where there is no other limit", () => {
  const option = { name: "--seed", text: "9007199254740992", from: 0 };
  assert.throws(
    () => readNumber(option),
    new InputError("--seed: 9007199254740992 is not a number from 0 upward"),
  );
});

/** Runs `scripts/NAME.ts`. */
async function runScript(name: string, ...args: readonly string[]) {
  const path = fileURLToPath(new URL(`../../scripts/${name}.ts`, import.meta.url));
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--frozen", "--no-check", "-A", path, ...args],
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** What must not pass for a run that found nothing. */
const WRONG: readonly (readonly [script: string, args: readonly string[], message: RegExp])[] = [
  ["simulate", ["--seeds", "0"], /--seeds: 0 is not a number from 1 upward/],
  ["simulate", ["--jobs", "9999"], /--jobs: 9999 is not a number from 1 to 64/],
  ["mutants", ["no-such-mutant"], /There is no mutant no-such-mutant/],
  ["fuzz", ["--inputs", "0"], /--inputs: 0 is not a number from 1 upward/],
  ["fuzz", ["--input", "3"], /--input: name its target with --target/],
  ["chaos", ["--minutes", "61"], /--minutes: 61 is not a number from 0.01 to 60/],
  ["chaos", ["--sedes", "3"], /Unknown option '--sedes'/],
];
for (const [script, args, message] of WRONG) {
  Deno.test(`${script} ${args.join(" ")} is refused with the usage`, async () => {
    const { code, stdout, stderr } = await runScript(script, ...args);
    assert.deepEqual([code, stdout], [2, ""], stderr);
    assert.match(stderr, message);
    assert.match(stderr, new RegExp(`^Usage: deno task ${script} `, "m"));
  });
}

for (const script of ["simulate", "mutants", "fuzz", "chaos"]) {
  Deno.test(`${script} --help shows the usage`, async () => {
    const { code, stdout, stderr } = await runScript(script, "--help");
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, new RegExp(`^Usage: deno task ${script} `));
  });
}
