/**
 * Faults of the network: who cannot speak to whom, for a while.
 *
 * @module
 */

import type { NodeId } from "../../lib/types.ts";
import { INSTALL_BOUNDARIES } from "./crash_plan.ts";
import type { NetworkFaultKind } from "./fault_kinds.ts";
import type { FaultWorld } from "./fault_world.ts";
import type { Machine } from "./machine.ts";

/** How many crowds write through a leader that is forsaken, so that its log grows longest. */
const FORSAKEN_BURSTS = 8;

/** How many crowds write, at most, until the log forgets what a node that is left behind needs. */
const LEFT_BEHIND_BURSTS_MAX = 8;

type Cut = readonly [from: NodeId, to: NodeId];

/** See the module. */
export class NetworkFaults {
  readonly #world: FaultWorld;

  /** Faults of this world's network. */
  constructor(world: FaultWorld) {
    this.#world = world;
  }

  /** Brings one about; returns whom it befalls, or null when it cannot be done now. */
  bring(kind: NetworkFaultKind): string | null {
    switch (kind) {
      case "partition":
        return this.#partition();
      case "oneWay":
        return this.#cutOneWay();
      case "bridge":
        return this.#bridge();
      case "isolateLeader":
        return this.#isolateLeader();
      case "forsakeLeader":
        return this.#forsakeLeader();
      case "leaveBehind":
        return this.#leaveBehind();
      case "clog":
        return this.#clog();
      default:
        return kind satisfies never;
    }
  }

  /** Cuts a machine off, in one direction or both, while its clients go on. */
  isolate(machine: Machine): string | null {
    const { random, burst } = this.#world.options;
    const [toIt, fromIt] = this.#waysOf(machine);
    if (random.chance(0.5)) burst(machine);
    this.#world.harass(machine);
    const cuts = random.pick([[...toIt, ...fromIt], toIt, fromIt]);
    return this.#cutAll(cuts, { victims: machine.id });
  }

  /** Cuts a machine off until healing. */
  leave(machine: Machine): void {
    this.#cut(this.#waysOf(machine).flat());
  }

  #partition(): string | null {
    const [left, right] = this.#drawHalves(this.#world.ids);
    const cuts = [...pairs(left, right), ...pairs(right, left)];
    return this.#cutAll(cuts, { victims: `${left} | ${right}` });
  }

  #cutOneWay(): string | null {
    const [left, right] = this.#drawHalves(this.#world.ids);
    return this.#cutAll(pairs(left, right), { victims: `${left} > ${right}` });
  }

  /** Two halves that only one node can speak to. */
  #bridge(): string | null {
    const [bridge, ...others] = this.#world.options.random.shuffled(this.#world.ids);
    const [left, right] = this.#drawHalves(others);
    const cuts = [...pairs(left, right), ...pairs(right, left)];
    return this.#cutAll(cuts, { victims: `${left} | ${bridge} | ${right}` });
  }

  #isolateLeader(): string | null {
    const leader = this.#drawLeader();
    return leader === null ? null : this.isolate(leader);
  }

  /** A leader goes on alone, with more to write than all others together while it is away. */
  #forsakeLeader(): string | null {
    const leader = this.#drawLeader();
    if (leader === null || this.#world.ids.length === 1) return null;
    for (let times = 0; times < FORSAKEN_BURSTS; times++) this.#world.options.burst(leader);
    this.#cutUntilForgotten(leader);
    return leader.id;
  }

  /**
   * A node is away until the others' logs have forgotten what it needs; then it may die of the
   * snapshot that it is sent.
   */
  #leaveBehind(): string | null {
    const { random, machines } = this.#world.options;
    const machine = random.pick(machines);
    if (machines.length === 1) return null;
    this.#cutUntilForgotten(machine);
    return machine.id;
  }

  #cutUntilForgotten(machine: Machine): void {
    const { random } = this.#world.options;
    if (random.chance(0.7)) machine.crashes.arm(random.pick(INSTALL_BOUNDARIES), random);
    const cuts = this.#waysOf(machine).flat();
    this.#cut(cuts);
    this.#waitFor(machine, { cuts, bursts: LEFT_BEHIND_BURSTS_MAX });
  }

  /** Lets others write until their logs have forgotten what the machine needs, and then mends. */
  #waitFor(
    machine: Machine,
    { cuts, bursts }: { readonly cuts: readonly Cut[]; readonly bursts: number },
  ): void {
    const { random, machines, burst, scenario } = this.#world.options;
    const neededFrom = machine.state?.commitIndex ?? machine.disk.lastIndex;
    const isForgotten = this.#world.leaders.some(({ id, state }) => {
      return id !== machine.id && (state?.log.base.index ?? 0) > neededFrom;
    });
    if (isForgotten || bursts === 0) return this.#mend(cuts);
    burst(random.pick(machines.filter(({ id }) => id !== machine.id)));
    const untilUs = scenario.electionTimeoutTicks * scenario.tickUs;
    this.#world.later(random.below(untilUs), () => {
      this.#waitFor(machine, { cuts, bursts: bursts - 1 });
    });
  }

  #clog(): string | null {
    const { network, queue, random } = this.#world.options;
    const [left, right] = this.#drawHalves(this.#world.ids);
    if (left.length === 0 || right.length === 0) return null;
    const untilUs = queue.nowUs + this.#world.drawDurationUs();
    for (const [from, to] of pairs(left, right)) {
      if (random.chance(0.5)) network.clog(from, to, untilUs);
    }
    return `${left} > ${right}`;
  }

  #drawLeader(): Machine | null {
    const { leaders, options: { random } } = this.#world;
    return leaders.length === 0 ? null : random.pick(leaders);
  }

  /** The ways to a machine, and from it. */
  #waysOf({ id }: Machine): readonly [readonly Cut[], readonly Cut[]] {
    const others = this.#world.ids.filter((other) => other !== id);
    return [pairs(others, [id]), pairs([id], others)];
  }

  /** Cuts these ways for a while; returns the victims, or null when there are none. */
  #cutAll(cuts: readonly Cut[], { victims }: { readonly victims: string }): string | null {
    if (cuts.length === 0) return null;
    this.#cut(cuts);
    this.#world.options.queue.after(this.#world.drawDurationUs(), () => this.#mend(cuts));
    return victims;
  }

  #cut(cuts: readonly Cut[]): void {
    const { network, queue, random, disconnect } = this.#world.options;
    for (const [from, to] of cuts) {
      network.cut(from, to);
      // A connection that is cut is noticed some time later, or not at all.
      if (!random.chance(0.3)) continue;
      queue.after(this.#world.drawDurationUs(), () => disconnect(from, to));
    }
  }

  #mend(cuts: readonly Cut[]): void {
    for (const [from, to] of cuts) this.#world.options.network.mend(from, to);
  }

  #drawHalves(ids: readonly NodeId[]): readonly [readonly NodeId[], readonly NodeId[]] {
    const { random } = this.#world.options;
    const shuffled = random.shuffled(ids);
    if (shuffled.length < 2) return [shuffled, []];
    const size = random.between(1, shuffled.length - 1);
    return [shuffled.slice(0, size), shuffled.slice(size)];
  }
}

function pairs(left: readonly NodeId[], right: readonly NodeId[]): readonly Cut[] {
  return left.flatMap((from) => right.map((to) => [from, to] as const));
}
