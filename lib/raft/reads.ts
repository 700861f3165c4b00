/**
 * Linearizable reads without a write to the log (Raft dissertation §6.4, ReadIndex), on every node. The
 * leader confirms that it leads; a follower requests that.
 *
 * @module
 */

import type { LogIndex, NodeId } from "../types.ts";
import { LEASE_SHARE } from "./config.ts";
import type { ReadIndexRequest, ReadIndexResponse, RefusalReason } from "./message.ts";
import type { Leader } from "./role.ts";
import { answerReader, type Reader } from "./readers.ts";
import type { CoreState } from "./state.ts";
import type { LeaderView, RaftView } from "./view.ts";

/**
 * Reads of this node's clients, all with or all without `lease`. The reads of one step share one
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

/** Repeats overdue requests to the leader: the request or the answer may be lost. */
export function repeatReads(state: CoreState): void {
  if (state.leader === null) return;
  for (const batch of state.forwarded.readBatches()) askForReadIndex(state, state.leader, batch);
}

/** A request to the leader did not leave. */
export function readsUnsent(state: CoreState, message: ReadIndexRequest): void {
  refuseReads(state, state.forwarded.takeReads(message.batchId), "noLeader");
}

/** A follower requests a read index. */
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
 * Begins a round for the waiting reads. One is on its way at a time: the reads that come meanwhile share the
 * next one, or that of a heartbeat.
 */
export function startReadRound(state: CoreState, leader: Leader): void {
  if (leader.reads.areUnderWay || !mayConfirmReads(state, leader)) return;
  leader.rounds.begin(state.nowTick);
  joinRound(state, leader);
}

/** A heartbeat begins: the waiting reads take part in its round. */
export function joinHeartbeat(state: CoreState, leader: Leader): void {
  if (mayConfirmReads(state, leader)) joinRound(state, leader);
}

/**
 * Reads are confirmed once this term's no-op is committed. Before that, the leader does not know which of
 * its predecessors' entries are committed (dissertation §6.4, step 1).
 */
function mayConfirmReads(state: CoreState, { reads }: Leader): boolean {
  return reads.areWaiting && hasCommittedOwnEntry(state);
}

function joinRound(state: CoreState, leader: Leader): void {
  leader.reads.startBatch(leader.rounds.current, state.commitIndex);
  confirmReads(state, leader);
}

/** Answers the reads whose round a majority answered; this node counts. */
export function confirmReads(state: CoreState, leader: Leader): void {
  const { members, self } = state;
  const confirmedRound = members.quorumValue((voter) =>
    voter === self ? leader.rounds.current : leader.followers.get(voter)?.rounds.answered ?? 0
  );
  for (const batch of leader.reads.takeConfirmed(confirmedRound)) {
    for (const reader of batch.readers) answerReader(state, reader, batch.readIndex);
  }
}

/** Dissertation §6.4, step 1: then the leader knows all that its predecessors committed. */
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

/** Readers that are confirmed by one round. */
export interface ReadBatch {
  /** The round that must be answered by a quorum. */
  readonly round: number;
  /** The commit index when the round began. */
  readonly readIndex: LogIndex;
  /** The readers that wait. */
  readonly readers: readonly Reader[];
}

/**
 * A leader's reads: those without a round, and those whose round is unconfirmed; at most `readersMax`
 * together.
 */
export class LeaderReads {
  #waiting: Reader[] = [];
  #batches: ReadBatch[] = [];
  #size = 0;
  readonly #readersMax: number;

  /** Begins without readers. */
  constructor(readersMax: number) {
    this.#readersMax = readersMax;
  }

  /** Whether any reader has no round yet. */
  get areWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Whether a round is unconfirmed. */
  get areUnderWay(): boolean {
    return this.#batches.length > 0;
  }

  /** Adds a reader, which waits for the next round. @returns false when there are too many. */
  add(reader: Reader): boolean {
    if (this.#size >= this.#readersMax) return false;
    this.#size++;
    this.#waiting.push(reader);
    return true;
  }

  /** Puts all waiting readers into one batch, to be confirmed by `round`. */
  startBatch(round: number, readIndex: LogIndex): void {
    this.#batches.push({ round, readIndex, readers: this.#waiting });
    this.#waiting = [];
  }

  /** Removes and returns the batches that are confirmed when a quorum has answered `round`. */
  takeConfirmed(round: number): readonly ReadBatch[] {
    const unconfirmed = this.#batches.findIndex((batch) => batch.round > round);
    const count = unconfirmed === -1 ? this.#batches.length : unconfirmed;
    const confirmed = this.#batches.splice(0, count);
    for (const { readers } of confirmed) this.#size -= readers.length;
    return confirmed;
  }

  /** Removes and returns every reader, for a leader that no longer leads. */
  takeAll(): readonly Reader[] {
    const readers = [...this.#batches.flatMap((batch) => batch.readers), ...this.#waiting];
    this.#batches = [];
    this.#waiting = [];
    this.#size = 0;
    return readers;
  }
}

/** The newest tick at which a majority, this node included, is known to have followed. */
export function quorumContactTick(state: RaftView, leader: LeaderView): number {
  const { members, self, nowTick } = state;
  return members.quorumValue((voter) =>
    voter === self ? nowTick : leader.followers.get(voter)?.rounds.answeredSentTick ?? 0
  );
}

/** Whether the lease permits reads without a round. */
export function hasLease(state: RaftView, leader: LeaderView): boolean {
  if (leader.isLeaseWaived) return false;
  const { members, self, nowTick } = state;
  // A follower that has not answered yet has promised nothing, although the quorum check counts it for a while.
  const endTick = members.quorumValue((voter) => {
    const rounds = leader.followers.get(voter)?.rounds;
    const contactTick = voter === self
      ? nowTick
      : rounds?.answered
      ? rounds.answeredSentTick
      : -Infinity;
    if (contactTick <= leader.leaseBrokenTick) return -Infinity;
    return contactTick + leaseTicksOf(state, rounds?.promiseTicks ?? Infinity);
  });
  return nowTick < endTick;
}

/**
 * How much of a voter's promise a leader relies on. A voter's election timeout may be shorter than the leader's,
 * while an operator changes them: then so is its promise.
 */
function leaseTicksOf({ config }: RaftView, promiseTicks: number): number {
  // A voter may have made its promise just before a tick, so one tick is subtracted.
  const promisedTicks = Math.min(promiseTicks, config.electionTimeoutTicks) - 1;
  const leaseTicks = Math.floor(promisedTicks * LEASE_SHARE);
  return leaseTicks;
}

/** Ticks no longer tell how much time has passed: only later messages count for the lease. */
export function breakLease(state: CoreState): void {
  if (state.role.name === "leader") state.role.leaseBrokenTick = state.nowTick;
}
