/**
 * When what is done to the cluster: two lanes of faults side by side, each dealt from a deck that is
 * shuffled anew when it is used up, so that even a short run sees many kinds.
 *
 * @module
 */

import { pause } from "../../lib/deadline.ts";
import type { Random } from "../simulator/random.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";
import { type Fault, NETWORK_FAULTS, PROCESS_FAULTS } from "./faults.ts";

/** The pause between two faults of a lane. */
const CALM_MS = { least: 200, most: 1_500 } as const;

/** Breaks the cluster until `signal` is aborted; then undoes what is broken. Counts what it did. */
export async function runSchedule(
  options: {
    readonly cluster: ChaosCluster;
    readonly random: Random;
    readonly signal: AbortSignal;
    /** Told of each fault when it is over. */
    readonly onFault: (name: string) => void;
  },
): Promise<void> {
  const { cluster, random, signal, onFault } = options;
  const runLane = async (faults: readonly Fault[], lane: Random) => {
    for (const fault of deal(faults, lane.split("deck"))) {
      await pause(lane.between(CALM_MS.least, CALM_MS.most), signal);
      if (signal.aborted) return;
      const hold = (milliseconds: number) => pause(milliseconds, signal);
      onFault(await fault({ cluster, random: lane, hold }));
    }
  };
  await Promise.all([
    runLane(PROCESS_FAULTS, random.split("processes")),
    runLane(NETWORK_FAULTS, random.split("network")),
  ]);
  cluster.network.heal();
  await cluster.startAll();
}

/** Faults without end: each deck holds every one of them. */
function* deal(faults: readonly Fault[], random: Random): Generator<Fault> {
  for (;;) yield* random.shuffled(faults);
}
