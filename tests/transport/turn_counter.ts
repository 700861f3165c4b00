/**
 * Sees how often everybody else had their turn.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/**
 * The least turns in the work of 15. One of the 15 waits is a rest, by a timer: one that is due at once
 * runs in the turn under way.
 */
export const TURNS_MIN = 14;

/** Counts the event loop's turns from its construction until it is disposed of. */
export class TurnCounter implements Disposable {
  /** How many there were. */
  count = 0;
  #isOver = false;

  /** Counts from the next turn on. */
  constructor() {
    this.#next();
  }

  /** Counts no more. */
  [Symbol.dispose](): void {
    this.#isOver = true;
  }

  #next(): void {
    setImmediate(() => {
      this.count += 1;
      if (!this.#isOver) this.#next();
    });
  }
}
