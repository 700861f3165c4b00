/**
 * What this node's clients asked while another node leads: passed on to the leader, waiting for its
 * answer. Answers to an earlier life of this node are told apart by the incarnation.
 *
 * @module
 */

import type { LogIndex, NodeId, Term } from "../types.ts";
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

  /** Whether any proposal waits for an answer. */
  get hasProposals(): boolean {
    return this.#proposals.size > 0;
  }

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

/** How often the patience with leaders that commit nothing doubles at most. */
const PATIENCE_DOUBLINGS_MAX = 8;

/**
 * Whether a leader does its work, as one of its followers sees it: it commits what it took from this
 * node, and what it sent to this node. One with a failing disk does not, nor does one that lies; neither
 * is to lead for ever because it sends heartbeats. A leader that is asked for nothing owes nothing.
 *
 * It may also be that the leader waits for a follower that a large snapshot is sent to, or that this node
 * is the one that is behind. So a leader counts as stalled for no longer than the patience was at first,
 * which is enough for an election if the others see the same; and each time that the patience ends
 * without anything having been committed since the last time, it is twice as long.
 */
export class LeaderService {
  readonly #patienceTicks: number;
  /** How often the patience has ended since anything was committed. */
  #stalls = 0;
  /** Since when a proposal of this node has waited without one of its own being committed. */
  #proposalsSinceTick: number | null = null;
  /** Since when an entry that the leader sent has waited without any being committed. */
  #entriesSinceTick: number | null = null;
  /** How far this node's log is the leader's: what stands after it is none of the leader's business. */
  #matchIndex = 0;
  /** The first of this node's proposals that the leader took and has not committed. */
  #awaitedIndex: LogIndex | null = null;
  #stalledSinceTick: number | null = null;

  /** A leader that owes nothing yet, and may take `patienceTicks` for what it will. */
  constructor(patienceTicks: number) {
    this.#patienceTicks = patienceTicks;
  }

  /** Whether something has waited too long. */
  get isStalled(): boolean {
    return this.#stalledSinceTick !== null;
  }

  /** The leader says that it has put a proposal of this node at this place. */
  appended(index: LogIndex): void {
    this.#awaitedIndex ??= index;
  }

  /** This node holds what the leader has, up to this place. */
  matched(index: LogIndex): void {
    this.#matchIndex = Math.max(this.#matchIndex, index);
  }

  /** Everything up to `index` is committed. */
  committed(index: LogIndex): void {
    this.#entriesSinceTick = null;
    this.#stalls = 0;
    if (this.#awaitedIndex === null || index < this.#awaitedIndex) return;
    this.#awaitedIndex = null;
    this.#proposalsSinceTick = null;
  }

  /** A new term's leader owes nothing yet. */
  leaderChanged(): void {
    this.#awaitedIndex = null;
    this.#matchIndex = 0;
    this.#startAnew();
  }

  /**
   * Time passes; `asks` while a proposal waits for the leader's answer. Returns whether the leader has
   * just begun to count as stalled.
   */
  tick(
    nowTick: number,
    { asks, commitIndex }: { readonly asks: boolean; readonly commitIndex: LogIndex },
  ): boolean {
    // A node that is behind does not know what is committed.
    const awaits = this.#awaitedIndex !== null && this.#awaitedIndex <= this.#matchIndex;
    const hasEntries = this.#matchIndex > commitIndex;
    this.#proposalsSinceTick = asks || awaits ? this.#proposalsSinceTick ?? nowTick : null;
    this.#entriesSinceTick = hasEntries ? this.#entriesSinceTick ?? nowTick : null;
    if (this.#stalledSinceTick === null) return this.#beginsToStall(nowTick);
    const isServed = this.#proposalsSinceTick === null && this.#entriesSinceTick === null;
    const isLongEnough = nowTick - this.#stalledSinceTick >= this.#patienceTicks;
    if (isServed || isLongEnough) this.#startAnew();
    return false;
  }

  #beginsToStall(nowTick: number): boolean {
    const patienceTicks = this.#patienceTicks * 2 ** Math.min(this.#stalls, PATIENCE_DOUBLINGS_MAX);
    const isStalled = [this.#proposalsSinceTick, this.#entriesSinceTick].some((sinceTick) =>
      sinceTick !== null && nowTick - sinceTick >= patienceTicks
    );
    if (!isStalled) return false;
    this.#stalledSinceTick = nowTick;
    this.#stalls++;
    return true;
  }

  #startAnew(): void {
    this.#proposalsSinceTick = null;
    this.#entriesSinceTick = null;
    this.#stalledSinceTick = null;
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
