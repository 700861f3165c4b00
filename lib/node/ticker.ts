/**
 * The node's clock, cut into ticks. It is monotonic: setting the system's time moves no timer.
 *
 * @module
 */

import type { Input } from "../raft/mod.ts";

/** One tick of the core's clock, in milliseconds. */
export const TICK_MS = 10;
/**
 * Most ticks passed on at once. A process that was stopped or starved hears its peers before it
 * concludes that they were silent; that its ticks no longer tell the time, the core is told.
 */
export const TICKS_AT_ONCE_MAX = 5;

/** Where the time comes from, in milliseconds. */
export interface Clock {
  /** Never set, never goes back. */
  nowMs(): number;
  /** The time of day, which goes on while the machine is suspended. */
  wallMs(): number;
}

/** How many ticks `durationMs` takes, at least one. */
export function toTicks(durationMs: number): number {
  return Math.max(1, Math.round(durationMs / TICK_MS));
}

/**
 * Turns the time that has passed into inputs for the core. Its clock stands still while the machine
 * is suspended; the wall clock does not, so a gap between the two is told to the core as well.
 */
export class Ticker {
  readonly #clock: Clock;
  #tickedMs: number;
  /** How far the wall clock is ahead of the monotonic one. */
  #aheadMs: number;
  #timer: ReturnType<typeof setInterval> | null = null;

  /** Reads the process's own clocks unless others are given. */
  constructor(clock: Clock = { nowMs: () => performance.now(), wallMs: () => Date.now() }) {
    this.#clock = clock;
    this.#tickedMs = clock.nowMs();
    this.#aheadMs = clock.wallMs() - this.#tickedMs;
  }

  /** Calls `wake` about once a tick, until {@linkcode stop}. */
  start(wake: () => void): void {
    this.#timer = setInterval(wake, TICK_MS);
  }

  /** Ends the calls. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** The inputs for the time since the last call. A turn takes them before anything else. */
  take(): readonly Input[] {
    const nowMs = this.#clock.nowMs();
    const passed = Math.floor((nowMs - this.#tickedMs) / TICK_MS);
    this.#tickedMs += passed * TICK_MS;
    const inputs: Input[] = [];
    if (passed > TICKS_AT_ONCE_MAX || this.#wallClockJumped(nowMs)) {
      inputs.push({ kind: "clockJumped" });
    }
    for (let count = 0; count < Math.min(passed, TICKS_AT_ONCE_MAX); count++) {
      inputs.push({ kind: "tick" });
    }
    return inputs;
  }

  #wallClockJumped(nowMs: number): boolean {
    const aheadMs = this.#clock.wallMs() - nowMs;
    const hasJumped = Math.abs(aheadMs - this.#aheadMs) > TICKS_AT_ONCE_MAX * TICK_MS;
    if (hasJumped) this.#aheadMs = aheadMs;
    return hasJumped;
  }
}
