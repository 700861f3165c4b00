import { deepEqual, equal, match, ok } from "node:assert/strict";
import { createProgram } from "../../lib/cli/cli.ts";
import type { Program } from "../../lib/cli/command.ts";
import { EXAMPLES } from "../../lib/cli/examples.ts";
import { processContext } from "../../lib/cli/process_context.ts";
import { floe } from "./fake_terminal.ts";

const LINES_MAX = 20;
const WIDTH = 80;

/** Every command with the names that lead to it. */
function pathsOf(program: Program, path: readonly string[] = []): readonly [string[], Program][] {
  return program.commands.flatMap((command): readonly [string[], Program][] => {
    const own = [...path, command.name()];
    return [[own, command], ...pathsOf(command, own)];
  }).filter(([names]) => names.length === 1 || names.at(-1) !== "help");
}

const PROGRAM = await createProgram(processContext());
const COMMANDS = pathsOf(PROGRAM);
const LEAVES = COMMANDS.filter(([, command]) =>
  command.commands.every((one) => one.name() === "help")
);

Deno.test("the help of every command has at most 20 lines of 80 characters", async () => {
  ok(COMMANDS.length > 40);
  for (const [names] of COMMANDS) {
    const { code, stdout, stderr } = await floe(["help", ...names]);
    deepEqual([code, stderr], [0, ""]);
    const lines = stdout.trimEnd().split("\n");
    ok(lines.length <= LINES_MAX, `${names.join(" ")}: ${lines.length} lines`);
    for (const line of lines) ok(line.length <= WIDTH, `${names.join(" ")}: ${line}`);
    match(stdout, new RegExp(`^Usage: floe ${names.join(" ")}`));
    match(stdout, /floe help options$/m);
  }
});

Deno.test("every command that does something has one example, which its options allow", async () => {
  const known = Object.keys(EXAMPLES);
  const doing = COMMANDS.filter(([, command]) => LEAVES.some(([, leaf]) => leaf === command));
  const withAction = new Set([...doing.map(([names]) => names.join(" ")), "leader"]);
  deepEqual([...withAction].filter((name) => !known.includes(name)), []);
  deepEqual(known.filter((name) => !withAction.has(name)), []);
  for (const [names, command] of COMMANDS) {
    const example = EXAMPLES[names.join(" ")];
    if (example === undefined) continue;
    ok(example.includes(`floe ${names.join(" ")}`), example);
    const flags = [...command.options, ...PROGRAM.options].flatMap(({ long, short }) =>
      [long, short].filter((flag) => flag !== undefined)
    );
    const [, used = ""] = example.split(`floe ${names.join(" ")}`);
    for (const [flag] of used.split(" -- ")[0]?.matchAll(/(?<= )--?[a-z][a-z-]*/g) ?? []) {
      ok(flags.includes(flag), `${example}: ${flag}`);
    }
    equal((await floe(["help", ...names])).stdout.split("Example: ").length, 2, names.join(" "));
  }
});

Deno.test("floe help options has the options of every command, and the exit codes", async () => {
  const { code, stdout } = await floe(["help", "options"]);
  equal(code, 0);
  for (const { flags } of PROGRAM.options) ok(stdout.includes(flags), flags);
  match(stdout, /Exit codes: 0 ok, 1 failure, 2 usage, 3 not found/);
});

Deno.test("floe help --all has every option of a command, whole", async () => {
  const { stdout } = await floe(["help", "--all", "node"]);
  match(stdout, /--cors-origin <origin>/);
  ok(!stdout.includes("..."), stdout);
  match((await floe(["help", "--all", "member", "add"])).stdout, /floe member cancel/);
  match((await floe(["help", "--all", "txn"])).stdout, /^Example: /m);
});

Deno.test("a wrong name is answered with the right one, and with nothing where none is near", async () => {
  for (
    const [wrong, right] of [["gett", "get"], ["stauts", "status"], ["elect1ons", "elections"]]
  ) {
    const { code, stderr } = await floe([String(wrong)]);
    equal(code, 2);
    match(stderr, new RegExp(`Did you mean ${right}\\?`));
  }
  match((await floe(["get", "--prefx", "a"])).stderr, /Did you mean --prefix\?/);
  const lost = await floe(["xyzzy"]);
  equal(lost.code, 2);
  ok(!lost.stderr.includes("Did you mean"));
});
