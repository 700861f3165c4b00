/**
 * The voter (Raft §5.2, §5.4.1). Its pre-vote brings a nonce commitment, FROST's round one. Its vote and
 * its signature share, round two, stand or fall together.
 *
 * The order of round two keeps both promises through a crash: the nonce leaves its pool, the vote becomes
 * durable, the share is computed and the nonce erased, and only then is the answer sent.
 *
 * @module
 */

import { CertificateError, type NonceTicket, type SigningRequest } from "../certificate/mod.ts";
import { catching } from "../errors.ts";
import { type Epoch, type NodeId, plus } from "../types.ts";
import type { PreVoteRequest, VoteRequest } from "./message.ts";
import type { CoreState } from "./state.ts";
import type { RaftView } from "./view.ts";

/**
 * Answers a pre-vote. The voter only reserves a nonce and signs a grant, so a node that cannot win does not
 * disturb the cluster. A candidate that proves a higher term raises the voter's term.
 */
export function handlePreVoteRequest(state: CoreState, message: PreVoteRequest): void {
  const { from: candidate, term, epoch, proof } = message;
  state.cluster.learnNewer(message);
  if (!state.cluster.has(candidate)) return tellRemoved(state, message);
  // Dissertation §4.2.3: while a leader is heard, no other is needed.
  if (!mayHelp(state, message)) return keepForTransfer(state, message);
  const isAhead = term > state.currentTerm + 1;
  if (isAhead && !state.adoptTerm(candidate, { term: plus(term, -1), proof })) return;
  const asked = { term, candidate };
  const isPossible = term === state.currentTerm + 1 &&
    state.log.isUpToDate({ index: message.lastLogIndex, term: message.lastLogTerm });
  if (!isPossible) return refusePreVote(state, message);
  const certifier = state.epochs.signing(epoch);
  if (certifier?.voters.includes(candidate) !== true) return refusePreVote(state, message);
  // A voter that cannot check the other voters' grants yet is shown all statements when the candidate asks again.
  if (state.cluster.membershipsKnown < message.sequence) return;
  if (!mayPledge(state, message)) return;
  state.send({
    kind: "preVoteResponse",
    from: state.self,
    to: candidate,
    term,
    granted: true,
    grant: state.epochs.signGrant(epoch, asked),
    commitment: certifier.commit(asked),
    incarnation: state.config.incarnation,
    proof: null,
    memberships: [],
  });
}

/** Tells a node that is not a member so, at any time. It then no longer stands. */
function tellRemoved(state: CoreState, message: PreVoteRequest): void {
  state.refuse(message.from, "pre-vote of no member of this cluster");
  if (state.cluster.certificatesAfter(message.sequence).length > 0) refusePreVote(state, message);
}

/** Answers a transfer target whose request arrived before the leader's message about the transfer. */
export function answerEarlyRequest(state: CoreState): void {
  const { transferTarget } = state.voterPromise;
  const request = transferTarget === null ? undefined : state.earlyRequests.get(transferTarget);
  if (transferTarget === null || request === undefined) return;
  state.earlyRequests.delete(transferTarget);
  handlePreVoteRequest(state, request);
}

function keepForTransfer(state: CoreState, message: PreVoteRequest): void {
  if (message.transfer) state.earlyRequests.set(message.from, message);
}

/** Sends what the candidate lacks, so that it catches up with one message: a term's proof, memberships. */
function refusePreVote(
  state: CoreState,
  { term, from: to, sequence }: PreVoteRequest,
): void {
  state.send({
    kind: "preVoteResponse",
    from: state.self,
    to,
    term: state.currentTerm,
    granted: false,
    grant: null,
    commitment: null,
    incarnation: state.config.incarnation,
    proof: state.currentTerm < term ? null : state.proof,
    memberships: state.cluster.certificatesAfter(sequence),
  });
}

