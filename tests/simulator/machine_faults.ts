/**
 * Faults of one machine: of its process, its clock and its disk.
 *
 * @module
 */

import { COMMON_BOUNDARIES, RARE_BOUNDARIES } from "./crash_plan.ts";
import type { MachineFaultKind } from "./fault_kinds.ts";
import type { FaultWorld } from "./fault_world.ts";
import type { Machine } from "./machine.ts";

/** How many rare boundaries a machine is to be killed at, each once. */
const RARE_AT_ONCE = 5;

/** How many short lives follow each other. */
const QUICK_RESTARTS = 4;

/** See the module. */
export class MachineFaults {
  readonly #world: FaultWorld;
  /** How many more nodes may be lost for good and leave enough to elect and to commit. */
  #lossesLeft: number;

  /** Faults of this world's machines. */
  constructor(world: FaultWorld) {
    const { size, threshold, liars } = world.options.scenario;
    const needed = Math.max(threshold, Math.floor(size / 2) + 1);
    this.#world = world;
    this.#lossesLeft = Math.max(0, size - needed - liars);
  }

  /** Brings one about; returns whom it befalls, or null when it cannot be done now. */
  bring(kind: MachineFaultKind): string | null {
    const { options: { random }, running, leaders } = this.#world;
    if (running.length === 0) return null;
    const [leader] = leaders;
    const machine = leader !== undefined && random.chance(0.3) ? leader : random.pick(running);
    return this.#befall(machine, kind) ? machine.id : null;
  }

  /** A process is killed at the next boundary of some kind that it comes to. */
  crashSoon(machine: Machine): void {
    const { random } = this.#world.options;
    machine.crashes.arm(random.pick(COMMON_BOUNDARIES), random);
  }

  #befall(machine: Machine, kind: MachineFaultKind): boolean {
    const { queue, random } = this.#world.options;
    const { storage } = machine;
    const durationUs = this.#world.drawDurationUs();
    switch (kind) {
      case "kill":
        machine.kill("killed");
        return true;
      case "crashAtBoundary":
        this.#crashAtBoundary(machine);
        return true;
      case "quickRestarts":
        this.#restartQuickly(machine, QUICK_RESTARTS);
        return true;
      case "powerLoss":
        machine.kill("power lost");
        return true;
      case "pause":
        machine.pausedUntilUs = queue.nowUs + durationUs;
        this.#world.harass(machine);
        return true;
      case "clockJump":
        machine.clock.jump(durationUs);
        return true;
      case "slowDisk":
        storage.slowness = random.pick([10, 100]);
        queue.after(durationUs, () => storage.slowness = 1);
        return true;
      case "hungDisk":
        storage.hungUntilUs = queue.nowUs + durationUs;
        return true;
      case "ioError":
      case "fullDisk":
        storage.writeFault = kind;
        return true;
      case "corruption":
        return this.#corrupt(machine);
      case "staleStore":
        return this.#replaceStore(machine);
      case "lostStore":
        return this.#loseStore(machine);
      case "wipe":
        return this.#wipe(machine);
      default:
        return kind satisfies never;
    }
  }

  /** What is rare befalls whoever comes there first. */
  #crashAtBoundary(machine: Machine): void {
    const { random, machines } = this.#world.options;
    if (random.chance(0.5)) return this.crashSoon(machine);
    for (const anyone of machines) {
      const boundaries = random.shuffled(RARE_BOUNDARIES).slice(0, RARE_AT_ONCE);
      for (const boundary of boundaries) anyone.crashes.arm(boundary, random);
    }
  }

  /**
   * A process is killed and started again before answers to it have arrived, several times: each life
   * counts its requests from one, so the next has questions of the same names.
   */
  #restartQuickly(machine: Machine, times: number): void {
    const { random, burst, scenario: { network, heartbeatTicks, tickUs } } = this.#world.options;
    if (times === 0 || machine.isGone) return;
    machine.kill("restarted at once");
    machine.start();
    burst(machine);
    const wayUs = network.latencyUsMin + network.latencyUsMean;
    const lifeUs = random.below(4 * wayUs + heartbeatTicks * tickUs);
    this.#world.later(lifeUs, () => this.#restartQuickly(machine, times - 1));
  }

  /** Bits change on a disk, and perhaps nobody looks there for a long time. */
  #corrupt(machine: Machine): boolean {
    const { random, scenario: { logEntriesMax } } = this.#world.options;
    // A log that is never cut can make up for all of a `kv.db`.
    if (logEntriesMax === null && random.chance(0.5)) return this.#corruptStore(machine);
    if (!this.#mayLose(machine)) return false;
    return random.chance(0.2) ? this.#corruptStore(machine) : this.#corruptLog(machine);
  }

  #corruptStore(machine: Machine): boolean {
    if (!machine.isHonest || machine.isDamaged) return false;
    const { random, counters } = this.#world.options;
    // The process reads its tables only when it makes a snapshot of them; the next one reads them all.
    if (random.chance(0.5)) machine.kill("kv.db damaged");
    const damage = machine.storage.keyValues.damage(random);
    if (damage === null) return false;
    counters.count(`damage.kv.${damage}`);
    machine.start();
    this.#world.harass(machine);
    return true;
  }

  #corruptLog(machine: Machine): boolean {
    const { random, counters } = this.#world.options;
    machine.kill("log damaged");
    counters.count(`damage.raft.${machine.storage.raft.damage(random)}`);
    return true;
  }

  /** `kv.db` turns out to be an older one: a write that never reached the disk, or a copy. */
  #replaceStore(machine: Machine): boolean {
    if (!machine.isHonest) return false;
    const { counters, committed, random } = this.#world.options;
    const mayBeLost = random.chance(0.2) && this.#mayLose(machine);
    machine.kill("store replaced by an older one");
    const outcome = machine.storage.goBack(committed(), { mayBeLost });
    if (outcome !== null) counters.count(`disk.staleStore.${outcome}`);
    return outcome !== null;
  }

  /** Such a node does come back, but may never get its data; until then it cannot lead. */
  #loseStore(machine: Machine): boolean {
    if (!this.#mayLose(machine)) return false;
    machine.kill("store lost");
    machine.storage.loseStore();
    return true;
  }

  /** A node that lost its disk does not come back under its old share. */
  #wipe(machine: Machine): boolean {
    // Other faults need a node to lose as well.
    if (this.#world.options.random.chance(0.5)) return false;
    if (!this.#mayLose(machine)) return false;
    machine.kill("disk wiped");
    machine.wipe();
    return true;
  }

  /** Whether one more node may be lost for good, and this one; it counts as lost then. */
  #mayLose(machine: Machine): boolean {
    if (this.#lossesLeft === 0 || !machine.isHonest || machine.isDamaged) return false;
    this.#lossesLeft--;
    return true;
  }
}
