/**
 * Linearizable reads without writing to the log (Raft dissertation §6.4, ReadIndex), on every node:
 * the leader confirms that it leads, a follower asks it to.
 *
 * @module
 */

import type { NodeId } from "../types.ts";
import type { ReadIndexRequest, ReadIndexResponse, RefusalReason } from "./message.ts";
import { hasLease } from "./lease.ts";
import { quorumValue } from "./quorum.ts";
import type { Reader } from "./leader_reads.ts";
import { answerReader } from "./reader_answers.ts";
import type { Leader } from "./role.ts";
import type { CoreState } from "./state.ts";

/**
 * Clients of this node want to read, all with or without `lease`. Those of one step share one
 * confirmation.
 */
export function read(
  state: CoreState,
  readIds: readonly number[],
  { lease }: { readonly lease: boolean },
): void {
  if (state.role.name === "leader") {
    for (const readId of readIds) {
      addReader(state, state.role, { reader: { kind: "local", readId }, lease });
    }
    return;
  }
  if (state.leader === null) return refuseReads(state, readIds, "noLeader");
  askForReadIndex(state, state.leader, {
    batchId: state.forwarded.addReads({ readIds, lease, askedTick: state.nowTick }),
    lease,
  });
}

/** Asks again for what the leader has not answered for long: question or answer may be lost. */
export function repeatReads(state: CoreState): void {
  if (state.leader === null) return;
  for (const batch of state.forwarded.readBatches()) askForReadIndex(state, state.leader, batch);
}

/** A request to the leader did not leave. */
export function readsUnsent(state: CoreState, message: ReadIndexRequest): void {
  refuseReads(state, state.forwarded.takeReads(message.batchId), "noLeader");
}

/** A follower wants a read index. */
export function handleReadIndexRequest(state: CoreState, message: ReadIndexRequest): void {
  const { from, incarnation, batchId } = message;
  const reader: Reader = { kind: "remote", from, incarnation, batchId };
  if (state.role.name === "leader") addReader(state, state.role, { reader, lease: message.lease });
  else answerReader(state, reader, null);
}

/** The leader's answer to this node's batch of reads. */
export function handleReadIndexResponse(state: CoreState, message: ReadIndexResponse): void {
  if (message.from !== state.leader || message.incarnation !== state.config.incarnation) return;
  const readIds = state.forwarded.takeReads(message.batchId);
  const { readIndex } = message;
  if (readIndex === null) return refuseReads(state, readIds, "notLeader");
  for (const readId of readIds) state.output.reads.push({ kind: "ready", readId, readIndex });
}

/**
 * Puts the waiting reads into a round, if there are any and this term's no-op is committed: before
 * that, the leader does not know which of its predecessors' entries are (dissertation §6.4, step 1).
 */
export function startReadRound(state: CoreState, leader: Leader): void {
  const { reads } = leader;
  if (!reads.areWaiting) return;
  if (!hasCommittedOwnEntry(state)) return;
  reads.startBatch(leader.rounds.begin(state.nowTick), state.commitIndex);
  confirmReads(state, leader);
}

/** Answers the reads whose round a majority, this node included, has answered. */
export function confirmReads(state: CoreState, leader: Leader): void {
  const answered = [...leader.followers.values()].map(({ rounds }) => rounds.answered);
  const confirmedRound = quorumValue([...answered, leader.rounds.current], state.majority);
  for (const batch of leader.reads.takeConfirmed(confirmedRound)) {
    for (const reader of batch.readers) answerReader(state, reader, batch.readIndex);
  }
}

/** Dissertation §6.4, step 1: only then does a leader know what its predecessors committed. */
function hasCommittedOwnEntry(state: CoreState): boolean {
  return state.log.termAt(state.commitIndex) === state.currentTerm;
}

function askForReadIndex(
  state: CoreState,
  to: NodeId,
  { batchId, lease }: { readonly batchId: number; readonly lease: boolean },
): void {
  state.send({
    kind: "readIndexRequest",
    from: state.self,
    to,
    term: state.currentTerm,
    incarnation: state.config.incarnation,
    batchId,
    lease,
  });
}

function addReader(
  state: CoreState,
  leader: Leader,
  { reader, lease }: { readonly reader: Reader; readonly lease: boolean },
): void {
  if (lease && hasCommittedOwnEntry(state) && hasLease(state, leader)) {
    return answerReader(state, reader, state.commitIndex);
  }
  if (leader.reads.add(reader)) return;
  if (reader.kind === "local") refuseReads(state, [reader.readId], "overloaded");
  else answerReader(state, reader, null);
}

function refuseReads(state: CoreState, readIds: readonly number[], reason: RefusalReason): void {
  for (const readId of readIds) state.output.reads.push({ kind: "refused", readId, reason });
}
