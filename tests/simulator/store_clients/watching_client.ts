/**
 * A client that watches, and goes on at another node whenever its own is gone, or it feels like it. As a
 * client of `lib/http` does, it comes back behind the last revision that it got whole, or behind what it
 * was told to be done.
 *
 * @module
 */

import { encodeUtf8 } from "../../../lib/bytes.ts";
import {
  type ChangeKind,
  keysWithPrefix,
  type Taken,
  type Watcher,
  type WatchEvent,
} from "../../../lib/kv/mod.ts";
import type { Life } from "../life.ts";
import type { Machine } from "../machine.ts";
import type { StoreWorld } from "./asker.ts";
import type { Gap, Watched } from "./watched.ts";

/** How much is taken at once: so little that a client falls behind, and a revision comes in parts. */
const TAKE = { changesMax: 4, eventsMax: 2, bytesMax: 10_000 };
/** How long a client takes its time before it takes more, on average, if it is slow. */
const SLOW_US = 200_000;
/** How long until a client tries again to find a node. */
const RETRY_US = 50_000;
/** How often a client leaves its node for another. */
const LEAVE_SHARE = 0.05;
/** How often it looks by itself. */
const LOOK_US = 500_000;

interface Watch {
  readonly machine: Machine;
  readonly life: Life;
  readonly watcher: Watcher;
  /** Events of a revision of which more is to come. */
  part: WatchEvent[];
  isTaking: boolean;
}

/** See the module. */
export class WatchingClient implements Watched {
  readonly name: string;
  readonly prefix: Uint8Array;
  readonly without: readonly ChangeKind[];
  readonly events: WatchEvent[] = [];
  readonly gaps: Gap[] = [];
  nextRevision = 1;
  readonly #world: StoreWorld;
  readonly #isSlow: boolean;
  #watch: Watch | null = null;
  #isHurried = false;

  /** A client that watches nothing yet. */
  constructor(name: string, world: StoreWorld) {
    const { random } = world;
    this.name = name;
    this.#world = world;
    this.prefix = encodeUtf8(random.pick(["", "store/", "lock/", "store/1"]));
    this.without = random.pick<readonly ChangeKind[]>([[], [], ["delete"], ["put"]]);
    this.#isSlow = random.chance(0.5);
  }

  /** Begins to watch, and never ends. */
  start(): void {
    this.#open();
    this.#keepLooking();
  }

  /** Faults are over: it is slow no more, and stays where it is. */
  hurry(): void {
    this.#isHurried = true;
  }

  /** A process ended. */
  disconnected(machine: Machine): void {
    if (this.#watch?.machine === machine && this.#watch.life !== machine.life) this.#reopen();
  }

  /** A quiet watch is looked at as well: it may have ended without a word, and it hears of progress. */
  #keepLooking(): void {
    const { queue, random, machines } = this.#world;
    queue.after(random.exponential(LOOK_US), () => {
      const watch = this.#watch;
      const isLeft = watch !== null && !machines.includes(watch.machine);
      if (isLeft || (watch !== null && !this.#isHurried && random.chance(LEAVE_SHARE))) {
        this.#reopen();
      } else if (watch !== null) this.#take(watch);
      this.#keepLooking();
    });
  }

  #reopen(): void {
    const { queue, counters } = this.#world;
    this.#watch?.watcher.end();
    this.#watch = null;
    counters.count("watch.resumed");
    queue.after(RETRY_US, () => this.#open());
  }

  #open(): void {
    const { queue, random, machines, counters } = this.#world;
    if (this.#watch !== null) return;
    const machine = random.pick(machines);
    const { life } = machine;
    if (life === null) return queue.after(RETRY_US, () => this.#open());
    const { live } = life;
    const query = {
      keys: keysWithPrefix(this.prefix),
      fromRevision: this.nextRevision,
      without: this.without,
      isPreviousWanted: true,
    };
    const opened: { watch: Watch | null } = { watch: null };
    const watcher = live.watch(query, () => {
      if (opened.watch !== null) this.#takeSoon(opened.watch);
    });
    if ("kind" in watcher) {
      if (watcher.kind === "compacted") this.#skipTo(watcher.oldestRevision, live.appliedIndex);
      counters.count(`watch.${watcher.kind}`);
      return queue.after(RETRY_US, () => this.#open());
    }
    this.#watch = { machine, life, watcher, part: [], isTaking: false };
    opened.watch = this.#watch;
    this.#takeSoon(this.#watch);
  }

  #skipTo(to: number, appliedIndex: number): void {
    this.gaps.push({ from: this.nextRevision, to, appliedIndex });
    this.nextRevision = to;
  }

  #takeSoon(watch: Watch): void {
    const { queue, random, workload: { distanceUs } } = this.#world;
    if (watch.isTaking) return;
    watch.isTaking = true;
    const isSlow = this.#isSlow && !this.#isHurried;
    queue.after(distanceUs + (isSlow ? random.exponential(SLOW_US) : 0), () => {
      watch.isTaking = false;
      this.#take(watch);
    });
  }

  #take(watch: Watch): void {
    if (this.#watch !== watch || watch.machine.life !== watch.life) return;
    const taken = watch.watcher.take(TAKE);
    if (taken.kind !== "events") return this.#over(watch, taken);
    for (const event of taken.events) this.#keep(watch, event);
    if (taken.hasMore) return this.#takeSoon(watch);
    const { random, counters } = this.#world;
    const progress = watch.watcher.progress();
    if (watch.part.length > 0 || progress === null || !random.chance(0.5)) return;
    counters.count("watch.progress");
    this.nextRevision = Math.max(this.nextRevision, progress + 1);
  }

  #over(watch: Watch, taken: Exclude<Taken, { kind: "events" }>): void {
    this.#world.counters.count(`watch.${taken.kind}`);
    if (taken.kind === "compacted") {
      this.#skipTo(taken.oldestRevision, watch.life.live.appliedIndex);
    }
    this.#reopen();
  }

  /** What came of a revision counts once all of it is here. */
  #keep(watch: Watch, event: WatchEvent): void {
    watch.part.push(event);
    if (!event.isLastOfRevision) return;
    this.events.push(...watch.part);
    this.#world.counters.count("watch.events", watch.part.length);
    watch.part = [];
    this.nextRevision = event.revision + 1;
  }
}
