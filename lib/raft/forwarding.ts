/**
 * Requests of this node's clients that were forwarded to the leader and wait for its answer. The
 * incarnation identifies answers to an earlier run of this node.
 *
 * @module
 */

import type { LogIndex, NodeId, Term } from "../types.ts";
import type { Outbox } from "./input_output.ts";

/** Reads that share one request to the leader. */
interface ForwardedReads {
  /** The clients' reads. */
  readonly readIds: readonly number[];
  /** Whether the leader may answer on its lease. */
  readonly lease: boolean;
  /** When the first request was sent. */
  readonly askedTick: number;
}

/** Forwarded proposals and reads without an answer. */
export class ForwardedRequests {
  /** When each was forwarded, oldest first. */
  readonly #proposals = new Map<number, number>();
  readonly #readBatches = new Map<number, ForwardedReads>();
  #lastProposalBatchId = 0;
  #lastReadBatchId = 0;

  /** Whether any proposal waits for an answer. */
  get hasProposals(): boolean {
    return this.#proposals.size > 0;
  }

  /** Notes proposals that are forwarded as one batch. @returns the batch's id, which rises by one each time. */
  addProposals(proposalIds: readonly number[], nowTick: number): number {
    for (const proposalId of proposalIds) this.#proposals.set(proposalId, nowTick);
    return ++this.#lastProposalBatchId;
  }

  /** The leader answered a proposal. @returns false when it does not wait for an answer. */
  takeProposal(proposalId: number): boolean {
    return this.#proposals.delete(proposalId);
  }

  /** Notes reads that are forwarded as one batch. @returns the batch's id. */
  addReads(reads: ForwardedReads): number {
    this.#readBatches.set(++this.#lastReadBatchId, reads);
    return this.#lastReadBatchId;
  }

  /** The batches that wait for an answer. */
  *readBatches(): Iterable<{ readonly batchId: number; readonly lease: boolean }> {
    for (const [batchId, { lease }] of this.#readBatches) yield { batchId, lease };
  }

  /** The leader answered a batch. @returns its reads; none when it does not wait for an answer. */
  takeReads(batchId: number): readonly number[] {
    const readIds = this.#readBatches.get(batchId)?.readIds ?? [];
    this.#readBatches.delete(batchId);
    return readIds;
  }

  /**
   * Gives up requests that were forwarded at `tick` or before: the request or the answer is lost. A proposal
   * may still be in the leader's log; a read is repeated.
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

/** At most how often the patience with a leader that commits nothing doubles. */
const PATIENCE_DOUBLINGS_MAX = 8;

/**
 * Whether a leader does its work, as seen by one follower: it commits the proposals that it took from this
 * node, and the entries that it sent. A leader with a failing disk does not, nor does a lying one, and
 * heartbeats alone must not keep it in office. A leader without requests has nothing to do.
 *
 * There are harmless reasons, too: the leader waits for a follower that receives a large snapshot, or this
 * node is behind. So a leader counts as stalled only for the length of the initial patience, which suffices
 * for an election if other nodes see the same. Each time that the patience ends with nothing committed, it
 * doubles.
 */
export class LeaderService {
  readonly #patienceTicks: number;
  /** How often the patience has ended since the last commit. */
  #stalls = 0;
  /** Since when a proposal of this node waits with none of its proposals committed. */
  #proposalsSinceTick: number | null = null;
  /** Since when an entry of the leader waits with none committed. */
  #entriesSinceTick: number | null = null;
  /** The index up to which this log equals the leader's. Later entries are not the leader's. */
  #matchIndex = 0;
  /** The first of this node's proposals that the leader took and has not committed. */
  #awaitedIndex: LogIndex | null = null;
  #stalledSinceTick: number | null = null;

  /** Begins with a leader that owes nothing. `patienceTicks` is the initial patience. */
  constructor(patienceTicks: number) {
    this.#patienceTicks = patienceTicks;
  }

  /** Whether something has waited too long. */
  get isStalled(): boolean {
    return this.#stalledSinceTick !== null;
  }

  /** The leader reports the place of one of this node's proposals. */
  appended(index: LogIndex): void {
    this.#awaitedIndex ??= index;
  }

  /** This log equals the leader's up to this place. */
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
   * One tick passes. `asks` is true while a proposal waits for the leader's answer. Returns true when the
   * leader begins to count as stalled.
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

/** How many later batches of one run may arrive before an earlier one, whose fate is unknown beyond that. */
export const BATCH_SLOTS = 64;
/** In how many of its runs one origin may have batches taken in one term: 128 KiB of slots. */
export const LIVES_PER_ORIGIN_MAX = 256;

/** Identifies a forwarded batch within a term. */
export interface BatchName {
  /** The node that forwarded it. */
  readonly from: NodeId;
  /** The run of that node. */
  readonly incarnation: number;
  /** The number of the batch in that run, from 1. */
  readonly batchId: number;
}

/** The batches taken in one leadership. Kept after its end, for batches that arrive late. */
export class TakenBatches {
  /** The term that is or was led. */
  readonly term: Term;
  /** The runs of each origin, each with its slots. */
  readonly #origins = new Map<NodeId, Map<number, Float64Array>>();

  /** Begins with a new leadership. */
  constructor(term: Term) {
    this.term = term;
  }

  /** Whether the batch was taken, or is too late to exclude that. */
  mayHold({ from, incarnation, batchId }: BatchName): boolean {
    const slots = this.#origins.get(from)?.get(incarnation);
    return slots !== undefined && batchId <= newestTaken(slots, batchId);
  }

  /** Takes a batch. @returns false when {@linkcode mayHold} it, or when its origin has had too many runs. */
  take(batch: BatchName): boolean {
    if (this.mayHold(batch)) return false;
    const slots = this.#slotsOf(batch);
    if (slots === null) return false;
    slots[batch.batchId % BATCH_SLOTS] = batch.batchId;
    return true;
  }

  /** The slots of the batch's run; null when its origin has had too many runs. */
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
