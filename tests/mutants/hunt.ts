/**
 * Runs seeds until one breaks something, and prints what as one line of JSON: for
 * `deno task mutants`, in a copy of the project with a bug in it.
 *
 * @module
 */

import process from "node:process";
import { InputError } from "../../lib/errors.ts";
import { DIRECTED_WORLDS } from "../simulator/directed_worlds.ts";
import { faultOf, LIARS_WORLDS, runLiarsWorld } from "../simulator/liars_world.ts";
import { runScenario, runSeed } from "../simulator/run.ts";
import type { Scenario } from "../simulator/scenario.ts";
import { Violation } from "../simulator/violation.ts";

/** What came of a hunt. */
export interface Hunt {
  /** The first seed that broke something; null when none did. */
  readonly seed: number | null;
  /** What it broke. */
  readonly invariant: string;
  /** What was seen. */
  readonly message: string;
}

/** A hunt with its price. */
export interface PricedHunt extends Hunt {
  /** What it took of a processor's time. */
  readonly cpuSeconds: number;
}

/** Runs the directed world first, if there is one: what it finds counts as seed 0. */
async function hunt(seedsMax: number, world: string | undefined): Promise<Hunt> {
  const found = world === undefined ? null : await huntWorld(world);
  if (found !== null) return found;
  for (let seed = 1; seed <= seedsMax; seed++) {
    const { violation } = await runSeed(seed);
    if (violation !== null) return { seed, ...violation };
  }
  return { seed: null, invariant: "", message: "" };
}

/** How often a directed world is run. */
const DIRECTED_SEEDS = 40;

function huntWorld(name: string): Promise<Hunt | null> {
  const direct = Object.entries(DIRECTED_WORLDS).find(([world]) => world === name)?.[1];
  return direct === undefined ? huntLiars(name) : huntDirected(direct);
}

async function huntDirected(direct: (seed: number) => Scenario): Promise<Hunt | null> {
  for (let seed = 1; seed <= DIRECTED_SEEDS; seed++) {
    const { violation } = await runScenario(direct(seed));
    if (violation !== null) return { seed: 0, ...violation };
  }
  return null;
}

async function huntLiars(lie: string): Promise<Hunt | null> {
  const world = LIARS_WORLDS.find(({ lies }) => lies.length === 1 && lies[0] === lie);
  if (world === undefined) throw new InputError(`There is no directed or liars' world ${lie}`);
  try {
    const fault = faultOf(await runLiarsWorld(world));
    return fault === null ? null : { seed: 0, invariant: "Liars cost only time", message: fault };
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return { seed: 0, invariant: error.invariant, message: error.message };
  }
}

if (import.meta.main) {
  const [seedsMax, world] = Deno.args;
  const { seed, invariant, message } = await hunt(Number(seedsMax), world);
  const { user, system } = process.cpuUsage();
  const cpuSeconds = (user + system) / 1e6;
  console.log(JSON.stringify({ seed, invariant, message, cpuSeconds } satisfies PricedHunt));
}
