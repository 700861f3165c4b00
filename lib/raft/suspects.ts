/**
 * Voters that have cost this node's candidacies a signing session: by a wrong share, or by none in
 * time. A lying voter is quick to answer the pre-vote, and would be among the first t signers of every
 * election; so suspects are asked last.
 *
 * @module
 */

import type { NodeId } from "../types.ts";

/** The suspects of one life of the process; another begins without any. */
export class Suspects {
  readonly #voters = new Set<NodeId>();
  readonly #faultyMax: number;

  /** An election is promised while at most `faultyMax` voters are down or lie: n - t. */
  constructor(faultyMax: number) {
    this.#faultyMax = faultyMax;
  }

  /** Whether this voter is one. */
  has(voter: NodeId): boolean {
    return this.#voters.has(voter);
  }

  /** Adds one. Where more are suspected than can be at fault, it was the network: all are cleared. */
  add(voter: NodeId): void {
    this.#voters.add(voter);
    if (this.#voters.size > this.#faultyMax) this.#voters.clear();
  }
}
