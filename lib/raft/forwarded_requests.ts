/**
 * What this node's clients asked while another node leads: passed on to the leader, waiting for its
 * answer. Answers to an earlier life of this node are told apart by the incarnation.
 *
 * @module
 */

import type { Outbox } from "./outbox.ts";

/** Reads that share one question to the leader. */
export interface ForwardedReads {
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
