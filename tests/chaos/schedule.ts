/**
 * When what is done to the cluster: two lanes of faults side by side, each dealt from a deck that is
 * shuffled anew when it is used up, so that even a short run sees many kinds. A third lane changes the members.
 *
 * @module
 */

import { pause } from "../../lib/deadline.ts";
import type { Random } from "../simulator/random.ts";
import type { ChaosCluster } from "./chaos_cluster.ts";
import { type Fault, NETWORK_FAULTS, PROCESS_FAULTS } from "./faults.ts";
import { MemberChanges } from "./member_changes.ts";

/** The pause between two faults of a lane. */
const CALM_MS = { least: 200, most: 1_500 } as const;

/** What is done, and who is told. */
interface ScheduleOptions {
  readonly cluster: ChaosCluster;
  readonly random: Random;
  /** When it is aborted, nothing more is broken. */
  readonly signal: AbortSignal;
  /** Told of each fault when it is over. */
  readonly onFault: (name: string) => void;
  /** Told of each change of the members when it is over. */
  readonly onChange: (name: string) => void;
  /** Told of what must not be. */
  readonly onViolation: (violation: string) => void;
}

/** Breaks the cluster until `signal` is aborted; then undoes what is broken, and ends a change under way. */
export async function runSchedule(options: ScheduleOptions): Promise<void> {
  const { cluster, random } = options;
  const changes = runChanges(options);
  // A fault that fails must not leave the other lanes unwatched.
  const faults = Promise.all([
    runLane(PROCESS_FAULTS, random.split("processes"), options),
    runLane(NETWORK_FAULTS, random.split("network"), options),
  ]).then(async () => {
    cluster.network.heal();
    await cluster.startAll();
  });
  await Promise.all([faults, changes]);
  await cluster.startAll();
}

async function runLane(
  faults: readonly Fault[],
  random: Random,
  { cluster, signal, onFault }: ScheduleOptions,
): Promise<void> {
  for (const fault of deal(faults, random.split("deck"))) {
    await pause(random.between(CALM_MS.least, CALM_MS.most), signal);
    if (signal.aborted) return;
    const hold = (milliseconds: number) => pause(milliseconds, signal);
    onFault(await fault({ cluster, random, hold }));
  }
}

/** A change that has begun goes on when the faults are over: then it must come to an end. */
async function runChanges(
  { cluster, random: parent, signal, onChange, onViolation }: ScheduleOptions,
): Promise<void> {
  const random = parent.split("members");
  using changes = new MemberChanges({ cluster, random, onViolation });
  while (!signal.aborted) {
    await pause(random.between(CALM_MS.least, CALM_MS.most), signal);
    if (!signal.aborted) onChange(await changes.change());
  }
  await changes.finish();
}

/** Faults without end: each deck holds every one of them. */
function* deal(faults: readonly Fault[], random: Random): Generator<Fault> {
  for (;;) yield* random.shuffled(faults);
}
