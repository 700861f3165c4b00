/**
 * `deno task simulate`: runs the simulator over many seeds, or replays one with its trace.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { messageOf } from "../lib/errors.ts";
import { describeFailure } from "../tests/simulator/failure.ts";
import { Progress } from "../tests/simulator/progress.ts";
import { type RunReport, runSeed } from "../tests/simulator/run.ts";
import { runSeeds } from "../tests/simulator/seed_pool.ts";

const USAGE = `Usage: deno task simulate [options]
  --seeds N     how many seeds to run (default 1000)
  --from N      the first of them (default 1)
  --minutes M   run for so long instead
  --jobs J      how many threads (default 1)
  --seed N      replay one seed and print its trace
  --help        show this help`;

/** How many seeds go by between two lines where nobody watches a progress bar. */
const SEEDS_PER_LINE = 500;

interface Options {
  readonly seeds: number;
  readonly from: number;
  readonly minutes: number | null;
  readonly jobs: number;
}

async function main(): Promise<number> {
  const values = readOptions();
  if (values.help === true) {
    console.log(USAGE);
    return 0;
  }
  if (values.seed !== undefined) return await replay(readWhole("--seed", values.seed));
  return await runMany({
    seeds: readWhole("--seeds", values.seeds),
    from: readWhole("--from", values.from),
    minutes: values.minutes === undefined ? null : readNumber("--minutes", values.minutes),
    jobs: readWhole("--jobs", values.jobs),
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

function readOptions() {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: Deno.args,
      options: {
        seed: text,
        seeds: { ...text, default: "1000" },
        from: { ...text, default: "1" },
        minutes: text,
        jobs: { ...text, default: "1" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    return fail(messageOf(error));
  }
}

function readWhole(name: string, text: string): number {
  const number = readNumber(name, text);
  return Number.isSafeInteger(number) ? number : fail(`${name}: ${text} is not a whole number`);
}

function readNumber(name: string, text: string): number {
  const number = Number(text);
  const isNumber = text.trim() !== "" && number >= 0;
  return isNumber ? number : fail(`${name}: ${text} is not a number from 0 upward`);
}

function fail(reason: string): never {
  console.error(`${reason}\n${USAGE}`);
  Deno.exit(2);
}

function write(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

if (import.meta.main) Deno.exit(await main());
