/**
 * The leader (Raft §5.3, §5.4.2): brings every follower's log to its own, and commits what a majority
 * holds durably.
 *
 * @module
 */

import { assert, assertDefined } from "../assert.ts";
import { encodeUtf8 } from "../bytes.ts";
import type { Certificate } from "../certificate/mod.ts";
import { highest, type LogIndex, type NodeId, plus, type Term } from "../types.ts";
import { ENTRY_OVERHEAD_BYTES, FAREWELL_TIMEOUTS } from "./config.ts";
import { type Entry, LOG_START } from "./entry.ts";
import { TakenBatches } from "./forwarding.ts";
import type { AppendResponse } from "./message.ts";
import { Progress, Rounds } from "./progress.ts";
import {
  confirmReads,
  joinHeartbeat,
  LeaderReads,
  quorumContactTick,
  startReadRound,
} from "./reads.ts";
import type { Leader } from "./role.ts";
import { needsSnapshot, sendSnapshot } from "./snapshots.ts";
import type { CoreState } from "./state.ts";
import { OWN_TRANSFER, startTransfer, tellTarget, tickTransfer } from "./transfer.ts";

/** Begins to lead. The first entry of the term is the no-op of Raft §8 and holds the certificate. */
export function becomeLeader(state: CoreState, certificate: Certificate): void {
  assert(certificate.leader === state.self, "A node leads by its own certificate");
  assert(certificate.term === state.currentTerm, "A node leads in its certificate's term");
  const { nowTick, flowLimits } = state;
  const leader: Leader = {
    name: "leader",
    certificate,
    followers: new Map(
      state.peers.map((peer) => [peer, createProgress(state)]),
    ),
    rounds: new Rounds(2 * state.config.electionTimeoutTicks),
    reads: new LeaderReads(flowLimits.readersMax),
    heartbeatDueTicks: 0,
    leaseBrokenTick: nowTick - 1,
    isLeaseWaived: false,
    transfer: null,
    collection: null,
    words: new Map(),
    isLeaving: false,
    uncommittedBytes: 0,
  };
  state.changeRole(leader);
  state.takenBatches = new TakenBatches(state.currentTerm);
  state.certify(certificate);
  state.output.events.push({ kind: "electionWon", term: state.currentTerm, certificate });
  appendEntry(state, { kind: "certificate", data: encodeUtf8(certificate.note) });
  beginHeartbeat(state, leader);
}

/** Adds the next entry of this leader's term to its own log. */
export function appendEntry(state: CoreState, entry: Pick<Entry, "kind" | "data">): Entry {
  const index = plus(state.log.last.index, 1);
  const appended = { index, term: state.currentTerm, ...entry };
  state.log.append(appended);
  state.durability.logChangedFrom(index);
  return appended;
}

/** One tick of a leader: heartbeats, and the check that a quorum still answers. */
export function tickLeader(state: CoreState, leader: Leader): void {
  if (quorumContactTick(state, leader) <= state.nowTick - state.config.electionTimeoutTicks) {
    // Dissertation §6.2: without a quorum another node may lead already; clients must ask elsewhere.
    state.stepDown("no quorum answers");
    return;
  }
  adjustFollowers(state, leader);
  if (!leaveIfRemoved(state, leader)) return;
  tickTransfer(state, leader);
  leader.heartbeatDueTicks--;
  if (leader.heartbeatDueTicks <= 0) beginHeartbeat(state, leader);
}

/** Every member receives the log; a removed one for a while, so that it learns of its removal. */
export function adjustFollowers(state: CoreState, leader: Leader): void {
  const { members, nowTick, config: { electionTimeoutTicks } } = state;
  for (const peer of state.peers) {
    if (!leader.followers.has(peer)) leader.followers.set(peer, createProgress(state));
  }
  for (const [peer, follower] of leader.followers) {
    if (members.has(peer)) continue;
    follower.removedTick ??= nowTick;
    const passedTicks = nowTick - follower.removedTick;
    if (passedTicks >= FAREWELL_TIMEOUTS * electionTimeoutTicks) leader.followers.delete(peer);
  }
}

