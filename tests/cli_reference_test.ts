/**
 * `docs/cli.md` has all of the command line that scripts build on, and nothing else.
 *
 * @module
 */

import { deepEqual, ok } from "node:assert/strict";
import { createProgram } from "../lib/cli/cli.ts";
import type { Program } from "../lib/cli/command.ts";
import { ExitCode } from "../lib/cli/failure.ts";
import { processContext } from "../lib/cli/process_context.ts";
import { read, ROOT, rowsUnder, unquote } from "./support/document.ts";

/** Every command that does something by itself, which `floe keys` does not. */
function commandsOf(program: Program): readonly Program[] {
  const isOne = program.commands.length === 0 || program.options.length > 0;
  return [...(isOne ? [program] : []), ...program.commands.flatMap(commandsOf)];
}

/** `floe put <key> [value]`. */
function usageOf(command: Program): string {
  return command.createHelp().commandUsage(command).replaceAll(/ \[(options|command)\]/g, "");
}

const PROGRAM = await createProgram(processContext());
const COMMANDS = PROGRAM.commands.flatMap(commandsOf);

Deno.test("docs/cli.md has every command and no other", () => {
  ok(COMMANDS.length > 15);
  const told = rowsUnder("docs/cli.md", "## Commands").map(([command = ""]) => unquote(command));
  deepEqual(told, COMMANDS.map(usageOf));
});

Deno.test("docs/cli.md has every option of every command and no other", () => {
  const [, ...sections] = read("docs/cli.md").split(/^### /m);
  const told = sections.map((section) => unquote(section.split("\n", 1)[0] ?? ""));
  const withOptions = [PROGRAM, ...COMMANDS].filter(({ options }) => options.length > 0);
  deepEqual(told, withOptions.map(usageOf));
  for (const command of withOptions) {
    const usage = usageOf(command);
    const rows = rowsUnder("docs/cli.md", `### \`${usage}\``);
    const flags = command.options.map((option) => option.flags);
    // Commander does not list it: every command has it.
    if (command === PROGRAM) flags.push("-h, --help");
    deepEqual(rows.map(([flag = ""]) => unquote(flag)).toSorted(), flags.toSorted(), usage);
  }
});

Deno.test("docs/cli.md has every exit code and no other", () => {
  const told = rowsUnder("docs/cli.md", "## Exit codes").map(([code]) => code);
  deepEqual(told, Object.values(ExitCode).map(String));
  for (const [command = "", , codes = ""] of rowsUnder("docs/cli.md", "## Commands")) {
    for (const [code] of codes.matchAll(/[0-9]+/g)) ok(told.includes(code), command);
  }
});

/** The text of every source file below a folder. */
function* sourcesBelow(folder: string): Iterable<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(`${folder}/`, ROOT))) {
    if (isDirectory) yield* sourcesBelow(`${folder}/${name}`);
    else yield read(`${folder}/${name}`);
  }
}

Deno.test("docs/cli.md has every variable of the environment and no other", () => {
  const known = [...sourcesBelow("lib/cli")]
    .flatMap((text) => [...text.matchAll(/"((?:FLOE|NO)_[A-Z_]+)"/g)].map(([, name]) => name));
  const told = rowsUnder("docs/cli.md", "## Environment").map(([name = ""]) => unquote(name));
  deepEqual(told.toSorted(), [...new Set(known)].toSorted());
});
