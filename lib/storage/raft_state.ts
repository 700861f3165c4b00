/**
 * What the log holds besides its entries, and which batches may follow it.
 *
 * @module
 */

import { assert } from "../assert.ts";
import {
  type Entry,
  type GrantsProof,
  type HardState,
  LOG_START,
  type LogPosition,
  type PersistBatch,
} from "../raft/mod.ts";
import { type LogIndex, toLogIndex, toTerm } from "../types.ts";

/** The hard state, and the log's bounds. */
export interface RaftState {
  /** Term and vote. */
  readonly hardState: HardState;
  /** The newest grants, of the current term or an earlier one. */
  readonly grants: GrantsProof | null;
  /** The place before the log's first entry. */
  readonly logStart: LogPosition;
  /** The members as of the log's start or later. */
  readonly members: string | null;
  /** The index of the log's last entry; for an empty log, the index of `logStart`. */
  readonly lastIndex: LogIndex;
}

/** The state of a new store. */
export const RAFT_STATE_AT_FIRST: RaftState = {
  hardState: { currentTerm: toTerm(0), votedFor: null },
  grants: null,
  logStart: LOG_START,
  members: null,
  lastIndex: toLogIndex(0),
};

/** The parts of a batch that change the state. */
type BatchParts = Pick<PersistBatch, "hardState" | "logStart" | "entries" | "grants">;

/**
 * The state once `batch` is written.
 *
 * @throws {InvariantError} when the batch cannot follow `before`.
 */
export function stateAfter(before: RaftState, batch: BatchParts): RaftState {
  const hardState = batch.hardState ?? before.hardState;
  checkHardState(before.hardState, hardState);
  const grants = batch.grants ?? before.grants;
  const started = startLog({ ...before, hardState, grants }, batch);
  checkEntries(started, batch.entries);
  return { ...started, lastIndex: batch.entries.at(-1)?.index ?? started.lastIndex };
}

function checkHardState(before: HardState, after: HardState): void {
  const { currentTerm, votedFor } = before;
  assert(after.currentTerm >= currentTerm, "The current term would go backward");
  assert(
    after.currentTerm > currentTerm || votedFor === null || after.votedFor === votedFor,
    `The vote of term ${currentTerm} would change`,
  );
}

function startLog(before: RaftState, { logStart }: BatchParts): RaftState {
  if (logStart === null) return before;
  const { position: { index, term }, keepsRest, members } = logStart;
  assert(index >= before.logStart.index, `The log would begin before entry ${index} again`);
  assert(term >= before.logStart.term, "The log would begin in a lower term than before");
  assert(term <= before.hardState.currentTerm, `The log would begin above the current term`);
  assert(!keepsRest || index <= before.lastIndex, `The log has no entry ${index} to begin after`);
  const lastIndex = keepsRest ? before.lastIndex : index;
  return { ...before, logStart: logStart.position, members, lastIndex };
}

function checkEntries(
  { hardState, logStart, lastIndex }: RaftState,
  entries: readonly Entry[],
): void {
  const first = entries[0]?.index ?? lastIndex + 1;
  assert(first > logStart.index, `Entry ${first} would stand before the log`);
  assert(first <= lastIndex + 1, `Entry ${first} would leave a gap`);
  let termBefore = logStart.term;
  entries.forEach(({ index, term }, position) => {
    assert(index === first + position, `Entry ${index} is not at its place in the batch`);
    assert(term >= termBefore, `Entry ${index} is of a lower term than the one before it`);
    assert(term <= hardState.currentTerm, `Entry ${index} is of a term above the current one`);
    termBefore = term;
  });
}
