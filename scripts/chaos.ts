/**
 * `deno task chaos`: a real cluster of five under kill -9, SIGSTOP, broken networks and a full disk,
 * with clients that watch it. Exit code 1 when anything that Floe promises did not hold.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { messageOf } from "../lib/errors.ts";
import { runChaos } from "../tests/chaos/chaos.ts";
import { formatReport } from "../tests/chaos/report.ts";
import { readNumber, readWhole, runScript } from "./command_line.ts";

const USAGE = "Usage: deno task chaos [--minutes M | --seconds S] [--seed N]";
const SECONDS_MAX = 60 * 60;
/** A seed that nobody named is below. */
const DRAWN_SEEDS = 1_000_000;

interface Options {
  readonly seed: number;
  readonly seconds: number;
}

function readOptions(): Options {
  const text = { type: "string" } as const;
  const { minutes, seconds, seed } = parseArgs({
    options: { minutes: { ...text, default: "2" }, seconds: text, seed: text },
  }).values;
  return {
    seed: seed === undefined
      ? Math.floor(Math.random() * DRAWN_SEEDS)
      : readWhole({ name: "--seed", text: seed, from: 0 }),
    seconds: seconds === undefined
      ? 60 * readNumber({ name: "--minutes", text: minutes, from: 0.01, to: SECONDS_MAX / 60 })
      : readNumber({ name: "--seconds", text: seconds, from: 1, to: SECONDS_MAX }),
  };
}

async function run({ seed, seconds }: Options): Promise<number> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => stop.abort(new Error(`Stopped by ${name}`)));
  }
  const again = `deno task chaos --seconds ${seconds} --seed ${seed}`;
  console.error(`Chaos for ${seconds} s. Again: ${again}`);
  try {
    const report = await runChaos({ seed, durationMs: 1000 * seconds, signal: stop.signal });
    console.error(formatReport(report));
    console.log(JSON.stringify(report));
    return report.violations.length === 0 ? 0 : 1;
  } catch (error) {
    console.error(`Chaos with seed ${seed} came to no end: ${messageOf(error)}`);
    return stop.signal.aborted ? 130 : 1;
  }
}

if (import.meta.main) await runScript({ usage: USAGE, read: readOptions, run });
