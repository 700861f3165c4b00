/**
 * What faults are made of: the nemesis's reach into the world, and what all faults draw from it.
 *
 * @module
 */

import type { Entry } from "../../lib/raft/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import type { Counters } from "./counters.ts";
import type { EventQueue } from "./event_queue.ts";
import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";
import type { Random } from "./random.ts";
import type { Scenario } from "./scenario.ts";
import type { Trace } from "./trace.ts";

/** How often clients turn to a machine that is in trouble. */
const HARASSED_TIMES = 3;

/** What the nemesis needs of the rest of the world. */
export interface FaultWorldOptions {
  /** The run. */
  readonly scenario: Scenario;
  /** Time. */
  readonly queue: EventQueue;
  /** Chance. */
  readonly random: Random;
  /** The victims. */
  readonly machines: readonly Machine[];
  /** The other victim. */
  readonly network: Network;
  /** Counts faults. */
  readonly counters: Counters;
  /** For people. */
  readonly trace: Trace;
  /** Everything committed so far. */
  readonly committed: () => readonly Entry[];
  /** Many clients write through a machine at once. */
  readonly burst: (machine: Machine) => void;
  /** A node loses its connection to another. */
  readonly disconnect: (from: NodeId, to: NodeId) => void;
}

/** See the module. */
export class FaultWorld {
  /** See {@linkcode FaultWorldOptions}. */
  readonly options: FaultWorldOptions;
  /** Whether faults go on: what is scheduled does not happen afterwards. */
  isOn = true;

  /** A world in which nothing has gone wrong yet. */
  constructor(options: FaultWorldOptions) {
    this.options = options;
  }

  /** All names. */
  get ids(): readonly NodeId[] {
    return this.options.machines.map(({ id }) => id);
  }

  /** The machines on which a process runs. */
  get running(): readonly Machine[] {
    return this.options.machines.filter(({ life }) => life !== null);
  }

  /** The machines whose nodes lead, each for all it knows. */
  get leaders(): readonly Machine[] {
    return this.options.machines.filter(({ state }) => state?.role.name === "leader");
  }

  /** How long a fault lasts. */
  drawDurationUs(): number {
    const { random, scenario } = this.options;
    return random.exponential(scenario.faultUsMean);
  }

  /** Does something some time later, unless faults are over by then. */
  later(delayUs: number, work: () => void): void {
    this.options.queue.after(delayUs, () => {
      if (this.isOn) work();
    });
  }

  /** Clients that know no better go on asking a machine that is in trouble. */
  harass(machine: Machine): void {
    for (let times = 0; times < HARASSED_TIMES; times++) {
      this.later(this.drawDurationUs(), () => this.options.burst(machine));
    }
  }
}
