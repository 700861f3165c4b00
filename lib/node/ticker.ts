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

/** How many ticks `durationMs` takes, at least one. */
export function toTicks(durationMs: number): number {
  return Math.max(1, Math.round(durationMs / TICK_MS));
}

/** Turns the time that has passed into inputs for the core. */
export class Ticker {
  readonly #nowMs: () => number;
  #tickedMs: number;
  #timer: ReturnType<typeof setInterval> | null = null;

  /** `nowMs` is a monotonic clock in milliseconds; the process's own unless given. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
    this.#tickedMs = nowMs();
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
    const passed = Math.floor((this.#nowMs() - this.#tickedMs) / TICK_MS);
    this.#tickedMs += passed * TICK_MS;
    const inputs: Input[] = [];
    if (passed > TICKS_AT_ONCE_MAX) inputs.push({ kind: "clockJumped" });
    for (let count = 0; count < Math.min(passed, TICKS_AT_ONCE_MAX); count++) {
      inputs.push({ kind: "tick" });
    }
    return inputs;
  }
}
