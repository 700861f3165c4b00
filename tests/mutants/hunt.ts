/**
 * Runs seeds until one breaks something, and prints what as one line of JSON: for
 * `deno task mutants`, in a copy of the project with a bug in it.
 *
 * @module
 */

import { runSeed } from "../simulator/run.ts";

/** What came of a hunt. */
export interface Hunt {
  /** The first seed that broke something; null when none did. */
  readonly seed: number | null;
  /** What it broke. */
  readonly invariant: string;
  /** What was seen. */
  readonly message: string;
}

async function hunt(seedsMax: number): Promise<Hunt> {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const { violation } = await runSeed(seed);
    if (violation !== null) return { seed, ...violation };
  }
  return { seed: null, invariant: "", message: "" };
}

if (import.meta.main) {
  const { seed, invariant, message } = await hunt(Number(Deno.args[0]));
  console.log(JSON.stringify({ seed, invariant, message }));
}