function createProgress({ log, nowTick, flowLimits: { inflight } }: CoreState): Progress {
  return new Progress({ nextIndex: plus(log.last.index, 1), nowTick, inflight });
}

/**
 * Dissertation §4.2.2: a leader that is none of the voters any more hands over, once that is committed, and
 * steps down where it cannot. A leader that was elected under the epoch before that of a configuration in its log
 * hands over, too, because nodes that know of the new epoch do not follow its certificate; where too few hold a
 * share of the new epoch, it leads on. Returns whether it leads on.
 */
function leaveIfRemoved(state: CoreState, leader: Leader): boolean {
  const { members, self } = state;
  if (members.isPending) return true;
  const isVoter = members.newest.voters.includes(self);
  if (isVoter && members.mayBeLedBy(leader.certificate)) return true;
  if (leader.transfer === null && !leader.isLeaving) {
    leader.isLeaving = true;
    startTransfer(state, { transferId: OWN_TRANSFER, target: null });
  }
  if (leader.transfer !== null || isVoter) return true;
  state.stepDown("it is no voter any more");
  return false;
}

/** Takes a follower's answer: how far its log matches, and that it still follows. */
export function handleAppendResponse(state: CoreState, message: AppendResponse): void {
  const leader = state.role;
  if (leader.name !== "leader") return;
  const { from, term, outcome } = message;
  const proof = outcome.kind === "staleTerm" ? outcome.proof : null;
  if (state.adoptTerm(from, { term, proof }) || outcome.kind === "staleTerm") return;
  const follower = leader.followers.get(message.from);
  if (follower === undefined) return;
  // In any term: without the certificate, the follower did not enter this one.
  if (message.outcome.kind === "uncertified") {
    follower.isCertified = false;
    follower.allowProbe();
    return;
  }
  if (message.term !== state.currentTerm) return;
  follower.isCertified = true;
  countRound(leader, follower, message);
  applyOutcome(state, { leader, follower, message });
  advanceCommit(state, leader);
  confirmReads(state, leader);
}

/** Raft §5.3 and §5.4.2: commits what a majority holds durably, by counting this term's entries. */
export function advanceCommit(state: CoreState, leader: Leader): void {
  const { members, self, durability: { durableIndex } } = state;
  // The leader's own copy counts like the others: once it is durable.
  const majorityIndex = members.quorumValue((voter) =>
    voter === self ? durableIndex : leader.followers.get(voter)?.matchIndex ?? LOG_START.index
  );
  if (majorityIndex <= state.commitIndex) return;
  if (state.log.termAt(majorityIndex) !== state.currentTerm) return;
  for (let index = plus(state.commitIndex, 1); index <= majorityIndex; index = plus(index, 1)) {
    const entry = assertDefined(state.log.entryAt(index), "Committed entries are kept");
    if (entry.term === state.currentTerm && entry.kind === "command") {
      leader.uncommittedBytes -= entry.data.length + ENTRY_OVERHEAD_BYTES;
    }
  }
  state.commitTo(majorityIndex);
}

/** At the end of a step: one message for each follower that needs one, or more if its entries are large. */
export function replicate(state: CoreState, leader: Leader): void {
  startReadRound(state, leader);
  for (const [peer, follower] of leader.followers) replicateTo(state, leader, { peer, follower });
  tellTarget(state, leader);
}

function beginHeartbeat(state: CoreState, leader: Leader): void {
  leader.rounds.beginHeartbeat(state.nowTick);
  leader.heartbeatDueTicks = state.config.heartbeatTicks;
  joinHeartbeat(state, leader);
  for (const follower of leader.followers.values()) follower.allowProbe();
  const { currentTerm: term, self } = state;
  state.output.events.push({ kind: "heartbeatSent", term, leader: self });
}

function countRound(
  leader: Leader,
  follower: Progress,
  { round, promiseTicks }: AppendResponse,
): void {
  if (round > leader.rounds.current) return;
  follower.rounds.noteAnswered(round, { sentTick: leader.rounds.sentTick(round), promiseTicks });
}

