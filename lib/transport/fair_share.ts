/**
 * Limits one peer's work per turn of the event loop, so that a flood cannot starve the others.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/**
 * Most work of one connection in one turn of the event loop. One unit is a small message, which takes ten
 * to twenty microseconds, so this is about a millisecond.
 */
export const WORK_PER_TURN_MAX = 64;

/**
 * After this many turns a connection waits for a timer of 0 ms, which takes a millisecond. While there is
 * always work, Deno polls the network rarely: in a flood without these waits it polled every 4 ms on an
 * idle machine, and every 0.03 ms with one wait in eight turns.
 */
export const TURNS_PER_REST = 8;

/** Counts the work that one connection makes. */
export class FairShare {
  #owed = 0;
  #turns = 0;

  /**
   * Adds work. Returns null when the connection may go on at once. Otherwise it returns a promise to wait
   * for: it takes one turn for each {@linkcode WORK_PER_TURN_MAX} of the work.
   */
  take(work: number): Promise<void> | null {
    this.#owed += work;
    return this.#owed < WORK_PER_TURN_MAX ? null : this.#letOthersGo();
  }

  async #letOthersGo(): Promise<void> {
    while (this.#owed >= WORK_PER_TURN_MAX) {
      this.#turns += 1;
      const isRest = this.#turns % TURNS_PER_REST === 0;
      await new Promise<void>((resolve) => isRest ? setTimeout(resolve) : setImmediate(resolve));
      this.#owed -= WORK_PER_TURN_MAX;
    }
  }
}
