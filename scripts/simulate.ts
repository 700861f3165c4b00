/**
 * `deno task simulate`: runs the simulator over many seeds, or replays one with its trace.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { describeFailure } from "../tests/simulator/failure.ts";
import {
  ELECTION_WORLDS,
  faultOf,
  LIARS_WORLDS,
  nameOf,
  percent,
  runLiarsWorld,
  timeElections,
} from "../tests/simulator/liars_world.ts";
import { Progress } from "../tests/simulator/progress.ts";
import { type RunReport, runSeed } from "../tests/simulator/run.ts";
import { runSeeds } from "../tests/simulator/seed_pool.ts";
import { readNumber, readWhole, runScript } from "./command_line.ts";

const USAGE = `Usage: deno task simulate [options]
  --seeds N     how many seeds to run (default 1000)
  --from N      the first of them (default 1)
  --minutes M   run for so long instead
  --jobs J      how many threads (default 1)
  --liars       run the worlds in which n - t voters lie, and print what they cost
  --seed N      replay one seed and print its trace`;

/** How many seeds go by between two lines where nobody watches a progress bar. */
const SEEDS_PER_LINE = 500;

/** The least time that shows anything. */
const MINUTES_MIN = 0.01;
/** Most threads. */
const JOBS_MAX = 64;

interface Options {
  /** The one to replay; null for many. */
  readonly seed: number | null;
  readonly seeds: number;
  readonly from: number;
  readonly minutes: number | null;
  readonly jobs: number;
  /** Whether to run the liars' worlds instead of seeds. */
  readonly liars: boolean;
}

function readOptions(): Options {
  const text = { type: "string" } as const;
  const { seed, seeds, from, minutes, jobs, liars } = parseArgs({
    options: {
      seed: text,
      seeds: { ...text, default: "1000" },
      from: { ...text, default: "1" },
      minutes: text,
      jobs: { ...text, default: "1" },
      liars: { type: "boolean", default: false },
    },
  }).values;
  return {
    seed: seed === undefined ? null : readWhole({ name: "--seed", text: seed, from: 0 }),
    seeds: readWhole({ name: "--seeds", text: seeds, from: 1 }),
    from: readWhole({ name: "--from", text: from, from: 0 }),
    minutes: minutes === undefined
      ? null
      : readNumber({ name: "--minutes", text: minutes, from: MINUTES_MIN }),
    jobs: readWhole({ name: "--jobs", text: jobs, from: 1, to: JOBS_MAX }),
    liars,
  };
}

function run(options: Options): Promise<number> {
  if (options.liars) return runLiars();
  return options.seed === null ? runMany(options) : replay(options.seed);
}

async function runLiars(): Promise<number> {
  let faults = 0;
  for (const world of LIARS_WORLDS) {
    const outcome = await runLiarsWorld(world);
    const fault = faultOf(outcome);
    if (fault !== null) faults++;
    const figures = `led ${percent(outcome.ledShare)}, wrote ${percent(outcome.writtenShare)}`;
    console.log(`${nameOf(world)}: ${figures}${fault === null ? "" : "  TOO LITTLE"}`);
  }
  await printElections();
  return faults === 0 ? 0 : 1;
}

/** How many seeds the times of elections come from: two or three elections each. */
const ELECTION_SEEDS = 8;

async function printElections(): Promise<void> {
  console.log("\nwithout a leader after the leader's process restarted, in milliseconds:");
  for (const world of ELECTION_WORLDS) {
    const times = (await timeElections(world, ELECTION_SEEDS)).toSorted((a, b) => a - b);
    const at = (share: number) => times[Math.floor(share * (times.length - 1))] ?? NaN;
    const { size, threshold, liars } = world;
    const figures = `median ${at(0.5)}, 90 % within ${at(0.9)}, at most ${at(1)}`;
    console.log(`${threshold} of ${size}, ${liars} that lie: ${times.length} times, ${figures}`);
  }
}

async function replay(seed: number): Promise<number> {
  const report = await runSeed(seed, (line) => console.log(line));
  console.log(JSON.stringify(report.scenario, null, 1));
  console.log(`trace ${report.traceDigest}`);
  if (report.violation === null) return 0;
  console.log(`\n${report.violation.message}\n${report.violation.stack}`);
  return 1;
}

async function runMany(options: Options): Promise<number> {
  const progress = new Progress();
  const startedMs = performance.now();
  const elapsedMs = () => performance.now() - startedMs;
  const failures: RunReport[] = [];
  let seed = options.from;
  const share = () =>
    options.minutes === null
      ? (seed - options.from) / options.seeds
      : elapsedMs() / (options.minutes * 60_000);
  const next = () => share() < 1 && failures.length === 0 ? seed++ : null;
  const onReport = (report: RunReport) => {
    progress.add(report);
    if (report.violation !== null) failures.push(report);
    if (Deno.stdout.isTerminal()) {
      const { columns } = Deno.consoleSize();
      draw(progress.bar({ share: share(), elapsedMs: elapsedMs(), columns }));
    } else if (progress.seeds % SEEDS_PER_LINE === 0) {
      console.log(progress.summary(elapsedMs()));
    }
  };
  await runSeeds(next, { jobs: options.jobs, onReport });
  if (Deno.stdout.isTerminal()) write("\x1b[J");
  console.log([progress.summary(elapsedMs()), ...progress.counts()].join("\n"));
  for (const failure of failures) console.log(`\n${await describeFailure(failure)}`);
  return failures.length === 0 ? 0 : 1;
}

/** Shows lines, and goes back to where they begin. */
function draw(lines: readonly string[]): void {
  write(lines.map((line) => `\r${line}\x1b[K\n`).join("") + `\x1b[${lines.length}A`);
}

function write(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

if (import.meta.main) await runScript({ usage: USAGE, read: readOptions, run });
