/**
 * What of a node's log is durable, for whoever looks at the node from outside.
 *
 * @module
 */

import type { HardState, LogPosition, PersistBatch } from "../../../lib/raft/mod.ts";
import {
  RAFT_STATE_AT_FIRST,
  type RaftState,
  stateAfter,
} from "../../../lib/storage/raft_state.ts";
import type { LogIndex, Term } from "../../../lib/types.ts";

/** The state, and the term of each entry. */
export class DurableLog {
  #state: RaftState = RAFT_STATE_AT_FIRST;
  readonly #terms = new Map<LogIndex, Term>();
  readonly #certified = new Set<Term>();

  /** The durable term and vote. */
  get hardState(): HardState {
    return this.#state.hardState;
  }

  /** The place before the first durable entry. */
  get logStart(): LogPosition {
    return this.#state.logStart;
  }

  /** Index of the last durable entry. */
  get lastIndex(): LogIndex {
    return this.#state.lastIndex;
  }

  /** The term of the durable entry at `index`; null when there is none. */
  termAt(index: LogIndex): Term | null {
    if (index === this.logStart.index) return this.logStart.term;
    const isThere = index > this.logStart.index && index <= this.lastIndex;
    return isThere ? this.#terms.get(index) ?? null : null;
  }

  /** Every term of which the certificate is durable. */
  get certifiedTerms(): readonly Term[] {
    return [...this.#certified];
  }

  /** A batch became durable. @throws {InvariantError} when it cannot follow what is here. */
  write(batch: PersistBatch): void {
    this.#state = stateAfter(this.#state, batch);
    for (const { index, term } of batch.entries) this.#terms.set(index, term);
    for (const { term } of batch.certificates) this.#certified.add(term);
  }
}
