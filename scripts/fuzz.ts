/**
 * `deno task fuzz`: gives hostile inputs to everything that takes input, or one of them again.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { InputError } from "../lib/errors.ts";
import { fuzz, FuzzFailure, type FuzzReport, replay, type Tally } from "../tests/fuzz/fuzz.ts";
import type { Target } from "../tests/fuzz/target.ts";
import { TARGETS } from "../tests/fuzz/targets.ts";
import { readNumber, readWhole, runScript } from "./command_line.ts";

const USAGE = `Usage: deno task fuzz [options]
  --minutes M      run for so long (default 1)
  --inputs N       or give so many inputs
  --seed S         draw them from this seed (default: from the clock)
  --target NAME    only to this target; may be given several times
  --input N        give one input again and print it; with --target and --seed
Targets: ${TARGETS.map(({ name }) => name).join(", ")}`;

/** So many inputs pass between two measurements of memory. */
const INPUTS_PER_ROUND = 20_000;
/** A run of a given number of inputs has at least so many rounds. */
const ROUNDS_MIN = 5;
/** Where an input goes that broke something. */
const FAILURE_FOLDER = ".floe/fuzz";

/** The least time that shows anything. */
const MINUTES_MIN = 0.01;

/** Which inputs to give; what is null goes without saying. */
interface Options {
  readonly targets: readonly Target[];
  readonly seed: string;
  readonly minutes: number;
  readonly inputs: number | null;
  /** The only input, of the only target. */
  readonly input: number | null;
}

function readOptions(): Options {
  const { seed, minutes, inputs, input, target } = parseArgs({
    options: {
      minutes: { type: "string", default: "1" },
      inputs: { type: "string" },
      seed: { type: "string", default: String(Date.now()) },
      target: { type: "string", multiple: true, default: [] },
      input: { type: "string" },
    },
  }).values;
  if (input !== undefined && target.length !== 1) {
    throw new InputError("--input: name its target with --target");
  }
  return {
    targets: chooseTargets(target),
    seed,
    minutes: readNumber({ name: "--minutes", text: minutes, from: MINUTES_MIN }),
    inputs: inputs === undefined ? null : readWhole({ name: "--inputs", text: inputs, from: 1 }),
    input: input === undefined ? null : readWhole({ name: "--input", text: input, from: 0 }),
  };
}

function chooseTargets(names: readonly string[]): readonly Target[] {
  const unknown = names.find((name) => !TARGETS.some((target) => target.name === name));
  if (unknown !== undefined) throw new InputError(`--target: there is no ${unknown}`);
  return names.length === 0 ? TARGETS : TARGETS.filter(({ name }) => names.includes(name));
}

async function run(options: Options): Promise<number> {
  try {
    await (options.input === null ? giveMany(options) : giveOne(options, options.input));
    return 0;
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    endProgress();
    console.error(`${error.message}\nThe input is in ${save(error)}`);
    return 1;
  }
}

async function giveOne({ targets, seed }: Options, number: number): Promise<void> {
  for (const target of targets) {
    const { input, outcome } = await replay(target, { seed, number });
    console.log(`${input}\n${outcome}`);
  }
}

async function giveMany({ targets, seed, minutes, inputs }: Options): Promise<void> {
  const startMs = performance.now();
  const isDone = (report: FuzzReport) =>
    inputs === null ? performance.now() - startMs >= minutes * 60_000 : report.inputs >= inputs;
  console.log(`seed ${seed}`);
  const report = await fuzz({
    targets,
    seed,
    inputsPerRound: Math.min(INPUTS_PER_ROUND, Math.ceil((inputs ?? Infinity) / ROUNDS_MIN)),
    more: (soFar) => !isDone(soFar),
    onProgress: (soFar) => showProgress(soFar, performance.now() - startMs),
  });
  endProgress();
  print(report, performance.now() - startMs);
}

function showProgress(report: FuzzReport, elapsedMs: number): void {
  if (!Deno.stdout.isTerminal()) return;
  const heap = report.heap.at(-1);
  const memory = heap === undefined ? "" : `, ${toMiB(heap)} MiB reachable`;
  write(`\r${report.inputs} inputs, ${rate(report.inputs, elapsedMs)} a second${memory}\x1b[K`);
}

function endProgress(): void {
  if (Deno.stdout.isTerminal()) write("\n");
}

function print({ tallies, heap, inputs }: FuzzReport, elapsedMs: number): void {
  for (const [name, tally] of tallies) printTally(name, tally);
  console.log(`MiB reachable after each round: ${heap.map(toMiB).join(" ")}`);
  const seconds = (elapsedMs / 1000).toFixed(1);
  console.log(`${inputs} inputs in ${seconds} s, ${rate(inputs, elapsedMs)} a second`);
}

function printTally(name: string, tally: Tally): void {
  const { inputs, elapsedMs, slowest } = tally;
  const slow = slowest === null
    ? ""
    : `, slowest ${slowest.ms.toFixed(1)} ms (input ${slowest.number}, ${slowest.bytes} bytes)`;
  console.log(`${name}: ${inputs} inputs, ${rate(inputs, elapsedMs)} a second${slow}`);
  const outcomes = [...tally.outcomes].sort(([, left], [, right]) => right - left);
  for (const [outcome, count] of outcomes) {
    console.log(`${String(count).padStart(12)}  ${outcome}`);
  }
  if (tally.accepted === 0) console.log("           0  accepted  NEVER");
  if (tally.accepted === inputs) console.log("           0  refused  NEVER");
}

function save({ target, seed, number, input }: FuzzFailure): string {
  Deno.mkdirSync(FAILURE_FOLDER, { recursive: true });
  const path = `${FAILURE_FOLDER}/${target}-${seed}-${number}`;
  Deno.writeTextFileSync(path, input);
  return path;
}

function rate(inputs: number, elapsedMs: number): number {
  return Math.round(inputs / Math.max(elapsedMs, 1) * 1000);
}

function toMiB(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

function write(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

if (import.meta.main) await runScript({ usage: USAGE, read: readOptions, run });
