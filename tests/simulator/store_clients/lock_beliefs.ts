/**
 * Who believes to hold the lock, and until when it may: no two at once.
 *
 * @module
 */

import { require } from "../violation.ts";

/** A holder's belief. */
export interface Belief {
  /** The lease under which it holds. */
  readonly lease: number;
  /** Its fence. */
  readonly fence: number;
  /** Until when its lease lives at least, as the holder can tell. */
  readonly untilUs: number;
}

/** See the module. */
export class LockBeliefs {
  #holder: Belief | null = null;
  #fence = 0;

  /** A client was told that it holds the lock, or that it still does. */
  holds(belief: Belief, nowUs: number): void {
    // By now it knows that it cannot be sure.
    if (belief.untilUs <= nowUs) return;
    const other = this.#holder;
    const isAlone = other === null || other.lease === belief.lease || other.untilUs <= nowUs;
    require(isAlone, "One at a time holds a lock", () => {
      return `lease ${belief.lease} holds it at ${nowUs}, lease ${other?.lease} until ${other?.untilUs}`;
    });
    require(belief.fence >= this.#fence, "Fences grow from holder to holder", () => {
      return `fence ${belief.fence} after ${this.#fence}`;
    });
    this.#fence = belief.fence;
    this.#holder = belief;
  }

  /** A holder is about to give it up. */
  released(lease: number): void {
    if (this.#holder?.lease === lease) this.#holder = null;
  }
}
