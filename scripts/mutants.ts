/**
 * `deno task mutants`: puts each deliberate bug into a copy of the project and runs the simulator's
 * seeds on it until one catches it.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Hunt } from "../tests/mutants/hunt.ts";
import { type Mutant, mutate } from "../tests/mutants/mutant.ts";
import { MUTANTS } from "../tests/mutants/mutants.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
/** What a run of the simulator needs. */
const COPIED = [
  "lib",
  "tests/simulator",
  "tests/support",
  "tests/mutants",
  "deno.json",
  "deno.lock",
];

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    options: { seeds: { type: "string", default: "1000" } },
    allowPositionals: true,
  });
  const chosen = MUTANTS.filter(({ name }) =>
    positionals.length === 0 || positionals.includes(name)
  );
  const copy = Deno.makeTempDirSync({ prefix: "floe-mutants-" });
  try {
    for (const path of COPIED) copyTree(join(ROOT, path), join(copy, path));
    let survivors = 0;
    printRow(["mutant", "seeds", "caught by"]);
    printRow(["---", "---:", "---"]);
    for (const mutant of chosen) {
      const { seed, invariant } = await huntMutant(mutant, copy, values.seeds);
      if (seed === null) survivors++;
      printRow([mutant.name, String(seed ?? `> ${values.seeds}`), invariant || "NOBODY"]);
    }
    console.log(`\n${chosen.length - survivors} of ${chosen.length} mutants caught`);
    return survivors === 0 ? 0 : 1;
  } finally {
    Deno.removeSync(copy, { recursive: true });
  }
}

/** Runs the mutant in the copy, and takes the bug out again. */
async function huntMutant(mutant: Mutant, copy: string, seeds: string): Promise<Hunt> {
  const path = join(copy, mutant.file);
  const sound = Deno.readTextFileSync(path);
  Deno.writeTextFileSync(path, mutate(mutant, sound));
  try {
    return await run(copy, seeds);
  } finally {
    Deno.writeTextFileSync(path, sound);
  }
}

async function run(copy: string, seeds: string): Promise<Hunt> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-read", "--allow-env", "tests/mutants/hunt.ts", seeds],
    cwd: copy,
    stdout: "piped",
    stderr: "piped",
  });
  const { stdout, stderr } = await command.output();
  const [line] = new TextDecoder().decode(stdout).trim().split("\n").slice(-1);
  if (!line) throw new Error(`The simulator said nothing: ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(line) as Hunt;
}

function copyTree(from: string, to: string): void {
  if (Deno.statSync(from).isFile) {
    Deno.mkdirSync(dirname(to), { recursive: true });
    Deno.copyFileSync(from, to);
    return;
  }
  for (const { name } of Deno.readDirSync(from)) copyTree(join(from, name), join(to, name));
}

function printRow(cells: readonly string[]): void {
  console.log(`| ${cells.join(" | ")} |`);
}

if (import.meta.main) Deno.exit(await main());
