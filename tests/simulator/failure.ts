/**
 * What a person is told of a seed that broke something.
 *
 * @module
 */

import { type RunReport, runSeed } from "./run.ts";

/** How many of the last lines of a trace are shown with a violation. */
export const LAST_LINES = 40;

/**
 * The seed, the invariant, the last steps and the command that replays them. Runs the seed again, which
 * does the same again, to see how it came to that.
 */
export async function describeFailure(
  { seed, violation }: Pick<RunReport, "seed" | "violation">,
): Promise<string> {
  const lines: string[] = [];
  await runSeed(seed, (line) => {
    lines.push(line);
    if (lines.length > LAST_LINES) lines.shift();
  });
  return [
    `Seed ${seed} broke: ${violation?.invariant}`,
    violation?.message,
    "",
    ...lines,
    "",
    `Replay it with: deno task simulate --seed ${seed}`,
  ].join("\n");
}
