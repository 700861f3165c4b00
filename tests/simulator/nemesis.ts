/**
 * Brings about the faults of a run, one after the other, and ends those that last.
 *
 * @module
 */

import type { NodeId } from "../../lib/types.ts";
import type { Counters } from "./counters.ts";
import type { EventQueue } from "./event_queue.ts";
import { BOUNDARIES } from "./life.ts";
import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";
import type { Random } from "./random.ts";
import type { FaultKind, Scenario } from "./scenario.ts";
import type { Trace } from "./trace.ts";

/** How often a process passes a boundary, at most, before it is killed there. */
const PASSES_MAX = 8;

/** How often clients turn to a machine that is in trouble. */
const HARASSED_TIMES = 3;

/** Faults that befall more than one machine, or one for its role. */
type FaultOfManyKind =
  | "partition"
  | "oneWay"
  | "bridge"
  | "isolateLeader"
  | "clog"
  | "transfer"
  | "burst"
  | "coup";

/** What the nemesis needs of the rest of the world. */
export interface NemesisOptions {
  /** The run. */
  readonly scenario: Scenario;
  /** Time. */
  readonly queue: EventQueue;
  /** Chance. */
  readonly random: Random;
  /** Its victims. */
  readonly machines: readonly Machine[];
  /** Its other victim. */
  readonly network: Network;
  /** Counts faults. */
  readonly counters: Counters;
  /** For people. */
  readonly trace: Trace;
  /** Takes the last transactions of a machine whose power fails. */
  readonly losePower: (machine: Machine) => void;
  /** Many clients write through a machine at once. */
  readonly burst: (machine: Machine) => void;
  /** A node loses its connection to another. */
  readonly disconnect: (from: NodeId, to: NodeId) => void;
}

/** See the module. */
export class Nemesis {
  readonly #options: NemesisOptions;
  #isOn = true;
  #coupUntilUs = 0;
  /** How many more nodes may be lost for good and leave enough to elect and to commit. */
  #lossesLeft: number;

  /** A nemesis that has not done anything yet. */
  constructor(options: NemesisOptions) {
    const { size, threshold, liars } = options.scenario;
    const needed = Math.max(threshold, Math.floor(size / 2) + 1);
    this.#options = options;
    this.#lossesLeft = Math.max(0, size - needed - liars);
  }

  /** Goes on for ever from now on. */
  start(): void {
    const { queue, random, scenario } = this.#options;
    if (scenario.faults.length === 0) return;
    queue.after(random.exponential(scenario.faultIntervalUsMean), () => {
      if (!this.#isOn) return;
      this.#bring(random.pick(scenario.faults));
      this.start();
    });
  }

  /** Stops, and repairs everything that can be. */
  stop(): void {
    this.#isOn = false;
    this.#options.network.heal();
    for (const machine of this.#options.machines) machine.repair();
  }

  /**
   * A node has won an election. During a coup it is killed or cut off at once, so that leaders follow
   * each other and leave entries behind that nobody else has (Raft Figure 8).
   */
  won(machine: Machine): void {
    const { queue, random, counters } = this.#options;
    if (!this.#isOn || queue.nowUs >= this.#coupUntilUs) return;
    counters.count("coup");
    if (random.chance(0.5)) {
      machine.crashAt = { boundary: random.pick(BOUNDARIES), passes: random.below(PASSES_MAX) };
    } else {
      this.#isolate(machine);
    }
  }

  #bring(kind: FaultKind): void {
    const { counters, trace, queue } = this.#options;
    const victim = this.#act(kind);
    if (victim === null) return;
    counters.count(`fault.${kind}`);
    trace.add(queue.nowUs, "!!", () => `${kind} ${victim}`);
  }

  /** Does it; returns to whom, or null when it cannot be done now. */
  #act(kind: FaultKind): string | null {
    switch (kind) {
      case "partition":
        return this.#partition();
      case "oneWay":
        return this.#cutOneWay();
      case "bridge":
        return this.#bridge();
      case "isolateLeader":
        return this.#isolateLeader();
      case "clog":
        return this.#clog();
      case "transfer":
        return this.#transfer();
      case "burst":
        return this.#burst();
      case "coup":
        this.#coupUntilUs = this.#options.queue.nowUs + this.#drawDurationUs();
        return "whoever wins";
      default:
        return this.#actOnMachine(kind);
    }
  }

  #actOnMachine(
    kind: Exclude<FaultKind, FaultOfManyKind>,
  ): string | null {
    const { random, machines, queue } = this.#options;
    const running = machines.filter(({ life }) => life !== null);
    if (running.length === 0) return null;
    const leader = running.find(({ state }) => state?.role.name === "leader");
    const machine = leader !== undefined && random.chance(0.3) ? leader : random.pick(running);
    const durationUs = this.#drawDurationUs();
    switch (kind) {
      case "kill":
        machine.kill("killed");
        break;
      case "crashAtBoundary":
        machine.crashAt = { boundary: random.pick(BOUNDARIES), passes: random.below(PASSES_MAX) };
        break;
      case "powerLoss":
        machine.kill("power lost");
        this.#options.losePower(machine);
        break;
      case "pause":
        machine.pausedUntilUs = queue.nowUs + durationUs;
        this.#harass(machine);
        break;
      case "clockJump":
        machine.clock.jump(durationUs);
        break;
      case "slowDisk":
        machine.diskSlowness = random.pick([10, 100]);
        queue.after(durationUs, () => machine.diskSlowness = 1);
        break;
      case "hungDisk":
        machine.diskHungUntilUs = queue.nowUs + durationUs;
        break;
      case "ioError":
      case "fullDisk":
        machine.writeFault = kind;
        break;
      case "corruption":
      case "wipe":
      case "lostStore":
        return this.#loseForGood(machine, kind);
      default:
        kind satisfies never;
    }
    return machine.id;
  }