function applyOutcome(
  state: CoreState,
  { leader, follower, message }: {
    readonly leader: Leader;
    readonly follower: Progress;
    readonly message: AppendResponse;
  },
): void {
  const { outcome } = message;
  if (outcome.kind === "accepted") {
    if (outcome.matchIndex > state.log.last.index) {
      return state.refuse(message.from, `acknowledges entry ${outcome.matchIndex}, never sent`);
    }
    if (outcome.matchIndex > follower.matchIndex) {
      follower.matchRound = leader.rounds.current;
      follower.hasLostEntries = false;
    }
    follower.accepted(outcome.matchIndex);
  } else if (outcome.kind === "conflict") {
    const { from: peer, round } = message;
    if (round > follower.matchRound) noticeLoss(state, { peer, follower }, outcome.hintIndex);
    follower.conflicted({
      previousLogIndex: outcome.previousLogIndex,
      nextIndex: nextIndexAfterConflict(state, outcome),
    });
  }
}

/**
 * A request that was sent after the follower acknowledged so much matches there, or its log is not the one
 * that it had. Answers to earlier requests may come late and show nothing.
 */
function noticeLoss(
  state: CoreState,
  { peer, follower }: { readonly peer: NodeId; readonly follower: Progress },
  heldIndex: LogIndex,
): void {
  const { matchIndex: acknowledgedIndex } = follower;
  if (heldIndex >= acknowledgedIndex || follower.hasLostEntries) return;
  follower.hasLostEntries = true;
  const lost = { acknowledgedIndex, heldIndex };
  state.output.events.push({ kind: "followerLostEntries", peer, lost });
}

/** Raft §5.3: skips all entries of terms that the follower cannot have at the hint. */
function nextIndexAfterConflict(
  { log }: CoreState,
  hint: { readonly hintIndex: LogIndex; readonly hintTerm: Term },
): LogIndex {
  const match = log.highestPossibleMatch(hint.hintIndex, hint.hintTerm);
  // The follower's log differs from the log's base, or ends before it: it needs a snapshot.
  const isForgotten = match.index < log.base.index || match.term > hint.hintTerm;
  return isForgotten ? log.base.index : plus(match.index, 1);
}

function replicateTo(
  state: CoreState,
  leader: Leader,
  target: { readonly peer: NodeId; readonly follower: Progress },
): void {
  const { peer, follower } = target;
  const { append } = state.flowLimits;
  if (needsSnapshot(state, follower)) {
    sendSnapshot(state, leader, target);
  } else {
    while (follower.isReady && follower.nextIndex <= state.log.last.index) {
      const entries = state.log.slice(follower.nextIndex, state.log.last.index, append);
      sendAppend(state, leader, { peer, follower, entries });
    }
  }
  // A round is sent for its answer. A new commit index does not wait for the next round, but goes only to a
  // follower that can use it now, and is not too far behind.
  const takesCommit = follower.isCertified && follower.isReady && follower.snapshot === null;
  const { current, newestHeartbeat } = leader.rounds;
  const isNews = follower.rounds.sent < (follower.rounds.hasRoom ? current : newestHeartbeat) ||
    (takesCommit && follower.sentCommit < state.commitIndex);
  if (isNews) sendAppend(state, leader, { peer, follower, entries: [] });
}

function sendAppend(
  state: CoreState,
  leader: Leader,
  append: {
    readonly peer: NodeId;
    readonly follower: Progress;
    readonly entries: readonly Entry[];
  },
): void {
  const { peer, follower, entries } = append;
  // A follower that waits for a snapshot receives heartbeats, too. It answers that its log does not match at
  // the base, which is known.
  const previousLogIndex = highest(plus(follower.nextIndex, -1), state.log.base.index);
  state.send({
    kind: "appendRequest",
    from: state.self,
    to: peer,
    term: state.currentTerm,
    previousLogIndex,
    previousLogTerm: assertDefined(state.log.termAt(previousLogIndex), "The log reaches back"),
    entries,
    leaderCommit: state.commitIndex,
    matchIndex: follower.matchIndex,
    round: leader.rounds.current,
    certificate: follower.isCertified ? null : leader.certificate.note,
    transferTarget: leader.transfer?.target ?? null,
  });
  if (entries.length > 0) follower.sent(entries);
  follower.rounds.noteSent(leader.rounds.current);
  follower.sentCommit = state.commitIndex;
}
