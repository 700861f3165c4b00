/**
 * A machine's own time: monotonic, a little too fast or too slow, and sometimes suddenly later.
 *
 * @module
 */

import type { EventQueue } from "./event_queue.ts";

/** See the module. */
export class MachineClock {
  readonly #queue: EventQueue;
  readonly #rate: number;
  readonly #jumps: number[] = [];
  #jumpedUs = 0;

  /** `rate` is how much of its own time passes in one of everybody's. */
  constructor(options: { readonly queue: EventQueue; readonly rate: number }) {
    this.#queue = options.queue;
    this.#rate = options.rate;
  }

  /** The machine's time in microseconds. */
  get nowUs(): number {
    return this.#queue.nowUs * this.#rate + this.#jumpedUs;
  }

  /** The machine's time in milliseconds. */
  get nowMs(): number {
    return this.nowUs / 1000;
  }

  /** Makes it later at once. */
  jump(byUs: number): void {
    this.#jumpedUs += byUs;
    this.#jumps.push(this.#queue.nowUs);
  }

  /** How often it jumped since a moment of everybody's time. */
  jumpsSince(sinceUs: number): number {
    return this.#jumps.filter((atUs) => atUs >= sinceUs).length;
  }

  /** How long everybody waits while this much of its own time passes. */
  toWorldUs(durationUs: number): number {
    return Math.ceil(durationUs / this.#rate);
  }
}
