/**
 * The leader's timers of leases. Pure: ticks come in, ids of expired leases come out, for an `expireLeases`
 * command. Keepalives need only this class, and no entry in the log.
 *
 * A new leader gives every lease its full time to live again. So no lease ends early because a leader died,
 * paused, or has another clock; it can only end late. The caller must keep two rules:
 *
 * * It answers a keepalive only after a majority has confirmed that it led when the keepalive arrived, and
 *   after all entries of earlier terms are applied, as for a linearizable read. So a later leader began its
 *   count after the keepalive.
 * * It reports to the lessor what applied entries did to leases ({@linkcode Lessor.changed}).
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import type { LeaseTerms } from "./lease_table.ts";

/** After this time, the leader proposes the end of a lease again. */
const RETRY_SECONDS = 5;

interface Timer {
  readonly id: number;
  readonly ttlTicks: number;
  /** The tick at which it expires. Its alarm in the heap can have an earlier tick. */
  deadlineTick: number;
  /** Whether it can no longer be kept alive: its end was proposed, or it is ending. */
  isOver: boolean;
}

interface Alarm {
  readonly tick: number;
  readonly timer: Timer;
}

/** The timers of all leases. A node has one lessor while it leads. */
export class Lessor {
  readonly #ticksPerSecond: number;
  readonly #timers = new Map<number, Timer>();
  /** A heap by tick: one alarm for each timer, and some alarms of timers that were removed. */
  readonly #alarms: Alarm[] = [];
  #nowTick = 0;

  /** The node has become leader: every lease begins its full time to live now. */
  constructor(
    { leases, ticksPerSecond }: {
      readonly leases: Iterable<LeaseTerms>;
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
   * Entries changed a lease, or removed it (null). A granted lease begins its full time to live. An ending
   * lease has keys left, and is due at once.
   */
  changed(id: number, lease: LeaseTerms | null): void {
    if (lease === null) this.#timers.delete(id);
    else this.#start(lease);
  }

  /** Gives a lease its full time to live again. @returns false when it cannot be kept alive. */
  keepAlive(id: number): boolean {
    const timer = this.#timers.get(id);
    if (timer === undefined || timer.isOver) return false;
    // Its alarm keeps its tick. When it is due, it is set to the new deadline.
    timer.deadlineTick = this.#nowTick + timer.ttlTicks;
    return true;
  }

  /** Whole seconds until a lease expires; 0 when it is ending, null when there is no such lease. */
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
   * The leases that have expired or are ending, at most `max`, by rising id. A lease is returned again only
   * after {@linkcode RETRY_SECONDS}, because the proposal to end it may be lost.
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
      // A timer can have several alarms. Only the one at its deadline continues.
      else if (tick < timer.deadlineTick && !timer.isOver) {
        this.#push({ tick: timer.deadlineTick, timer });
      }
    }
    return [...ids].sort((left, right) => left - right);
  }

  #start({ id, ttlSeconds, ending }: LeaseTerms): void {
    // One tick more, because the present tick may be nearly over and no lease may end early.
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
      const above = assertDefined(alarms[parent], "the heap has no parent");
      if (above.tick <= alarm.tick) break;
      alarms[at] = above;
      at = parent;
    }
    alarms[at] = alarm;
  }

  #pop(): void {
    const alarms = this.#alarms;
    const last = assertDefined(alarms.pop(), "the heap is empty");
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
