/**
 * The snapshot of this node's own state machine that it has, or has asked for. One at a time, made
 * when a follower first needs it.
 *
 * @module
 */

import type { Snapshot } from "./entry.ts";
import type { LogIndex } from "../types.ts";

/** At most one snapshot, and at most one in the making. */
export class OwnSnapshot {
  #latest: Snapshot | null = null;
  #makingFromIndex: LogIndex | null = null;
  #retryTick = 0;

  /** The newest snapshot that a log which begins after `baseIndex` can go on from, or null. */
  usableFrom(baseIndex: LogIndex): Snapshot | null {
    return this.#latest !== null && this.#latest.index >= baseIndex ? this.#latest : null;
  }

  /** Asks for one; true when it has to be made, false when that is under way or failed just now. */
  request(commitIndex: LogIndex, nowTick: number): boolean {
    if (this.#makingFromIndex !== null || nowTick < this.#retryTick) return false;
    this.#makingFromIndex = commitIndex;
    return true;
  }

  /** It was made. */
  made(snapshot: Snapshot): void {
    this.#makingFromIndex = null;
    this.#latest = snapshot;
  }

  /** It could not be made; not to be asked for again before `retryTick`. */
  failed(retryTick: number): void {
    this.#makingFromIndex = null;
    this.#retryTick = retryTick;
  }

  /** The lowest index that the one in the making may stand at; null when none is. */
  get makingFromIndex(): LogIndex | null {
    return this.#makingFromIndex;
  }
}
