/**
 * How often messages that prove nothing may raise a node's term.
 *
 * @module
 */

import { TERM_ADVANCES_PER_TIMEOUT_MAX } from "./config.ts";

/**
 * Counts the rises of a term within an election timeout, so that nobody can use terms up. How far each
 * may go is `TERM_ADVANCE_MAX`.
 */
export class TermRises {
  readonly #electionTimeoutTicks: number;
  #count = 0;
  #countedSinceTick = 0;

  /** No rise has been counted yet. */
  constructor(electionTimeoutTicks: number) {
    this.#electionTimeoutTicks = electionTimeoutTicks;
  }

  /** Counts one more, and returns whether it is allowed. */
  take(nowTick: number): boolean {
    if (nowTick - this.#countedSinceTick >= this.#electionTimeoutTicks) {
      this.#countedSinceTick = nowTick;
      this.#count = 0;
    }
    return this.#count++ < TERM_ADVANCES_PER_TIMEOUT_MAX;
  }
}