/** Whether the candidate gets this voter's pledge. If not, it gets no answer, and asks again. */
function mayPledge(state: CoreState, message: PreVoteRequest): boolean {
  const { from: candidate, term, transfer } = message;
  const asked = { term, candidate, nowTick: state.nowTick };
  if (transfer && isTransferTarget(state, message)) {
    state.turns.pledgeAtOnce(asked);
    return true;
  }
  return state.turns.isSilentFor(asked) &&
    state.turns.pledge(asked, { givesWay: precedes(message, state) });
}

/** Of two simultaneous candidates, the one with the longer log continues; of equal ones, the lower id. */
function precedes(other: PreVoteRequest, { log: { last }, self }: CoreState): boolean {
  if (other.lastLogTerm !== last.term) return other.lastLogTerm > last.term;
  if (other.lastLogIndex !== last.index) return other.lastLogIndex > last.index;
  return other.from < self;
}

/** Applies the vote rule to a candidate's request. */
export function handleVoteRequest(state: CoreState, message: VoteRequest): void {
  state.cluster.learnEpoch(message.proof);
  const certifier = state.epochs.signing(message.epoch);
  if (certifier?.voters.includes(message.from) !== true) {
    return state.refuse(message.from, `vote request of epoch ${message.epoch}`);
  }
  // Dissertation §4.2.3: while a leader is heard, a request for its removal is not even noticed.
  if (!mayHelp(state, message)) return;
  // A leader forgets its transfer target when it enters the new term.
  const isHandedOver = message.transfer && isTransferTarget(state, message);
  state.adoptTerm(message.from, message);
  if (message.term > state.currentTerm) return;
  if (!mayVoteFor(state, message)) return refuseVote(state, message);
  if (!hasOpened(state, message)) return;
  // A voter that is pledged to another, or must wait longer, does not answer; the candidate asks again.
  if (!isHandedOver && !isTurnOf(state, message)) return;
  const isFirst = state.votedFor === null;
  const { epoch, lastLogIndex: index, lastLogTerm } = message;
  state.votedForStatement = { epoch, index, term: lastLogTerm };
  castVote(state, {
    candidate: message.from,
    epoch: message.epoch,
    session: message.session,
    request: message.commitments.length === 0 ? null : signingRequest(message),
  });
  // Only for a new vote: a candidate that asks repeatedly and never wins must not delay this node.
  if (isFirst) state.resetElectionTimer();
}

/** A refusal brings the proof of a term that the candidate lacks. */
function refuseVote(state: CoreState, message: VoteRequest): void {
  state.sendAfterPersist({
    kind: "voteResponse",
    from: state.self,
    to: message.from,
    term: state.currentTerm,
    requestTerm: message.term,
    granted: false,
    session: message.session,
    share: null,
    commitment: null,
    incarnation: state.config.incarnation,
    proof: state.currentTerm > message.term ? state.proof : null,
  });
}

/**
 * Whether the grants are the candidate's own. If another candidate opened the term, the first to ask does
 * not get the vote.
 */
function hasOpened(state: CoreState, { from, term, proof }: VoteRequest): boolean {
  if (state.votedFor === from) return true;
  if (proof?.kind !== "grants" || proof.candidate !== from || proof.term !== term) {
    state.refuse(from, `vote request without grants for term ${term}`);
    return false;
  }
  const known = state.proof;
  const isVerified = known?.kind === "grants" && known.candidate === from;
  return isVerified || state.verify(from, proof) !== null;
}

function isTurnOf(state: CoreState, { from: candidate, term }: VoteRequest): boolean {
  return state.votedFor === candidate ||
    state.turns.mayVote({ term, candidate, nowTick: state.nowTick });
}

/** One vote, for a candidate or for this node itself. */
interface Vote {
  /** The candidate that gets the vote. */
  readonly candidate: NodeId;
  /** The epoch whose shares sign. */
  readonly epoch: Epoch;
  /** The candidate's signing session. */
  readonly session: number;
  /** What to sign, and the other signers; null when no share is asked for. */
  readonly request: SigningRequest | null;
}

