/**
 * `deno task simulate`: runs the simulator over many seeds, or replays one with its trace.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { Counters } from "../tests/simulator/counters.ts";
import { FAULT_COUNTERS } from "../tests/simulator/fault_kinds.ts";
import { type RunReport, runSeed } from "../tests/simulator/run.ts";
import { runSeeds } from "../tests/simulator/seed_pool.ts";

const USAGE = `Usage: deno task simulate [options]
  --seeds N     how many seeds to run (default 1000)
  --from N      the first of them (default 1)
  --minutes M   run for so long instead
  --jobs J      how many threads (default 1)
  --seed N      replay one seed and print its trace`;

/** How many of the last lines of a trace are shown with a violation. */
const LAST_LINES = 40;

/** How many seeds go by between two lines where nobody watches a progress bar. */
const SEEDS_PER_LINE = 500;

interface Options {
  readonly seeds: number;
  readonly from: number;
  readonly minutes: number | null;
  readonly jobs: number;
}

/** What was run so far. */
class Totals {
  readonly counters = new Counters();
  readonly #startedMs = performance.now();
  seeds = 0;
  events = 0;
  simulatedUs = 0;

  add(report: RunReport): void {
    this.seeds++;
    this.events += report.events;
    this.simulatedUs += report.simulatedUs;
    this.counters.add(report.counts);
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedMs;
  }

  get line(): string {
    const perMinute = Math.round(this.seeds / this.elapsedMs * 60_000);
    const hours = (this.simulatedUs / 3.6e9).toFixed(2);
    return `${this.seeds} seeds, ${perMinute} a minute, ${this.events} events, ` +
      `${hours} simulated hours`;
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      seed: { type: "string" },
      seeds: { type: "string", default: "1000" },
      from: { type: "string", default: "1" },
      minutes: { type: "string" },
      jobs: { type: "string", default: "1" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (values.seed !== undefined) return await replay(readNumber("--seed", values.seed));
  return await runMany({
    seeds: readNumber("--seeds", values.seeds),
    from: readNumber("--from", values.from),
    minutes: values.minutes === undefined ? null : readNumber("--minutes", values.minutes),
    jobs: readNumber("--jobs", values.jobs),
  });
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
  const totals = new Totals();
  const failures: RunReport[] = [];
  let seed = options.from;
  const next = () => {
    const isOver = options.minutes === null
      ? seed >= options.from + options.seeds
      : totals.elapsedMs >= options.minutes * 60_000;
    return isOver || failures.length > 0 ? null : seed++;
  };
  const onReport = (report: RunReport) => {
    totals.add(report);
    if (report.violation !== null) failures.push(report);
    showProgress(totals, options);
  };
  await runSeeds(next, { jobs: options.jobs, onReport });
  endProgress();
  printCounts(totals);
  for (const failure of failures) await printFailure(failure);
  return failures.length === 0 ? 0 : 1;
}

function showProgress(totals: Totals, options: Options): void {
  if (!Deno.stdout.isTerminal()) {
    if (totals.seeds % SEEDS_PER_LINE === 0) console.log(totals.line);
    return;
  }
  const share = options.minutes === null
    ? totals.seeds / options.seeds
    : totals.elapsedMs / (options.minutes * 60_000);
  const done = Math.min(20, Math.round(20 * share));
  write(`\r[${"#".repeat(done)}${".".repeat(20 - done)}] ${totals.line}\x1b[K`);
}

function endProgress(): void {
  if (Deno.stdout.isTerminal()) write("\n");
}

function printCounts(totals: Totals): void {
  console.log(totals.line);
  const counts = totals.counters.toRecord();
  for (const name of FAULT_COUNTERS) counts[name] ??= 0;
  for (const [name, count] of Object.entries(counts)) {
    console.log(`${String(count).padStart(12)}  ${name}${count === 0 ? "  NEVER" : ""}`);
  }
}

/** Runs the seed again, which does the same again, to see how it came to that. */
async function printFailure({ seed, violation }: RunReport): Promise<void> {
  const lines: string[] = [];
  await runSeed(seed, (line) => {
    lines.push(line);
    if (lines.length > LAST_LINES) lines.shift();
  });
  console.log(`\nSeed ${seed} broke: ${violation?.invariant}\n${violation?.message}\n`);
  console.log(lines.join("\n"));
  console.log(`\nReplay it with: deno task simulate --seed ${seed}`);
}

function readNumber(name: string, text: string): number {
  const number = Number(text);
  if (text !== "" && number >= 0) return number;
  console.error(`${name}: ${text} is not a number from 0 upward\n${USAGE}`);
  Deno.exit(2);
}

function write(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

if (import.meta.main) Deno.exit(await main());
