/**
 * `deno task mutants`: puts each deliberate bug into a copy of the project and runs the simulator's
 * seeds on it until one catches it.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { PricedHunt } from "../tests/mutants/hunt.ts";
import { type Mutant, mutate } from "../tests/mutants/mutant.ts";
import { chooseMutants } from "../tests/mutants/mutants.ts";
import { readWhole, runScript } from "./command_line.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
/** What a run of the simulator needs, and what the tests do that find what it cannot. */
const COPIED = [
  "lib",
  "tests/simulator",
  "tests/frost",
  "tests/node/loop_test.ts",
  "tests/raft",
  "tests/reshare",
  "tests/support",
  "tests/mutants",
  "deno.json",
  "deno.lock",
];

/** Most mutants at once. */
const JOBS_MAX = 64;

const USAGE = `Usage: deno task mutants [--seeds N] [NAME ...]
  --seeds N     how many seeds to run on each (default 1000)
  --jobs J      how many mutants to hunt at once (default 2)
  NAME          a mutant of docs/mutants.md; all of them by default`;

interface Options {
  readonly chosen: readonly Mutant[];
  readonly seeds: number;
  readonly jobs: number;
}

async function run({ chosen, seeds, jobs }: Options): Promise<number> {
  const waiting = [...chosen];
  let survivors = 0;
  let cpuSecondsAll = 0;
  printRow(["mutant", "seeds", "caught by"]);
  printRow(["---", "---:", "---"]);
  const huntAll = async () => {
    const copy = Deno.makeTempDirSync({ prefix: "floe-mutants-" });
    try {
      for (const path of COPIED) copyTree(join(ROOT, path), join(copy, path));
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        const { seed, invariant, cpuSeconds } = await huntMutant(mutant, copy, seeds);
        if (seed === null) survivors++;
        cpuSecondsAll += cpuSeconds;
        printRow([mutant.name, String(seed ?? `> ${seeds}`), invariant || "NOBODY"]);
      }
    } finally {
      Deno.removeSync(copy, { recursive: true });
    }
  };
  await Promise.all(Array.from({ length: jobs }, huntAll));
  const caught = `${chosen.length - survivors} of ${chosen.length} mutants caught`;
  console.log(`\n${caught} in ${(cpuSecondsAll / 60).toFixed(1)} minutes of a processor's time`);
  return survivors === 0 ? 0 : 1;
}

function readOptions(): Options {
  const { values: { seeds, jobs }, positionals } = parseArgs({
    options: {
      seeds: { type: "string", default: "1000" },
      jobs: { type: "string", default: "2" },
    },
    allowPositionals: true,
  });
  return {
    chosen: chooseMutants(positionals),
    seeds: readWhole({ name: "--seeds", text: seeds, from: 1 }),
    jobs: readWhole({ name: "--jobs", text: jobs, from: 1, to: JOBS_MAX }),
  };
}

/** Runs the mutant in the copy, and takes the bug out again. */
async function huntMutant(mutant: Mutant, copy: string, seeds: number): Promise<PricedHunt> {
  const path = join(copy, mutant.file);
  const sound = Deno.readTextFileSync(path);
  Deno.writeTextFileSync(path, mutate(mutant, sound));
  try {
    if (mutant.test !== undefined) return await runTests(copy, mutant.test);
    return await hunt(copy, [`${seeds}`, ...(mutant.world === undefined ? [] : [mutant.world])]);
  } finally {
    Deno.writeTextFileSync(path, sound);
  }
}

/** A test that fails counts as seed 0. */
async function runTests(copy: string, test: string): Promise<PricedHunt> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["test", "--no-check", "--allow-read", "--allow-env", test],
    cwd: copy,
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "null",
  });
  const { success, stdout } = await command.output();
  const [, title = test] = /^(.*) \.\.\. FAILED/m.exec(new TextDecoder().decode(stdout)) ?? [];
  return success
    ? { seed: null, invariant: "", message: "", cpuSeconds: 0 }
    : { seed: 0, invariant: title, message: title, cpuSeconds: 0 };
}

async function hunt(copy: string, wanted: readonly string[]): Promise<PricedHunt> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-read", "--allow-env", "tests/mutants/hunt.ts", ...wanted],
    cwd: copy,
    stdout: "piped",
    stderr: "piped",
  });
  const { stdout, stderr } = await command.output();
  const [line] = new TextDecoder().decode(stdout).trim().split("\n").slice(-1);
  if (!line) throw new Error(`The simulator said nothing: ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(line) as PricedHunt;
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

if (import.meta.main) await runScript({ usage: USAGE, read: readOptions, run });