  /**
   * A node that lost its disk does not come back under its old share. One that lost the key-value data
   * alone does, but may never get it back; until then it cannot lead.
   */
  #loseForGood(machine: Machine, kind: "corruption" | "wipe" | "lostStore"): string | null {
    if (this.#lossesLeft === 0 || !machine.isHonest) return null;
    this.#lossesLeft--;
    machine.kill(kind);
    if (kind === "corruption") machine.disk.damage(this.#options.random);
    else if (kind === "wipe") machine.wipe();
    else machine.loseStore();
    return machine.id;
  }

  #partition(): string | null {
    const [left, right] = this.#drawHalves(this.#ids());
    return this.#cutAll([...pairs(left, right), ...pairs(right, left)], `${left} | ${right}`);
  }

  #cutOneWay(): string | null {
    const [left, right] = this.#drawHalves(this.#ids());
    return this.#cutAll(pairs(left, right), `${left} > ${right}`);
  }

  /** Two halves that only one node can speak to. */
  #bridge(): string | null {
    const [bridge, ...others] = this.#options.random.shuffled(this.#ids());
    const [left, right] = this.#drawHalves(others);
    const cuts = [...pairs(left, right), ...pairs(right, left)];
    return this.#cutAll(cuts, `${left} | ${bridge} | ${right}`);
  }

  #isolateLeader(): string | null {
    const { machines, random } = this.#options;
    const leaders = machines.filter(({ state }) => state?.role.name === "leader");
    if (leaders.length === 0) return null;
    return this.#isolate(random.pick(leaders));
  }

  /** Cuts a machine off, in one direction or both, while its clients go on. */
  #isolate(machine: Machine): string | null {
    const { random, burst } = this.#options;
    const { id } = machine;
    const others = this.#ids().filter((other) => other !== id);
    const [toIt, fromIt] = [pairs(others, [id]), pairs([id], others)];
    if (random.chance(0.5)) burst(machine);
    this.#harass(machine);
    return this.#cutAll(random.pick([[...toIt, ...fromIt], toIt, fromIt]), id);
  }

  /** Clients that know no better go on asking a machine that is in trouble. */
  #harass(machine: Machine): void {
    const { queue, burst } = this.#options;
    for (let times = 0; times < HARASSED_TIMES; times++) {
      queue.after(this.#drawDurationUs(), () => {
        if (this.#isOn) burst(machine);
      });
    }
  }

  #burst(): string | null {
    const running = this.#options.machines.filter(({ life }) => life !== null);
    if (running.length === 0) return null;
    const machine = this.#options.random.pick(running);
    this.#options.burst(machine);
    return machine.id;
  }

  /** No fault, but an operator's wish that often comes at the wrong moment. */
  #transfer(): string | null {
    const { machines, random } = this.#options;
    const leader = machines.find(({ state }) => state?.role.name === "leader");
    if (!leader?.life) return null;
    const target = random.chance(0.5) ? random.pick(this.#ids()) : null;
    // Whoever wished for it does not mind what comes of it.
    const deadlineMs = leader.clock.nowMs + this.#drawDurationUs() / 1000;
    leader.life.transfers.request(target, deadlineMs).then(() => {}, () => {});
    if (random.chance(0.5)) this.#isolateSoon(leader);
    return `${leader.id} > ${target ?? "anyone"}`;
  }

  /** Cuts a machine off just when others may have agreed on something without it. */
  #isolateSoon(machine: Machine): void {
    const { queue, random, scenario: { network } } = this.#options;
    const wayUs = network.latencyUsMin + network.latencyUsMean;
    queue.after(random.below(6 * wayUs), () => {
      if (this.#isOn) this.#isolate(machine);
    });
  }

  #clog(): string | null {
    const { network, queue, random } = this.#options;
    const [left, right] = this.#drawHalves(this.#ids());
    if (left.length === 0 || right.length === 0) return null;
    const untilUs = queue.nowUs + this.#drawDurationUs();
    for (const [from, to] of pairs(left, right)) {
      if (random.chance(0.5)) network.clog(from, to, untilUs);
    }
    return `${left} > ${right}`;
  }

  #cutAll(cuts: readonly (readonly [NodeId, NodeId])[], victims: string): string | null {
    if (cuts.length === 0) return null;
    const { network, queue, random, disconnect } = this.#options;
    for (const [from, to] of cuts) {
      network.cut(from, to);
      // A connection that is cut is noticed some time later, or not at all.
      if (!random.chance(0.3)) continue;
      queue.after(this.#drawDurationUs(), () => disconnect(from, to));
    }
    queue.after(this.#drawDurationUs(), () => {
      for (const [from, to] of cuts) network.mend(from, to);
    });
    return victims;
  }

  #drawHalves(ids: readonly NodeId[]): readonly [readonly NodeId[], readonly NodeId[]] {
    const shuffled = this.#options.random.shuffled(ids);
    if (shuffled.length < 2) return [shuffled, []];
    const size = this.#options.random.between(1, shuffled.length - 1);
    return [shuffled.slice(0, size), shuffled.slice(size)];
  }

  #drawDurationUs(): number {
    const { random, scenario } = this.#options;
    return random.exponential(scenario.faultUsMean);
  }

  #ids(): readonly NodeId[] {
    return this.#options.machines.map(({ id }) => id);
  }
}

function pairs(left: readonly NodeId[], right: readonly NodeId[]): (readonly [NodeId, NodeId])[] {
  return left.flatMap((from) => right.map((to) => [from, to] as const));
}
