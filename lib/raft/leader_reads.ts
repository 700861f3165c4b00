/**
 * Reads on the leader (Raft dissertation §6.4): a read may be served at the commit index of its
 * arrival once a quorum has confirmed, in a round begun after it, that this node still led.
 *
 * @module
 */

import type { LogIndex, NodeId } from "../types.ts";
import { READERS_MAX } from "./config.ts";

/** Whoever waits for a read index: this node's own clients, or a follower's batch. */
export type Reader =
  /** A read of a client of this node. */
  | { readonly kind: "local"; readonly readId: number }
  /** A batch of reads of a follower. */
  | {
    readonly kind: "remote";
    readonly from: NodeId;
    readonly incarnation: number;
    readonly batchId: number;
  };

/** Readers that are confirmed by one round. */
export interface ReadBatch {
  /** The round that must be answered by a quorum. */
  readonly round: number;
  /** The commit index when the round began. */
  readonly readIndex: LogIndex;
  /** Who waits. */
  readonly readers: readonly Reader[];
}

/**
 * A leader's reads: those not yet in a round, and those whose round is on its way; together at most
 * {@linkcode READERS_MAX}.
 */
export class LeaderReads {
  #waiting: Reader[] = [];
  #batches: ReadBatch[] = [];
  #size = 0;

  /** Whether any reader is not yet in a round. */
  get areWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Adds a reader, to wait for the next round; false when there are as many as may be. */
  add(reader: Reader): boolean {
    if (this.#size >= READERS_MAX) return false;
    this.#size++;
    this.#waiting.push(reader);
    return true;
  }

  /** Puts all that wait into one batch, confirmed by `round`. */
  startBatch(round: number, readIndex: LogIndex): void {
    this.#batches.push({ round, readIndex, readers: this.#waiting });
    this.#waiting = [];
  }

  /** Takes out the batches that are confirmed once a quorum has answered `round`. */
  takeConfirmed(round: number): readonly ReadBatch[] {
    const unconfirmed = this.#batches.findIndex((batch) => batch.round > round);
    const count = unconfirmed === -1 ? this.#batches.length : unconfirmed;
    const confirmed = this.#batches.splice(0, count);
    for (const { readers } of confirmed) this.#size -= readers.length;
    return confirmed;
  }

  /** Takes out every reader, for a leader that leads no more. */
  takeAll(): readonly Reader[] {
    const readers = [...this.#batches.flatMap((batch) => batch.readers), ...this.#waiting];
    this.#batches = [];
    this.#waiting = [];
    this.#size = 0;
    return readers;
  }
}
