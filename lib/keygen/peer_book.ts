/**
 * What a node knows of its peers besides their part in an attempt.
 *
 * @module
 */

import type { NodeId } from "../types.ts";
import { ATTEMPT_MAX } from "./attempt_clock.ts";
import type { Plan } from "./configuration.ts";
import type { Envelope } from "./message.ts";

/** Whether peers have this node's configuration, and when they were last answered. */
export class PeerBook {
  readonly #plan: Plan;
  readonly #configurations = new Map<NodeId, "equal" | "different">();
  readonly #answeredTick = new Map<NodeId, number>();

  /** Knows nothing yet. */
  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** What each peer's configuration turned out to be. */
  get configurations(): ReadonlyMap<NodeId, "equal" | "different"> {
    return this.#configurations;
  }

  /** Why a message can be of no peer, or about no attempt; null when it can. */
  explainRefusal({ from, to, attempt }: Envelope): string | null {
    const { self, peers } = this.#plan;
    if (to !== self || !peers.includes(from)) return `${from} to ${to} is not a peer to this node`;
    if (Number.isInteger(attempt) && attempt >= 1 && attempt <= ATTEMPT_MAX) return null;
    return `attempt ${attempt} is not from 1 to ${ATTEMPT_MAX}`;
  }

  /** Compares a peer's configuration, and says whether that is news. */
  compare(
    { from, configuration }: Envelope,
  ): { readonly isEqual: boolean; readonly isNew: boolean } {
    const found = configuration === this.#plan.configuration ? "equal" : "different";
    const isNew = this.#configurations.get(from) !== found;
    this.#configurations.set(from, found);
    return { isEqual: found === "equal", isNew };
  }

  /** Whether the peer may be answered in this tick: once is enough. */
  mayAnswer(peer: NodeId, nowTick: number): boolean {
    if (this.#answeredTick.get(peer) === nowTick) return false;
    this.#answeredTick.set(peer, nowTick);
    return true;
  }
}
