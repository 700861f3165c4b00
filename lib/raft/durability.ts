/**
 * What has changed since the last durable write, and how far the disk has followed.
 *
 * Every write is one {@linkcode PersistBatch} with a sequence number. An acknowledgement names its
 * batch, so a late one can never make newer bytes count as durable: entries that were replaced
 * while their batch was on its way are not counted when it arrives.
 *
 * @module
 */

import type { Certificate, NonceTicket } from "../certificate/mod.ts";
import { type Epoch, highest, type LogIndex, type NodeId, plus, type Term } from "../types.ts";
import type { HardState, LogPosition, LogStart, PersistBatch } from "./entry.ts";
import type { Log } from "./log.ts";
import type { GrantsProof } from "./term_proof.ts";

interface PendingBatch {
  readonly sequence: number;
  /** Highest index that the log and, once this batch is durable, the disk have in common. */
  lastIndex: LogIndex;
}

/** Collects what must be written and counts what has been. */
export class Durability {
  #sequence = 0;
  #durableSequence = 0;
  #durableIndex: LogIndex;
  #unsavedFrom: LogIndex | null = null;
  #logStart: LogStart | null = null;
  #hardStateChanged = false;
  #hardStateSequence = 0;
  #certificates: Certificate[] = [];
  #grants: GrantsProof | null = null;
  #pending: PendingBatch[] = [];

  /** Everything up to `durableIndex` was found in the store at start. */
  constructor(durableIndex: LogIndex) {
    this.#durableIndex = durableIndex;
  }

  /** Highest index up to which the log is durable. */
  get durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  /** The batch with which the current term and vote become, or became, durable. */
  get hardStateSequence(): number {
    return this.#hardStateChanged ? this.#sequence + 1 : this.#hardStateSequence;
  }

  /** Whether the batch with this sequence number is durable. */
  isDurable(sequence: number): boolean {
    return sequence <= this.#durableSequence;
  }

  /** The next batch carries the hard state. */
  voteChanged(): void {
    this.#hardStateChanged = true;
  }

  /** The log changed at `index` and perhaps after it. */
  logChangedFrom(index: LogIndex): void {
    const kept = plus(index, -1);
    if (this.#unsavedFrom === null || index < this.#unsavedFrom) this.#unsavedFrom = index;
    if (kept < this.#durableIndex) this.#durableIndex = kept;
    for (const batch of this.#pending) {
      if (kept < batch.lastIndex) batch.lastIndex = kept;
    }
  }

  /**
   * The log forgot everything up to `position`, which a durable state machine or snapshot holds; the
   * rest stays. On the disk the rest stays only if all that is forgotten was written. If not, the disk
   * may end before the position, or hold entries after it that have been replaced since: then all of
   * the rest is written anew.
   */
  logCompactedTo(position: LogPosition, members: string | null): void {
    const isSaved = this.#unsavedFrom === null || this.#unsavedFrom > position.index;
    const keepsRest = isSaved && (this.#logStart?.keepsRest ?? true);
    this.#logStart = { position, keepsRest, members };
    if (!isSaved) this.#unsavedFrom = plus(position.index, 1);
    if (this.#durableIndex < position.index) this.#durableIndex = position.index;
  }

  /** The log was replaced by a durable snapshot. */
  logResetTo(position: LogPosition, members: string | null): void {
    this.#logStart = { position, keepsRest: false, members };
    this.#unsavedFrom = null;
    this.#durableIndex = position.index;
    for (const batch of this.#pending) batch.lastIndex = position.index;
  }

  /** A certificate is to be kept. */
  certificateLearned(certificate: Certificate): void {
    this.#certificates.push(certificate);
  }

  /** A term was entered: these grants prove it, or, where there are none, a certificate. */
  termEntered(grants: GrantsProof | null): void {
    this.#hardStateChanged = true;
    this.#grants = grants;
  }

  /** Everything that changed since the last batch, or null. */
  takeBatch(log: Log, hardState: HardState): PersistBatch | null {
    const from = this.#unsavedFrom;
    if (
      from === null && this.#logStart === null && !this.#hardStateChanged &&
      this.#certificates.length === 0
    ) return null;
    const batch: PersistBatch = {
      sequence: ++this.#sequence,
      hardState: this.#hardStateChanged ? hardState : null,
      logStart: this.#logStart,
      entries: from === null || from > log.last.index ? [] : log.slice(from, log.last.index),
      certificates: this.#certificates,
      grants: this.#grants,
    };
    if (this.#hardStateChanged) this.#hardStateSequence = this.#sequence;
    this.#pending.push({ sequence: this.#sequence, lastIndex: log.last.index });
    this.#unsavedFrom = null;
    this.#logStart = null;
    this.#hardStateChanged = false;
    this.#certificates = [];
    this.#grants = null;
    return batch;
  }

  /** The batch with this sequence number, and all before it, are on disk. */
  persisted(sequence: number): void {
    this.#durableSequence = Math.max(this.#durableSequence, Math.min(sequence, this.#sequence));
    while (this.#pending[0] !== undefined && this.#pending[0].sequence <= this.#durableSequence) {
      this.#durableIndex = highest(this.#durableIndex, this.#pending[0].lastIndex);
      this.#pending.shift();
    }
  }
}

/** One vote on its way to the disk. */
export interface PendingVote {
  /** Who gets it. */
  readonly candidate: NodeId;
  /** In which term. */
  readonly term: Term;
  /** The candidate's signing session. */
  readonly session: number;
  /** Whose shares sign there. */
  readonly epoch: Epoch;
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

  /** Drops those of earlier epochs, in which nobody signs any more. */
  dropBelow(epoch: Epoch): void {
    this.#votes = this.#votes.filter((vote) => vote.epoch >= epoch);
  }

  /** Drops all: their term is over. */
  clear(): void {
    this.#votes = [];
  }
}
