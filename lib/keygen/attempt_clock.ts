/**
 * Which attempt comes next, and how soon. The highest number that any voter has named wins; a node
 * that enters attempts again and again waits longer each time, so that a voter that spoils every
 * attempt, or names ever higher ones, costs its peers little.
 *
 * @module
 */

import type { NodeId } from "../types.ts";

/**
 * The highest attempt. It bounds what a voter that gives up whenever it dislikes the key can choose
 * from: twenty bits' worth of keys, and every one of these attempts names it.
 */
export const ATTEMPT_MAX = 1_000_000;
/**
 * How far above the attempt at hand a peer's may be to be taken at its word; further up, the node
 * follows in strides. So no single message uses up all attempts there are.
 */
export const ATTEMPT_STRIDE_MAX = 1_000;
/** Longest wait between two attempts, in ticks. */
export const ATTEMPT_GAP_TICKS_MAX = 50;

/** Counts ticks and attempts for one process. */
export class AttemptClock {
  #nowTick = 0;
  #entered = 0;
  #notBeforeTick = 0;
  #wanted: { readonly attempt: number; readonly raisedBy: NodeId };

  /** At first wants the attempt after the highest one entered before. */
  constructor(highest: number, self: NodeId) {
    this.#wanted = { attempt: highest + 1, raisedBy: self };
  }

  /** Ticks since the start. */
  get nowTick(): number {
    return this.#nowTick;
  }

  /** The attempt that is wanted next. */
  get wanted(): number {
    return this.#wanted.attempt;
  }

  /** One tick has passed. */
  tick(): void {
    this.#nowTick++;
  }

  /** Somebody wants an attempt above `current`; the highest wins. */
  want(attempt: number, { current, raisedBy }: { current: number; raisedBy: NodeId }): void {
    const within = Math.min(attempt, current + ATTEMPT_STRIDE_MAX);
    if (within > this.#wanted.attempt) this.#wanted = { attempt: within, raisedBy };
  }

  /** The attempt to enter now, if there is one above `current` and its time has come; else null. */
  due(current: number): { readonly attempt: number; readonly raisedBy: NodeId } | null {
    const { attempt } = this.#wanted;
    if (attempt <= current || attempt > ATTEMPT_MAX) return null;
    return this.#nowTick < this.#notBeforeTick ? null : this.#wanted;
  }

  /** An attempt was entered; the next one must wait. */
  entered(): void {
    this.#entered++;
    this.#notBeforeTick = this.#nowTick + Math.min(this.#entered, ATTEMPT_GAP_TICKS_MAX);
  }
}
