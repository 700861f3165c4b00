/**
 * `deno task chaos`: a real cluster of five under kill -9, SIGSTOP, broken networks and a full disk,
 * with clients that watch it. Exit code 1 when anything that Floe promises did not hold.
 *
 * @module
 */

import { messageOf } from "../lib/errors.ts";
import { parseArgs } from "node:util";
import { runChaos } from "../tests/chaos/chaos.ts";
import { formatReport } from "../tests/chaos/report.ts";

const USAGE = "Usage: deno task chaos [--minutes M | --seconds S] [--seed N]";
const DURATION_MS_MAX = 60 * 60 * 1000;

const { minutes, seconds, seed } = readOptions();
const durationMs = seconds === null ? (minutes ?? 2) * 60_000 : seconds * 1000;
if (seed !== null && !Number.isSafeInteger(seed)) fail("The seed is not a whole number");
if (!(durationMs > 0 && durationMs <= DURATION_MS_MAX)) fail("The time is not within an hour");

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(name, () => stop.abort(new Error(`Stopped by ${name}`)));
}

const chosen = seed ?? Math.floor(Math.random() * 1_000_000);
console.error(
  `Chaos for ${durationMs / 1000} s. Again: deno task chaos --seconds ${
    durationMs / 1000
  } --seed ${chosen}`,
);
try {
  const report = await runChaos({ seed: chosen, durationMs, signal: stop.signal });
  console.error(formatReport(report));
  console.log(JSON.stringify(report));
  Deno.exit(report.violations.length === 0 ? 0 : 1);
} catch (error) {
  console.error(`Chaos with seed ${chosen} came to no end: ${messageOf(error)}`);
  Deno.exit(stop.signal.aborted ? 130 : 1);
}

function readOptions(): Record<"minutes" | "seconds" | "seed", number | null> {
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({ options: { minutes: text, seconds: text, seed: text } });
    const read = (value: string | undefined) => value === undefined ? null : Number(value);
    return {
      minutes: read(values.minutes),
      seconds: read(values.seconds),
      seed: read(values.seed),
    };
  } catch (error) {
    return fail(messageOf(error));
  }
}

function fail(reason: string): never {
  console.error(`${reason}\n${USAGE}`);
  Deno.exit(2);
}
