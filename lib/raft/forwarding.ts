/**
 * What this node's clients asked while another node leads: passed on to the leader, waiting for its
 * answer. Answers to an earlier life of this node are told apart by the incarnation.
 *
 * @module
 */

import type { NodeId, Term } from "../types.ts";
import type { Outbox } from "./input_output.ts";

/** Reads that share one question to the leader. */
interface ForwardedReads {
  /** The clients' reads. */
  readonly readIds: readonly number[];
  /** Whether the leader may answer on its lease. */
  readonly lease: boolean;
  /** When the leader was asked first. */
  readonly askedTick: number;
}

/** Proposals and reads on their way to the leader. */
export class ForwardedRequests {
  /** When each was passed on, in that order. */
  readonly #proposals = new Map<number, number>();
  readonly #readBatches = new Map<number, ForwardedReads>();
  #lastProposalBatchId = 0;
  #lastReadBatchId = 0;

  /** Proposals are passed on as one batch; returns the batch's id, which rises by one each time. */
  addProposals(proposalIds: readonly number[], nowTick: number): number {
    for (const proposalId of proposalIds) this.#proposals.set(proposalId, nowTick);
    return ++this.#lastProposalBatchId;
  }

  /** The leader answered for a proposal; false when nobody waits for that answer. */
  takeProposal(proposalId: number): boolean {
    return this.#proposals.delete(proposalId);
  }

  /** Reads are passed on as one batch; returns the batch's id. */
  addReads(reads: ForwardedReads): number {
    this.#readBatches.set(++this.#lastReadBatchId, reads);
    return this.#lastReadBatchId;
  }

  /** The batches that wait for an answer. */
  *readBatches(): Iterable<{ readonly batchId: number; readonly lease: boolean }> {
    for (const [batchId, { lease }] of this.#readBatches) yield { batchId, lease };
  }

  /** The leader answered for a batch; empty when nobody waits for that answer. */
  takeReads(batchId: number): readonly number[] {
    const readIds = this.#readBatches.get(batchId)?.readIds ?? [];
    this.#readBatches.delete(batchId);
    return readIds;
  }

  /**
   * Gives up on what was passed on at `tick` or before: question or answer is lost. A proposal may be
   * in the leader's log all the same; a read is simply asked again.
   */
  expire(tick: number, output: Outbox): void {
    const reason = "leaderChanged";
    for (const [proposalId, forwardedTick] of this.#proposals) {
      if (forwardedTick > tick) break;
      this.#proposals.delete(proposalId);
      output.rejected.push({ proposalId, reason, maybeApplied: true });
    }
    for (const [batchId, { readIds, askedTick }] of this.#readBatches) {
      if (askedTick > tick) break;
      this.#readBatches.delete(batchId);
      for (const readId of readIds) output.reads.push({ kind: "refused", readId, reason });
    }
  }

  /** The leader is gone, or messages to it may be lost: no answer will come. */
  leaderLost(output: Outbox): void {
    this.expire(Infinity, output);
  }
}

/** How many batches of one life may overtake another before its fate is unknown. */
export const BATCH_SLOTS = 64;
/** In how many of its lives one origin may have batches taken in one term: 128 KiB of slots. */
export const LIVES_PER_ORIGIN_MAX = 256;

/** What tells a forwarded batch from all others of its term. */
export interface BatchName {
  /** The node that forwarded it. */
  readonly from: NodeId;
  /** Which life of that node. */
  readonly incarnation: number;
  /** Counts that life's batches from 1. */
  readonly batchId: number;
}

/** The memory of one leadership. It outlives the leadership, to answer for it. */
export class TakenBatches {
  /** The term that is or was led. */
  readonly term: Term;
  /** Each origin's lives, each with its slots. */
  readonly #origins = new Map<NodeId, Map<number, Float64Array>>();

  /** For a leadership that has just begun. */
  constructor(term: Term) {
    this.term = term;
  }

  /** Whether the batch was taken, or comes too late to be sure that it was not. */
  mayHold({ from, incarnation, batchId }: BatchName): boolean {
    const slots = this.#origins.get(from)?.get(incarnation);
    return slots !== undefined && batchId <= newestTaken(slots, batchId);
  }

  /** Takes a batch, at most once; returns whether it did. */
  take(batch: BatchName): boolean {
    if (this.mayHold(batch)) return false;
    const slots = this.#slotsOf(batch);
    if (slots === null) return false;
    slots[batch.batchId % BATCH_SLOTS] = batch.batchId;
    return true;
  }

  /** The slots of the batch's life; null when its origin has used up its lives. */
  #slotsOf({ from, incarnation }: BatchName): Float64Array | null {
    const lives = this.#origins.get(from) ?? new Map<number, Float64Array>();
    this.#origins.set(from, lives);
    const known = lives.get(incarnation);
    if (known !== undefined) return known;
    if (lives.size >= LIVES_PER_ORIGIN_MAX) return null;
    const slots = new Float64Array(BATCH_SLOTS).fill(NOTHING_TAKEN);
    lives.set(incarnation, slots);
    return slots;
  }
}

/** Below every number that an origin can give. */
const NOTHING_TAKEN = -1;

function newestTaken(slots: Float64Array, batchId: number): number {
  return slots[batchId % BATCH_SLOTS] ?? NOTHING_TAKEN;
}
