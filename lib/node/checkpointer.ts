/**
 * Decides when the state machine's data are made durable, so that the log can be compacted: when the
 * log is long, and not at every turn, as a checkpoint blocks the loop for some milliseconds.
 *
 * @module
 */

import type { Entry, EntryLimits } from "../raft/mod.ts";
import type { LogIndex } from "../types.ts";

/** Fewest entries applied between two checkpoints, unless their bytes suffice. */
export const CHECKPOINT_ENTRIES_MIN = 1_000;
/** Fewest bytes of entries applied between two checkpoints, unless their number suffices. */
export const CHECKPOINT_BYTES_MIN = 8 * 1024 * 1024;

/** What is asked about the log. */
export interface LogSize {
  /** How many entries it keeps. */
  readonly length: number;
  /** How many bytes of payload. */
  readonly bytes: number;
}

/** Counts what is applied between checkpoints. */
export class Checkpointer {
  readonly #limits: EntryLimits;
  readonly #checkpoint: () => LogIndex;
  #entries = 0;
  #bytes = 0;

  /**
   * A log beyond `limits` is long; `checkpoint` makes everything applied so far durable, and returns
   * how far that is.
   */
  constructor(limits: EntryLimits, checkpoint: () => LogIndex) {
    this.#limits = limits;
    this.#checkpoint = checkpoint;
  }

  /** These entries were applied. */
  applied(entries: readonly Entry[]): void {
    this.#entries += entries.length;
    for (const { data } of entries) this.#bytes += data.length;
  }

  /** Makes the state machine durable if the log is too long and the last time is long ago. */
  checkpointIfDue(log: LogSize): LogIndex | null {
    const { entriesMax, bytesMax } = this.#limits;
    const isLong = log.length > entriesMax || log.bytes > bytesMax;
    const isTime = this.#entries >= CHECKPOINT_ENTRIES_MIN || this.#bytes >= CHECKPOINT_BYTES_MIN;
    if (!isLong || !isTime) return null;
    this.#entries = 0;
    this.#bytes = 0;
    return this.#checkpoint();
  }
}
