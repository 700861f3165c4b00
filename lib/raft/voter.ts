/**
 * The voter (Raft §5.2, §5.4.1). Its pre-vote brings a nonce commitment, FROST's round one. Its vote and
 * its signature share, round two, stand or fall together.
 *
 * The order in round two is the one that keeps both promises through a crash: the nonce leaves its pool, the vote
 * becomes durable, the share is computed and the nonce erased, and only then does the answer leave.
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
 * Answers a pre-vote. Nothing changes on the voter but that a nonce is set aside and a grant signed, so
 * a node that cannot win disturbs nobody; only a candidate that is ahead, and proves it, takes the voter
 * along.
 */
export function handlePreVoteRequest(state: CoreState, message: PreVoteRequest): void {
  const { from: candidate, term, epoch, proof } = message;
  state.cluster.learnNewer(message);
  if (!state.cluster.has(candidate)) return tellRemoved(state, message);
  // Dissertation §4.2.3: while a leader is heard, nobody needs another.
  if (!mayHelp(state, message)) return keepForTransfer(state, message);
  const isAhead = term > state.currentTerm + 1;
  if (isAhead && !state.adoptTerm(candidate, { term: plus(term, -1), proof })) return;
  const asked = { term, candidate };
  const isPossible = term === state.currentTerm + 1 &&
    state.log.isUpToDate({ index: message.lastLogIndex, term: message.lastLogTerm });
  if (!isPossible) return refusePreVote(state, message);
  const certifier = state.epochs.signing(epoch);
  if (certifier?.voters.includes(candidate) !== true) return refusePreVote(state, message);
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

/** Who is no member is told so, whoever leads: it disturbs nobody, and stands no more. */
function tellRemoved(state: CoreState, message: PreVoteRequest): void {
  state.refuse(message.from, "pre-vote of no member of this cluster");
  if (state.cluster.certificatesAfter(message.sequence).length > 0) refusePreVote(state, message);
}

/** What came before the leader's own word that it hands over is answered once that is heard. */
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

/** Brings what the candidate lacks, so that it catches up with one message: a term's proof, memberships. */
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

/** Whether the candidate may have this voter's pledge; who may not now is not answered, and asks again. */
function mayPledge(state: CoreState, message: PreVoteRequest): boolean {
  const { from: candidate, term, transfer } = message;
  const asked = { term, candidate, nowTick: state.nowTick };
  if (transfer && isTransferTarget(state, candidate)) {
    state.turns.pledgeAtOnce(asked);
    return true;
  }
  return state.turns.isSilentFor(asked) &&
    state.turns.pledge(asked, { givesWay: precedes(message, state) });
}

/** Of two that stand at the same time, the one with the longer log goes on; else that of the lower id. */
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
  // A leader that hands over forgets to whom once it has entered the new term.
  const isHandedOver = message.transfer && isTransferTarget(state, message.from);
  state.adoptTerm(message.from, message);
  if (message.term > state.currentTerm) return;
  if (!mayVoteFor(state, message)) return refuseVote(state, message);
  if (!hasOpened(state, message)) return;
  // Who is pledged to another, or must wait longer, does not answer; the candidate asks again.
  if (!isHandedOver && !isTurnOf(state, message)) return;
  const isFirst = state.votedFor === null;
  state.votedForLogEnd = { index: message.lastLogIndex, term: message.lastLogTerm };
  castVote(state, {
    candidate: message.from,
    epoch: message.epoch,
    session: message.session,
    request: message.commitments.length === 0 ? null : signingRequest(message),
  });
  // Only to give the vote: a candidate that asks again and again and never wins must not keep this
  // node waiting.
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
 * Whether the grants are the candidate's own: a term that another opened is no reason to vote for
 * whoever asks first.
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
  /** Who gets the vote. */
  readonly candidate: NodeId;
  /** The epoch whose shares sign. */
  readonly epoch: Epoch;
  /** The candidate's signing session. */
  readonly session: number;
  /** What to sign and with whom; null when no share is asked for. */
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

/** A candidate's log does not change within its term: it gets shares for one statement only. */
function isSameStatement({ votedForLogEnd }: CoreState, message: VoteRequest): boolean {
  return votedForLogEnd === null ||
    (votedForLogEnd.index === message.lastLogIndex && votedForLogEnd.term === message.lastLogTerm);
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
 * A request that cannot be signed still gets the vote: with it goes a fresh commitment, which lets
 * the candidate open a session that can be signed. A voter that restarted between the rounds, and
 * so lost its nonces, is the ordinary case.
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

/** What a voter promised the leader that it heard last, however little it knows of it by now. */
export interface VoterPromise {
  /**
   * When it heard that leader. A voter that restarts in a term takes it for just now, as it may have
   * promised anything a moment before. Null in a life that knows of no leader.
   */
  heardTick: number | null;
  /** To whom that leader, when last heard, was handing over. */
  transferTarget: NodeId | null;
}

/** Whether this node may help the sender to be elected; if not, the request is not even noticed. */
function mayHelp(state: RaftView, message: PreVoteRequest | VoteRequest): boolean {
  return !isBound(state) || (message.transfer && isTransferTarget(state, message.from));
}

/** Whether the leader hands over to this node. */
function isTransferTarget({ role, voterPromise }: RaftView, node: NodeId): boolean {
  const target = role.name === "leader" ? role.transfer?.target : voterPromise.transferTarget;
  return target === node;
}

/** Whether the promise holds. A leader is bound to itself, as it steps down without a quorum. */
export function isBound(state: RaftView): boolean {
  if (state.role.name === "leader") return true;
  const { heardTick } = state.voterPromise;
  return heardTick !== null && state.nowTick - heardTick < state.config.electionTimeoutTicks;
}
