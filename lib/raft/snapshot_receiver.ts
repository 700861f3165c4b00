/**
 * The follower's side of a snapshot (Raft Figure 13, InstallSnapshot), behind the proof that its
 * sender leads. The node keeps the chunks and checks the whole; the core decides whether it counts.
 *
 * @module
 */

import type { LogIndex, NodeId } from "../types.ts";
import { acceptLeader } from "./certified_leader.ts";
import type { Snapshot } from "./entry.ts";
import type { SnapshotOutcome, SnapshotRequest } from "./message.ts";
import type { CoreState } from "./state.ts";

/** A leader sends a chunk. */
export function handleSnapshotRequest(state: CoreState, message: SnapshotRequest): void {
  if (!acceptLeader(state, message)) return;
  const { snapshot, offset, data } = message;
  if (snapshot.index <= state.commitIndex) {
    return answer(state, snapshot.index, { kind: "installed" });
  }
  if (state.lacksState && snapshot.index < state.log.base.index) return askForSnapshot(state);
  if (!isTermPossible(state, snapshot)) return refuseTerm(state, message.from, snapshot);
  if (offset + data.length > snapshot.bytes) {
    return state.refuse(message.from, `snapshot chunk ends beyond byte ${snapshot.bytes}`);
  }
  state.output.storeChunks.push(message);
}

/** The state machine was lost: asks the leader for a snapshot that the log goes on from. */
export function askForSnapshot(state: CoreState): void {
  answer(state, state.log.base.index, { kind: "wanted" });
}

/** The node kept a chunk, or could not use it and says which one it wants. */
export function snapshotStored(
  state: CoreState,
  stored: { readonly snapshot: Snapshot; readonly nextOffset: number },
): void {
  answer(state, stored.snapshot.index, { kind: "stored", nextOffset: stored.nextOffset });
}

/** All of it is here, checked and durable: it replaces what this node had. */
export function snapshotReady(state: CoreState, snapshot: Snapshot): void {
  const isNews = snapshot.index > state.commitIndex;
  // A leader has every committed entry, so nobody's snapshot can be news to it. A candidate takes one: it
  // wins by the log that was voted on, which can then not have lacked what is committed.
  if (isNews && state.role.name === "leader") return;
  const from = state.certificate?.leader ?? null;
  if (isNews && !isTermPossible(state, snapshot)) {
    // It was when it came: another one took the log's place while this one was checked.
    refuseTerm(state, from ?? state.self, snapshot);
    return snapshotRefused(state, snapshot);
  }
  if (isNews) {
    state.restore(snapshot);
    state.output.events.push({ kind: "snapshotInstalled", from, index: snapshot.index });
  }
  answer(state, snapshot.index, { kind: "installed" });
}

/** It was not what it claimed to be, or could not be kept. */
export function snapshotRefused(state: CoreState, snapshot: Snapshot): void {
  answer(state, snapshot.index, { kind: "refused" });
}

/** The terms of a log never fall, so an entry above those committed is of no earlier term than they. */
function isTermPossible(state: CoreState, { term }: Snapshot): boolean {
  const committed = Math.max(state.commitIndex, state.log.base.index) as LogIndex;
  return term >= (state.log.termAt(committed) ?? term) && term <= state.currentTerm;
}

function refuseTerm(state: CoreState, from: NodeId, { index, term }: Snapshot): void {
  state.refuse(from, `snapshot at ${index} of term ${term} in term ${state.currentTerm}`);
}

/** Tells the leader, if one is followed now. */
function answer(state: CoreState, index: LogIndex, outcome: SnapshotOutcome): void {
  const leader = state.certificate?.leader;
  if (leader === undefined || leader === state.self) return;
  state.sendAfterPersist({
    kind: "snapshotResponse",
    from: state.self,
    to: leader,
    term: state.currentTerm,
    index,
    outcome,
  });
}
