/**
 * Brings about the faults of a run, one after the other, and ends those that last.
 *
 * @module
 */

import {
  type FaultKind,
  MACHINE_FAULT_KINDS,
  type MachineFaultKind,
  NETWORK_FAULT_KINDS,
  type NetworkFaultKind,
  type TroubleKind,
} from "./fault_kinds.ts";
import { FaultWorld, type FaultWorldOptions } from "./fault_world.ts";
import type { Machine } from "./machine.ts";
import { MachineFaults } from "./machine_faults.ts";
import { NetworkFaults } from "./network_faults.ts";
import { SAFETY_US } from "./scenario.ts";

/** Who is left in the past is so from here on at the earliest. */
const PAST_FROM_US = 0.5 * SAFETY_US;

/** See the module. */
export class Nemesis {
  readonly #world: FaultWorld;
  readonly #network: NetworkFaults;
  readonly #machines: MachineFaults;
  #coupUntilUs = 0;

  /** A nemesis that has not done anything yet. */
  constructor(options: FaultWorldOptions) {
    this.#world = new FaultWorld(options);
    this.#network = new NetworkFaults(this.#world);
    this.#machines = new MachineFaults(this.#world);
  }

  /** Goes on for ever from now on. */
  start(): void {
    const { random, scenario } = this.#world.options;
    if (scenario.faults.length === 0) return;
    this.#world.later(random.exponential(scenario.faultIntervalUsMean), () => {
      this.#bring(random.pick(scenario.faults));
      this.start();
    });
  }

  /** Stops, and repairs everything that can be. */
  stop(): void {
    this.#world.isOn = false;
    this.#world.options.network.heal();
    for (const machine of this.#world.options.machines) machine.repair();
  }

  /**
   * All of a snapshot has arrived somewhere. Its leader may be gone before it is installed, so that the
   * next one sends entries of which the snapshot tells as well.
   */
  snapshotArrived(): void {
    const { random, scenario } = this.#world.options;
    if (!this.#world.isOn || !scenario.faults.includes("isolateLeader")) return;
    for (const leader of this.#world.leaders) if (random.chance(0.5)) this.#network.isolate(leader);
  }

  /**
   * A node has won an election. During a coup it is killed or cut off at once, so that leaders follow
   * each other and leave entries behind that nobody else has (Raft Figure 8).
   */
  won(machine: Machine): void {
    const { queue, random, counters } = this.#world.options;
    if (!this.#world.isOn || queue.nowUs >= this.#coupUntilUs) return;
    counters.count("coup");
    if (random.chance(0.5)) this.#machines.crashSoon(machine);
    else this.#network.isolate(machine);
  }

  #bring(kind: FaultKind): void {
    const { counters, trace, queue } = this.#world.options;
    const victim = this.#act(kind);
    if (victim === null) return;
    counters.count(`fault.${kind}`);
    trace.add(queue.nowUs, "!!", () => `${kind} ${victim}`);
  }

  /** Does it; returns to whom, or null when it cannot be done now. */
  #act(kind: FaultKind): string | null {
    if (isNetworkFault(kind)) return this.#network.bring(kind);
    if (isMachineFault(kind)) return this.#machines.bring(kind);
    return this.#trouble(kind);
  }

  #trouble(kind: TroubleKind): string | null {
    switch (kind) {
      case "transfer":
        return this.#transfer();
      case "burst":
        return this.#burst();
      case "coup":
        this.#coupUntilUs = this.#world.options.queue.nowUs + this.#world.drawDurationUs();
        return "whoever wins";
      case "leftInThePast":
        return this.#leaveInThePast();
      default:
        return kind satisfies never;
    }
  }

  #burst(): string | null {
    const { running, options: { random, burst } } = this.#world;
    if (running.length === 0) return null;
    const machine = random.pick(running);
    burst(machine);
    return machine.id;
  }

  /**
   * Towards the end a few hear nothing of the others, among whom leaders follow each other until healing:
   * then there are nodes that are many terms ahead of others.
   */
  #leaveInThePast(): string | null {
    const { random, machines, queue, scenario: { size, threshold } } = this.#world.options;
    const left = random.shuffled(machines).slice(0, size - threshold);
    if (left.length === 0 || queue.nowUs < PAST_FROM_US) return null;
    for (const machine of left) this.#network.leave(machine);
    this.#coupUntilUs = Infinity;
    return left.map(({ id }) => id).join(" ");
  }

  /** No fault, but an operator's wish that often comes at the wrong moment. */
  #transfer(): string | null {
    const { random, machines } = this.#world.options;
    const [leader] = this.#world.leaders;
    if (!leader?.life) return null;
    const target = random.chance(0.5) ? random.pick(this.#world.ids) : null;
    // Whoever wished for it does not mind what comes of it.
    const deadlineMs = leader.clock.nowMs + this.#world.drawDurationUs() / 1000;
    leader.life.transfers.request(target, deadlineMs).then(() => {}, () => {});
    const others = machines.filter(({ id }) => id === target);
    if (random.chance(0.5)) this.#isolateSoon(random.pick([leader, ...others]));
    return `${leader.id} > ${target ?? "anyone"}`;
  }

  /** Cuts a machine off just when others may have agreed on something without it. */
  #isolateSoon(machine: Machine): void {
    const { random, scenario: { network } } = this.#world.options;
    const wayUs = network.latencyUsMin + network.latencyUsMean;
    this.#world.later(random.below(6 * wayUs), () => this.#network.isolate(machine));
  }
}

function isNetworkFault(kind: FaultKind): kind is NetworkFaultKind {
  return NETWORK_FAULT_KINDS.some((known) => known === kind);
}

function isMachineFault(kind: FaultKind): kind is MachineFaultKind {
  return MACHINE_FAULT_KINDS.some((known) => known === kind);
}
