/**
 * What a node of these tests keeps on its "disk".
 *
 * @module
 */

import { assert } from "../../lib/assert.ts";
import {
  type DurableState,
  type GrantsProof,
  LOG_START,
  type PersistBatch,
} from "../../lib/raft/mod.ts";
import { stateAfter } from "../../lib/storage/raft_state.ts";
import { toEpoch, toNodeId, toTerm } from "../../lib/types.ts";

/** Holds what was persisted, whatever becomes of the process. */
export class MemoryDisk {
  #state: DurableState = {
    hardState: { currentTerm: toTerm(0), votedFor: null },
    logStart: LOG_START,
    members: null,
    entries: [],
    currentTermNote: null,
    grants: null,
  };
  readonly #notes = new Map<number, string>();

  /**
   * Writes a batch, all of it.
   *
   * @throws {InvariantError} when the real store would, as the batch cannot follow what is here.
   */
  persist(batch: PersistBatch): void {
    const lastIndex = this.#state.entries.at(-1)?.index ?? this.#state.logStart.index;
    const { hardState, logStart, members } = stateAfter({ ...this.#state, lastIndex }, batch);
    const first = batch.entries[0]?.index ?? Infinity;
    const kept = batch.logStart?.keepsRest === false ? [] : this.#state.entries;
    for (const { term, note } of batch.certificates) this.#notes.set(term, note);
    this.#state = {
      hardState,
      logStart,
      members,
      entries: [
        ...kept.filter(({ index }) => index > logStart.index && index < first),
        ...batch.entries,
      ],
      currentTermNote: this.#notes.get(hardState.currentTerm) ?? null,
      grants: batch.grants ?? this.#state.grants,
    };
    assert(this.#provesTerm, "A term is written with its proof");
  }

  /** What a node that starts finds. */
  load(): DurableState {
    const { currentTermNote, grants } = this.#state;
    return { ...this.#state, grants: currentTermNote === null ? grants : null };
  }

  /** Puts entries and a term there directly, to start a node in the middle of a history. */
  prepare(
    state: Pick<DurableState, "hardState" | "entries"> & Partial<Pick<DurableState, "grants">>,
  ): void {
    const { currentTerm: term } = state.hardState;
    const made: GrantsProof = {
      kind: "grants",
      term,
      epoch: toEpoch(1),
      membership: null,
      candidate: toNodeId("n1"),
      grants: [],
    };
    const grants = state.grants ?? (term === 0 ? null : made);
    this.#notes.clear();
    this.#state = { ...state, grants, logStart: LOG_START, members: null, currentTermNote: null };
  }

  get #provesTerm(): boolean {
    const { hardState: { currentTerm }, currentTermNote, grants } = this.#state;
    return currentTerm === 0 || currentTermNote !== null || grants?.term === currentTerm;
  }
}
