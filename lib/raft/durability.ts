/**
 * What has changed since the last durable write, and how far the disk has followed.
 *
 * Every write is one {@linkcode PersistBatch} with a sequence number. An acknowledgement names its batch, so
 * a late one never makes newer data count as durable: entries that were replaced before their batch was
 * acknowledged are not counted.
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
  /** Once this batch is durable, log and disk are equal up to this index. */
  lastIndex: LogIndex;
}

/** Collects what must be written, and tracks what is durable. */
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

  /** The batch that makes the current term and vote durable. */
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
   * The log forgot everything up to `position`, which a durable state machine or snapshot holds, and keeps
   * the rest. The disk keeps the rest only if every forgotten entry was written. If not, the disk may end
   * before the position, or have replaced entries after it; then the rest is written again.
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

/** One vote that is being made durable. */
export interface PendingVote {
  /** The node that gets the vote. */
  readonly candidate: NodeId;
  /** The term of the vote. */
  readonly term: Term;
  /** The candidate's signing session. */
  readonly session: number;
  /** Whose shares sign there. */
  readonly epoch: Epoch;
  /** The right to one signature share; null when none was requested, or none is possible. */
  readonly ticket: NonceTicket | null;
  /** The batch that makes the vote durable. */
  readonly sequence: number;
}

/** Votes in the order in which they were decided. */
export class PendingVotes {
  #votes: PendingVote[] = [];

  /** Adds a vote. */
  add(vote: PendingVote): void {
    this.#votes.push(vote);
  }

  /** Removes and returns the votes that are durable. */
  takeDurable(isDurable: (sequence: number) => boolean): readonly PendingVote[] {
    const durable = this.#votes.filter((vote) => isDurable(vote.sequence));
    if (durable.length > 0) this.#votes = this.#votes.filter((vote) => !isDurable(vote.sequence));
    return durable;
  }

  /** Drops votes of earlier epochs, whose shares no longer sign. */
  dropBelow(epoch: Epoch): void {
    this.#votes = this.#votes.filter((vote) => vote.epoch >= epoch);
  }

  /** Drops all votes, because their term is over. */
  clear(): void {
    this.#votes = [];
  }
}
