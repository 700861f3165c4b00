/**
 * Limits one peer's work per turn of the event loop, so that a flood cannot starve the others.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/**
 * How much work one connection may make in one turn of the event loop, in units of handling a small
 * message: ten to twenty microseconds, so a millisecond in all.
 */
export const WORK_PER_TURN_MAX = 64;

/**
 * After so many turns one with a rest, a timer of no time, which takes a millisecond. Deno looks at the
 * network only now and then while there is always something to do: where the turns of a flood came
 * without a rest, 4 ms passed between two looks on an idle machine, and 0.03 ms with one in eight.
 */
export const TURNS_PER_REST = 8;

/** Counts the work that one connection makes. */
export class FairShare {
  #owed = 0;
  #turns = 0;

  /**
   * Adds work that was done, or is about to be. Null when there may be more at once; else what to wait
   * for first: as many turns as the work would have been spread over, if it could have been.
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
