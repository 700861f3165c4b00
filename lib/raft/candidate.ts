/**
 * The candidate (Raft §5.2): asks for votes and signature shares together, and leads only once the
 * shares make a certificate.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { CertificateError } from "../certificate/error.ts";
import type { NodeId } from "../types.ts";
import { becomeLeader } from "./leader.ts";
import type { VoteResponse } from "./message.ts";
import type { Candidate, PreCandidate } from "./role.ts";
import { type CoordinatedSession, SigningCoordinator } from "./signing_coordinator.ts";
import type { CoreState } from "./state.ts";
import { castVote } from "./voter.ts";

/** Raises the term, votes for itself and opens the first signing session with those who granted. */
export function becomeCandidate(state: CoreState, preCandidate: PreCandidate): void {
  const { certifier } = state.config;
  state.advanceTerm(preCandidate.askedTerm);
  const election = {
    epoch: certifier.epoch,
    term: state.currentTerm,
    leader: state.self,
    lastLogIndex: state.log.last.index,
    lastLogTerm: state.log.last.term,
  };
  const candidate: Candidate = {
    name: "candidate",
    transfer: preCandidate.transfer,
    signing: new SigningCoordinator({
      election,
      certifier,
      commitments: preCandidate.grants,
      suspects: state.suspects,
    }),
    answers: new Map([[state.self, "granted"]]),
  };
  state.vote(state.self);
  state.changeRole(candidate);
  state.resetElectionTimer();
  const session = assertDefined(openSession(state, candidate), "The grants suffice for a session");
  const signers = session.request.commitments.map((entry) => entry.voter);
  state.output.events.push({ kind: "electionStarted", term: state.currentTerm, signers });
}

/** Counts a vote, its share and the voter's next commitment. */
export function handleVoteResponse(state: CoreState, message: VoteResponse): void {
  const candidate = state.role;
  if (candidate.name !== "candidate" || state.adoptTerm(message)) return;
  if (message.term !== state.currentTerm) return;
  if (!message.granted) {
    countRefusal(state, candidate, message.from);
    return;
  }
  candidate.answers.set(message.from, "granted");
  offerCommitment(state, candidate, message);
  if (message.share === null) {
    countDecline(state, candidate, message);
  } else {
    addShare(state, candidate, { ...message, share: message.share });
  }
  if (state.role === candidate) reopenIfStuck(state, candidate);
}

/** Whether a voter's commitment can be signed with; where it cannot, the message does not fit. */
export function acceptCommitment(
  state: CoreState,
  voter: NodeId,
  commitment: Uint8Array,
): boolean {
  try {
    state.config.certifier.checkCommitment(voter, commitment);
    return true;
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    state.refuse(voter, error.message);
    return false;
  }
}

/** This node's own vote is durable: adds the share that goes with it. */
export function addOwnShare(state: CoreState, session: number, share: Uint8Array): void {
  const candidate = state.role;
  if (candidate.name !== "candidate") return;
  addShare(state, candidate, { from: state.self, session, share });
  if (state.role === candidate) reopenIfStuck(state, candidate);
}

/** Opens another session when the newest one failed or its shares are overdue. */
export function reopenIfStuck(state: CoreState, candidate: Candidate): void {
  const latest = assertDefined(candidate.signing.latest, "A candidate has a session");
  const overdue = state.nowTick - latest.openedTick >= state.config.signingTimeoutTicks;
  if (latest.status === "open" && !overdue) return;
  const missing = [...candidate.signing.owing()];
  const session = openSession(state, candidate);
  if (session === null) return;
  state.output.events.push({
    kind: "signingSessionOpened",
    term: state.currentTerm,
    session: session.number,
    missing,
  });
}

/** Asks again those who owe a share or have not answered at all; their request may have been lost. */
export function askSilentVoters(state: CoreState, candidate: Candidate): void {
  for (const voter of state.peers) {
    const session = candidate.signing.sessionOwedBy(voter);
    if (session !== null || !candidate.answers.has(voter)) {
      sendVoteRequest(state, candidate, voter, session);
    }
  }
}

/** Raft §5.2: a candidate that too many refuse cannot win in this term and waits for the next. */
function countRefusal(state: CoreState, candidate: Candidate, voter: NodeId): void {
  candidate.answers.set(voter, "refused");
  const refusals = [...candidate.answers.values()].filter((answer) => answer === "refused");
  const { threshold, voters } = state.config.certifier;
  if (refusals.length > voters.length - threshold) state.becomeFollower();
}

/** A voter that restarted has lost its nonce, once; one that declines again withholds its share. */
function countDecline(state: CoreState, candidate: Candidate, message: VoteResponse): void {
  const { from: voter, session } = message;
  if (!candidate.signing.decline(voter, session)) return;
  state.output.events.push({ kind: "shareWithheld", term: state.currentTerm, voter });
}

/** One unused commitment is enough: to check more costs time that a liar must not have. */
function offerCommitment(state: CoreState, candidate: Candidate, message: VoteResponse): void {
  if (message.commitment === null || candidate.signing.hasOffer(message.from)) return;
  if (!acceptCommitment(state, message.from, message.commitment)) return;
  candidate.signing.offer(message.from, message.commitment);
}

interface Share {
  readonly from: NodeId;
  readonly session: number;
  readonly share: Uint8Array;
}

function addShare(state: CoreState, candidate: Candidate, share: Share): void {
  const complete = candidate.signing.addShare(share.from, share.session, share.share);
  if (complete === null) return;
  const result = state.config.certifier.combine(complete.request, complete.shares);
  if (result.kind === "certificate") return becomeLeader(state, result.certificate);
  candidate.signing.exclude(complete, result.voters);
  for (const voter of result.voters) {
    state.output.events.push({ kind: "cheaterFound", term: state.currentTerm, voter });
  }
}

function openSession(state: CoreState, candidate: Candidate): CoordinatedSession | null {
  const { certifier } = state.config;
  const { signing } = candidate;
  if (!signing.hasOffer(state.self)) {
    const own = certifier.commit({ term: state.currentTerm, candidate: state.self });
    signing.offer(state.self, own);
  }
  const session = signing.open(state.nowTick);
  if (session === null) return null;
  const signers = new Set(session.request.commitments.map((entry) => entry.voter));
  for (const voter of state.peers) {
    // Voters outside the session are asked once, for their vote and a commitment in reserve.
    if (signers.has(voter)) sendVoteRequest(state, candidate, voter, session);
    else if (session.number === 1) sendVoteRequest(state, candidate, voter, null);
  }
  castVote(state, {
    candidate: state.self,
    session: session.number,
    request: session.request,
  });
  return session;
}

function sendVoteRequest(
  state: CoreState,
  candidate: Candidate,
  to: NodeId,
  session: CoordinatedSession | null,
): void {
  const { epoch, lastLogIndex, lastLogTerm } = candidate.signing.election;
  // Not before this node's own vote is durable: it must never ask for another term's votes twice.
  state.sendAfterPersist({
    kind: "voteRequest",
    from: state.self,
    to,
    term: state.currentTerm,
    epoch,
    lastLogIndex,
    lastLogTerm,
    transfer: candidate.transfer,
    session: session?.number ?? 0,
    commitments: session?.request.commitments ?? [],
  });
}
