/**
 * The state machines of all nodes: equal results for equal entries, and byte-identical state at equal
 * applied index.
 *
 * @module
 */

import { encodeHex } from "../../../lib/bytes.ts";
import { type AppliedEntry, digestStore, type Store } from "../../../lib/kv/mod.ts";
import type { LogIndex, NodeId } from "../../../lib/types.ts";
import { require } from "../violation.ts";

/** One in so many states is hashed whole; results are compared for every entry. */
const DIGEST_EVERY = 16;

/** Watches every state machine. */
export class StateChecker {
  readonly #outcomes: string[] = [];
  readonly #digests = new Map<LogIndex, string>();

  /** Entries were applied to `store`. */
  applied(id: NodeId, outcomes: readonly AppliedEntry[], store: Store): void {
    for (const outcome of outcomes) {
      if (outcome.kind !== "skipped") this.#compareOutcome(id, outcome);
    }
    if (store.appliedIndex % DIGEST_EVERY === 0) this.compareState(id, store);
  }

  /** Compares a whole state with that of others at the same applied index. */
  compareState(id: NodeId, store: Store): void {
    const digest = encodeHex(digestStore(store));
    const known = this.#digests.get(store.appliedIndex) ?? digest;
    require(known === digest, "States are equal at equal applied index", () => {
      return `${id} differs from others at index ${store.appliedIndex}`;
    });
    this.#digests.set(store.appliedIndex, digest);
  }

  #compareOutcome(id: NodeId, outcome: AppliedEntry): void {
    const text = JSON.stringify(outcome);
    const known = this.#outcomes[outcome.index] ?? text;
    require(known === text, "Results are equal for equal entries", () => {
      return `${id} has ${text} at index ${outcome.index}, others have ${known}`;
    });
    this.#outcomes[outcome.index] = text;
  }
}
