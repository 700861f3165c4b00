/**
 * Votes that are decided but not yet durable. The nonce is already out of its pool; the share is
 * computed, and the answer leaves, only when the disk holds the vote.
 *
 * @module
 */

import type { NonceTicket } from "../certificate/certifier.ts";
import type { NodeId, Term } from "../types.ts";

/** One vote on its way to the disk. */
export interface PendingVote {
  /** Who gets it. */
  readonly candidate: NodeId;
  /** In which term. */
  readonly term: Term;
  /** The candidate's signing session. */
  readonly session: number;
  /** The right to one signature share; null when none was asked for, or none can be given. */
  readonly ticket: NonceTicket | null;
  /** The batch with which the vote becomes durable. */
  readonly sequence: number;
}

/** Votes in the order in which they were decided. */
export class PendingVotes {
  #votes: PendingVote[] = [];

  /** Adds a vote. */
  add(vote: PendingVote): void {
    this.#votes.push(vote);
  }

  /** Takes out the votes that `isDurable` says are on disk. */
  takeDurable(isDurable: (sequence: number) => boolean): readonly PendingVote[] {
    const durable = this.#votes.filter((vote) => isDurable(vote.sequence));
    if (durable.length > 0) this.#votes = this.#votes.filter((vote) => !isDurable(vote.sequence));
    return durable;
  }

  /** Drops all: their term is over. */
  clear(): void {
    this.#votes = [];
  }
}