/** Takes the nonce and records the vote; `election.ts` answers once the vote is durable. */
export function castVote(state: CoreState, vote: Vote): void {
  const ticket = vote.request === null ? null : takeNonce(state, vote.candidate, vote.request);
  if (state.votedFor !== vote.candidate) {
    const term = state.currentTerm;
    state.output.events.push({ kind: "voteGranted", term, candidate: vote.candidate });
  }
  state.vote(vote.candidate);
  state.pendingVotes.add({
    candidate: vote.candidate,
    term: state.currentTerm,
    session: vote.session,
    epoch: vote.epoch,
    ticket,
    sequence: state.durability.hardStateSequence,
  });
}

/** Raft §5.2 and §5.4.1, with the statement's term: one candidate a term, and an up-to-date log. */
function mayVoteFor(state: CoreState, message: VoteRequest): boolean {
  return message.term === state.currentTerm && message.term > 0 &&
    (state.votedFor === null || state.votedFor === message.from) &&
    (state.certificate === null || state.certificate.leader === message.from) &&
    isSameStatement(state, message) &&
    state.log.isUpToDate({ index: message.lastLogIndex, term: message.lastLogTerm });
}

/**
 * A candidate's log and epoch do not change within its term: it gets shares for one statement only. A voter that
 * restarted since its vote does not know any more which one that was, and so signs none.
 */
function isSameStatement(
  { votedFor, votedForStatement: signed }: CoreState,
  message: VoteRequest,
): boolean {
  if (signed === null) return votedFor === null;
  return signed.epoch === message.epoch && signed.index === message.lastLogIndex &&
    signed.term === message.lastLogTerm;
}

/** The statement's fields, from the typed fields of the request and never from signed bytes. */
function signingRequest(message: VoteRequest): SigningRequest {
  return {
    election: {
      epoch: message.epoch,
      term: message.term,
      leader: message.from,
      lastLogIndex: message.lastLogIndex,
      lastLogTerm: message.lastLogTerm,
    },
    commitments: message.commitments,
  };
}

/**
 * A request that cannot be signed still gets the vote, with a fresh commitment. So the candidate can open a
 * session that can be signed. The usual case is a voter that restarted between the rounds and lost its
 * nonces.
 */
function takeNonce(
  state: CoreState,
  candidate: NodeId,
  request: SigningRequest,
): NonceTicket | null {
  const { epoch } = request.election;
  const take = () => state.epochs.signing(epoch)?.takeNonce(request) ?? null;
  return catching(CertificateError, take, (error) => {
    state.refuse(candidate, error.message);
    return null;
  });
}

/** What a voter promised to the last leader that it heard. */
export interface VoterPromise {
  /**
   * When it heard that leader. A voter that restarts in a term assumes the time of the restart, because it may
   * have made a promise just before. Null in a run that knows of no leader.
   */
  heardTick: number | null;
  /** The transfer target of that leader, as last heard. */
  transferTarget: NodeId | null;
  /** The only term for which that target may be helped: the one after the leader's own. */
  transferTerm: number;
  /** The newest round of that leader that was heard; 0 before the first. */
  round: number;
}

/** Whether this node may help the sender to be elected. If not, it ignores the request. */
function mayHelp(state: RaftView, message: PreVoteRequest | VoteRequest): boolean {
  return !isBound(state) || (message.transfer && isTransferTarget(state, message));
}

/** Whether the leader transfers leadership to the sender: in the term after its own, and in no later term. */
function isTransferTarget(
  { role, voterPromise, currentTerm }: RaftView,
  { from, term }: PreVoteRequest | VoteRequest,
): boolean {
  if (role.name === "leader") return role.transfer?.target === from && term === currentTerm + 1;
  return voterPromise.transferTarget === from && term === voterPromise.transferTerm;
}

/** Whether the promise holds. A leader is bound to itself, because it steps down without a quorum. */
export function isBound(state: RaftView): boolean {
  if (state.role.name === "leader") return true;
  const { heardTick } = state.voterPromise;
  return heardTick !== null && state.nowTick - heardTick < state.config.electionTimeoutTicks;
}
