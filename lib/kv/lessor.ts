/**
 * The leader's view of leases: when each runs out. Pure: ticks come in, ids of leases that ran out
 * come out, for an `expireLeases` command. Keepalives come here alone and cost no entry.
 *
 * A new leader gives every lease its full time to live again, so no lease ends early because a
 * leader died, paused, or has another clock: it can only end late. Two rules are the caller's:
 *
 * * It answers a keepalive only once a majority has confirmed that it led when the keepalive came,
 *   and all entries of earlier terms are applied, as for a linearizable read. So no later leader counted
 *   from before.
 * * It tells the lessor what applied entries did to leases ({@linkcode Lessor.changed}).
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import type { LeaseRow } from "./lease_table.ts";

/** How long a proposal to end a lease is waited for before it is made again. */
const RETRY_SECONDS = 5;

interface Timer {
  readonly id: number;
  readonly ttlTicks: number;
  /** The tick at which it runs out; its place in the heap may say an earlier one. */
  deadlineTick: number;
  /** Whether nobody can keep it alive any more: its end was proposed, or it is ending. */
  isOver: boolean;
}

interface Alarm {
  readonly tick: number;
  readonly timer: Timer;
}

/** See the module. A node has one while it leads. */
export class Lessor {
  readonly #ticksPerSecond: number;
  readonly #timers = new Map<number, Timer>();
  /** A heap by tick: one alarm for each timer, and some of timers that are gone. */
  readonly #alarms: Alarm[] = [];
  #nowTick = 0;

  /** The node has become leader: every lease has its full time to live from now on. */
  constructor(
    { leases, ticksPerSecond }: {
      readonly leases: Iterable<LeaseRow>;
      readonly ticksPerSecond: number;
    },
  ) {
    this.#ticksPerSecond = ticksPerSecond;
    for (const lease of leases) this.#start(lease);
  }

  /** How many leases are counted down. */
  get count(): number {
    return this.#timers.size;
  }

  /**
   * Entries did something to a lease: it stands like this now, or is gone. One that was granted has its
   * full time to live, one that is ending has keys left and is due at once.
   */
  changed(id: number, lease: LeaseRow | null): void {
    if (lease === null) this.#timers.delete(id);
    else this.#start(lease);
  }

  /** Gives a lease its full time to live again. @returns whether it can be kept alive. */
  keepAlive(id: number): boolean {
    const timer = this.#timers.get(id);
    if (timer === undefined || timer.isOver) return false;
    // Its alarm rings as before, and is then set anew.
    timer.deadlineTick = this.#nowTick + timer.ttlTicks;
    return true;
  }

  /** Whole seconds until a lease runs out; 0 when it is ending, null when there is none. */
  secondsLeft(id: number): number | null {
    const timer = this.#timers.get(id);
    if (timer === undefined) return null;
    if (timer.isOver) return 0;
    return Math.max(0, Math.floor((timer.deadlineTick - this.#nowTick) / this.#ticksPerSecond));
  }

  /** Counts a tick. */
  tick(): void {
    this.#nowTick++;
  }

  /**
   * The leases that have run out or are ending, at most `max`, by rising id. A lease comes again
   * only when the proposal to end it seems lost.
   */
  due(max: number): readonly number[] {
    const ids = new Set<number>();
    while (ids.size < max) {
      const [first] = this.#alarms;
      if (first === undefined || first.tick > this.#nowTick) break;
      this.#pop();
      const { timer, tick } = first;
      if (this.#timers.get(timer.id) !== timer) continue;
      if (timer.deadlineTick <= this.#nowTick) this.#end(timer, ids);
      // Of several alarms of one timer only the one of its deadline goes on.
      else if (tick < timer.deadlineTick && !timer.isOver) {
        this.#push({ tick: timer.deadlineTick, timer });
      }
    }
    return [...ids].sort((left, right) => left - right);
  }

  #start({ id, ttlSeconds, ending }: LeaseRow): void {
    // The tick under way may be nearly over: one more, so that none ends early.
    const ttlTicks = Math.ceil(ttlSeconds * this.#ticksPerSecond) + 1;
    const isOver = ending !== null;
    const deadlineTick = this.#nowTick + (isOver ? 0 : ttlTicks);
    const timer = { id, ttlTicks, deadlineTick, isOver };
    this.#timers.set(id, timer);
    this.#push({ tick: deadlineTick, timer });
  }

  #end(timer: Timer, ids: Set<number>): void {
    ids.add(timer.id);
    timer.isOver = true;
    timer.deadlineTick = this.#nowTick + RETRY_SECONDS * this.#ticksPerSecond;
    this.#push({ tick: timer.deadlineTick, timer });
  }

  #push(alarm: Alarm): void {
    const alarms = this.#alarms;
    let at = alarms.push(alarm) - 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const above = assertDefined(alarms[parent], "A parent in the heap");
      if (above.tick <= alarm.tick) break;
      alarms[at] = above;
      at = parent;
    }
    alarms[at] = alarm;
  }

  #pop(): void {
    const alarms = this.#alarms;
    const last = assertDefined(alarms.pop(), "An alarm to take");
    if (alarms.length === 0) return;
    let at = 0;
    for (;;) {
      const child = this.#earlierChild(at);
      const below = alarms[child];
      if (below === undefined || below.tick >= last.tick) break;
      alarms[at] = below;
      at = child;
    }
    alarms[at] = last;
  }

  #earlierChild(at: number): number {
    const left = this.#alarms[2 * at + 1];
    const right = this.#alarms[2 * at + 2];
    return right !== undefined && left !== undefined && right.tick < left.tick
      ? 2 * at + 2
      : 2 * at + 1;
  }
}
