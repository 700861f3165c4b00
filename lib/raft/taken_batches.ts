/**
 * Which forwarded batches a leader has taken, so that none takes effect twice however often it
 * arrives. A batch may be doubled, late and out of order, as IPsec's packets may, and is recognised
 * in the same manner (RFC 4303 §3.4.3, RFC 6479): by a window over the numbers that its origin gave.
 *
 * In each of its lives an origin numbers its batches 1, 2, 3 and so on. Of every life the leader
 * keeps {@linkcode BATCH_SLOTS} slots; batch b belongs to slot b mod BATCH_SLOTS, which holds the
 * newest batch taken there.
 *
 * Invariant: a slot only rises, and a batch is taken only where it makes its slot rise. So no batch
 * is taken twice; and one that is not newer than its slot either was taken, or comes so late that a
 * whole window of later ones has overtaken it and nobody can tell any more.
 *
 * Lives are never forgotten, or a batch of a forgotten one could come again: beyond
 * {@linkcode LIVES_PER_ORIGIN_MAX} they are refused until another term begins.
 *
 * @module
 */

import type { NodeId, Term } from "../types.ts";

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
