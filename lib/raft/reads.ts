/**
 * Linearizable reads without writing to the log (Raft dissertation §6.4, ReadIndex), on every node:
 * the leader confirms that it leads, a follower asks it to.
 *
 * @module
 */

import { READ_BATCHES_MAX, WAITING_READS_MAX } from "./config.ts";
import type { ReadIndexRequest, ReadIndexResponse, RefusalReason } from "./message.ts";
import { quorumValue } from "./quorum.ts";
import type { Reader } from "./leader_reads.ts";
import { answerReader } from "./reader_answers.ts";
import type { Leader } from "./role.ts";
import type { RaftState } from "./state.ts";

/** Clients of this node want to read. All of one step share one confirmation. */
export function read(state: RaftState, readIds: readonly number[]): void {
  if (state.role.name === "leader") {
    for (const readId of readIds) addReader(state, state.role, { kind: "local", readId });
    return;
  }
  const leader = state.certificate?.leader;
  if (leader === undefined) return refuseReads(state, readIds, "noLeader");
  state.send({
    kind: "readIndexRequest",
    from: state.self,
    to: leader,
    term: state.currentTerm,
    incarnation: state.config.incarnation,
    batchId: state.forwarded.addReads(readIds),
  });
}

/** A follower wants a read index. */
export function handleReadIndexRequest(state: RaftState, message: ReadIndexRequest): void {
  const { from, incarnation, batchId } = message;
  const reader: Reader = { kind: "remote", from, incarnation, batchId };
  if (state.role.name === "leader") addReader(state, state.role, reader);
  else answerReader(state, reader, null);
}

/** The leader's answer to this node's batch of reads. */
export function handleReadIndexResponse(state: RaftState, message: ReadIndexResponse): void {
  if (message.incarnation !== state.config.incarnation) return;
  const readIds = state.forwarded.takeReads(message.batchId);
  const { readIndex } = message;
  if (readIndex === null) return refuseReads(state, readIds, "notLeader");
  for (const readId of readIds) state.output.reads.push({ kind: "ready", readId, readIndex });
}

/**
 * Puts the waiting reads into a round, if there are any and this term's no-op is committed: before
 * that, the leader does not know which of its predecessors' entries are (dissertation §6.4, step 1).
 */
export function startReadRound(state: RaftState, leader: Leader): void {
  const { reads } = leader;
  if (reads.waiting.length === 0 || reads.batchCount >= READ_BATCHES_MAX) return;
  if (state.log.termAt(state.commitIndex) !== state.currentTerm) return;
  reads.startBatch(leader.rounds.begin(state.nowTick), state.commitIndex);
  confirmReads(state, leader);
}

/** Answers the reads whose round a majority, this node included, has answered. */
export function confirmReads(state: RaftState, leader: Leader): void {
  const acked = [...leader.followers.values()].map((follower) => follower.ackedRound);
  const confirmedRound = quorumValue([...acked, leader.rounds.current], state.majority);
  for (const batch of leader.reads.takeConfirmed(confirmedRound)) {
    for (const reader of batch.readers) answerReader(state, reader, batch.readIndex);
  }
}

function addReader(state: RaftState, leader: Leader, reader: Reader): void {
  if (leader.reads.waiting.length < WAITING_READS_MAX) leader.reads.waiting.push(reader);
  else if (reader.kind === "local") refuseReads(state, [reader.readId], "overloaded");
  else answerReader(state, reader, null);
}

function refuseReads(state: RaftState, readIds: readonly number[], reason: RefusalReason): void {
  for (const readId of readIds) state.output.reads.push({ kind: "refused", readId, reason });
}
