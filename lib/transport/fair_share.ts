/**
 * A share of the event loop's turns. What a peer sends is handled for as long as there is more of it,
 * and who floods always has more: so after so much of it everybody else has their turn.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/**
 * How much work one connection may make in one turn of the event loop, in units of handling a small
 * message: ten to twenty microseconds, so a millisecond in all.
 */
export const WORK_PER_TURN_MAX = 64;

/** Counts the work that one connection makes. */
export class FairShare {
  #owed = 0;

  /**
   * Adds work that was done. Null when there may be more at once; else what to wait for first: as
   * many turns as the work would have been spread over, if it could have been.
   */
  take(work: number): Promise<void> | null {
    this.#owed += work;
    return this.#owed < WORK_PER_TURN_MAX ? null : this.#letOthersGo();
  }

  async #letOthersGo(): Promise<void> {
    while (this.#owed >= WORK_PER_TURN_MAX) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.#owed -= WORK_PER_TURN_MAX;
    }
  }
}
