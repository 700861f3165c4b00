/**
 * A world in which nothing fails but honesty: as many voters lie as a cluster can do without, for as long
 * as the run takes. They may cost time, but not the cluster: it must be led most of the time, and write
 * nearly as much as one whose voters are all honest.
 *
 * Every now and then the leader's process restarts, so that there are elections to disturb.
 *
 * @module
 */

import { calmScenario } from "./directed_worlds.ts";
import type { LieKind } from "./fault_kinds.ts";
import type { Scenario } from "./scenario.ts";
import { Simulation } from "./simulation.ts";
import { Trace } from "./trace.ts";

/** How long a world is watched, from its very first moment on. */
const WATCHED_US = 30_000_000;
/** How long a leader leads before its process restarts. */
const REIGN_US = 10_000_000;
/** How often somebody looks whether there is a leader. */
const LOOK_US = 10_000;
/** How long a liar tells one lie where it tells all in turn. */
const TURN_US = 2_500_000;

/** The least part of the time that a cluster must be led. */
export const LED_SHARE_MIN = 0.9;
/** The least part of an honest cluster's writes. */
export const WRITTEN_SHARE_MIN = 0.9;

/** A cluster with liars. */
export interface LiarsWorld {
  /** How many voters. */
  readonly size: number;
  /** How many must sign. */
  readonly threshold: number;
  /** How many voters lie: n - t, unless there are fewer. */
  readonly liars?: number;
  /** What the liars say: one lie all the time, or several in turn. */
  readonly lies: readonly LieKind[];
}

/** What came of a world. */
export interface LiarsOutcome {
  /** The part of the time in which somebody led. */
  readonly ledShare: number;
  /** Writes, as a part of those of the same world without a lie. */
  readonly writtenShare: number;
  /** How often the lies were told. */
  readonly lies: number;
  /** How long each time without a leader was, after the first, in milliseconds. */
  readonly electionsMs: readonly number[];
}

/** Lies that n - t voters must not be able to stop a cluster by. */
export const LIES_THAT_COST_TIME: readonly LieKind[] = [
  "refuseAll",
  "inflatedTerm",
  "claimWithoutCertificate",
  "forgedCertificate",
  "standFirst",
  "withheldShare",
  "wrongShare",
  "replayedCommitment",
  "transferUnasked",
  "wantSnapshots",
];

/** A vote for everybody is within the line where at most 2t - n - 1 voters lie. */
const LIES_WITHIN_THE_LINE: readonly LieKind[] = [...LIES_THAT_COST_TIME, "voteForAll"];

/** The worlds of the gate: each lie alone, and all in turn in clusters of several sizes. */
export const LIARS_WORLDS: readonly LiarsWorld[] = [
  ...LIES_WITHIN_THE_LINE.map((lie) => ({ size: 4, threshold: 3, lies: [lie] })),
  { size: 4, threshold: 3, lies: LIES_WITHIN_THE_LINE },
  { size: 5, threshold: 4, lies: LIES_WITHIN_THE_LINE },
  { size: 7, threshold: 5, lies: LIES_WITHIN_THE_LINE },
  { size: 7, threshold: 6, lies: LIES_WITHIN_THE_LINE },
  { size: 5, threshold: 3, lies: LIES_THAT_COST_TIME },
];

/** A world as a person names it. */
export function nameOf(
  { size, threshold, liars = size - threshold, lies }: LiarsWorld,
): string {
  const what = lies.length === 1 ? lies[0] : `${lies.length} lies in turn`;
  return `${threshold} of ${size}, ${liars} that lie: ${what}`;
}

/** Runs a world, and the same one without a lie. */
export async function runLiarsWorld(world: LiarsWorld, seed = 1): Promise<LiarsOutcome> {
  const honest = await watch(toScenario({ ...world, lies: [] }, seed));
  const { written, ...seen } = await watch(toScenario(world, seed));
  return { ...seen, writtenShare: written / Math.max(1, honest.written) };
}

/** How long elections take with 0, 1 and n - t liars. */
export const ELECTION_WORLDS: readonly LiarsWorld[] =
  ([[4, 3], [5, 3], [5, 4], [7, 5], [7, 6]] as const).flatMap(([size, threshold]) =>
    [...new Set([0, 1, size - threshold])].map((liars) => {
      const lies = liars > 2 * threshold - size - 1 ? LIES_THAT_COST_TIME : LIES_WITHIN_THE_LINE;
      return { size, threshold, liars, lies: liars === 0 ? [] : lies };
    })
  );

/** The times without a leader in a world, over several seeds. */
export async function timeElections(
  world: LiarsWorld,
  seeds: number,
): Promise<readonly number[]> {
  const times: number[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    times.push(...(await watch(toScenario(world, seed))).electionsMs);
  }
  return times;
}

/** What is wrong with an outcome, in words; null when nothing is. */
export function faultOf(
  { ledShare, writtenShare }: Pick<LiarsOutcome, "ledShare" | "writtenShare">,
): string | null {
  if (ledShare < LED_SHARE_MIN) return `led ${percent(ledShare)} of the time`;
  if (writtenShare < WRITTEN_SHARE_MIN) {
    return `wrote ${percent(writtenShare)} of what honest voters write`;
  }
  return null;
}

/** A share as a person reads it. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

async function watch(
  scenario: Scenario,
): Promise<Omit<LiarsOutcome, "writtenShare"> & { readonly written: number }> {
  const simulation = new Simulation(scenario, new Trace(null));
  const { queue, counters, machines } = simulation;
  const reigns = new Reigns();
  const look = (): void => {
    reigns.look(machines.some(({ state }) => state?.role.name === "leader"));
    queue.after(LOOK_US, look);
  };
  const depose = (): void => {
    const leader = machines.find(({ isHonest, state }) =>
      isHonest && state?.role.name === "leader"
    );
    leader?.kill("its reign is over");
    leader?.start();
    queue.after(REIGN_US, depose);
  };
  queue.after(LOOK_US, look);
  queue.after(REIGN_US, depose);
  simulation.start();
  await simulation.runUntil(WATCHED_US);
  const lies = scenario.lies.reduce((sum, kind) => sum + counters.of(`lie.${kind}`), 0);
  const { ledShare, electionsMs } = reigns;
  return { ledShare, electionsMs, written: counters.of("client.written"), lies };
}

/** Who looks every now and then, and counts. */
class Reigns {
  readonly electionsMs: number[] = [];
  #looks = 0;
  #led = 0;
  #leaderless = 0;

  get ledShare(): number {
    return this.#led / this.#looks;
  }

  look(isLed: boolean): void {
    this.#looks++;
    if (!isLed) this.#leaderless++;
    if (!isLed) return;
    const isFirst = this.#led++ === 0;
    if (this.#leaderless > 0 && !isFirst) this.electionsMs.push(this.#leaderless * LOOK_US / 1000);
    this.#leaderless = 0;
  }
}

function toScenario(world: LiarsWorld, seed: number): Scenario {
  const { size, threshold, liars = size - threshold, lies } = world;
  const calm = calmScenario(seed);
  const turnUs = lies.length > 1 ? TURN_US : null;
  return { ...calm, size, threshold, liars, lies, lying: { ...calm.lying, turnUs } };
}
