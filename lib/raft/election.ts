/**
 * The pre-vote (Raft dissertation §9.6), which is also FROST's round one: before a node raises its
 * term it asks who would vote for it, and each grant brings the voter's nonce commitment.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { CertificateError } from "../certificate/mod.ts";
import type { NodeId, Term } from "../types.ts";
import type { PendingVote } from "./durability.ts";
import { acceptLeader } from "./follower.ts";
import { becomeLeader } from "./leader.ts";
import type {
  PreVoteRequest,
  PreVoteResponse,
  TimeoutNowRequest,
  VoteResponse,
} from "./message.ts";
import type { Candidate, PreCandidate } from "./role.ts";
import { type CoordinatedSession, SigningCoordinator } from "./signing_coordinator.ts";
import type { CoreState } from "./state.ts";
import { castVote, mayHelp } from "./voter.ts";

/** The leader asks this node to stand for election now. */
export function handleTimeoutNow(state: CoreState, message: TimeoutNowRequest): void {
  if (!acceptLeader(state, message)) return;
  if (state.lacksState) return;
  startPreVote(state, { transfer: true });
}

/** Asks for an election in the next term. The statement that voters would sign is fixed from here on. */
export function startPreVote(state: CoreState, options: { readonly transfer: boolean }): void {
  const { self } = state;
  const askedTerm = state.currentTerm + 1 as Term;
  const commitment = state.config.certifier.commit({ term: askedTerm, candidate: self });
  const role: PreCandidate = {
    name: "preCandidate",
    askedTerm,
    transfer: options.transfer,
    startedTick: state.nowTick,
    grants: new Map([[self, commitment]]),
  };
  state.changeRole(role);
  state.resetElectionTimer();
  state.output.events.push({ kind: "preVoteStarted", term: askedTerm });
  askPreVotes(state, role);
  becomeCandidateIfGranted(state, role);
}

/** Time passes without t grants: asks again, and then takes grants of whoever there is. */
export function tickPreCandidate(state: CoreState, role: PreCandidate): void {
  askPreVotes(state, role);
  becomeCandidateIfGranted(state, role);
}

/** Asks everyone who has not granted yet. */
function askPreVotes(state: CoreState, role: PreCandidate): void {
  const { index: lastLogIndex, term: lastLogTerm } = state.log.last;
  for (const to of state.peers) {
    if (role.grants.has(to)) continue;
    state.send({
      kind: "preVoteRequest",
      from: state.self,
      to,
      term: role.askedTerm,
      lastLogIndex,
      lastLogTerm,
      transfer: role.transfer,
    });
  }
}

/**
 * Answers a pre-vote. Nothing changes on the voter but that a nonce is set aside, so a node that
 * cannot win disturbs nobody.
 */
export function handlePreVoteRequest(state: CoreState, message: PreVoteRequest): void {
  // Dissertation §4.2.3: while a leader is heard, nobody needs another.
  if (!mayHelp(state, message)) return;
  if (!mayGiveCommitment(state, message)) return;
  const granted = state.canAdvanceTo(message.term) &&
    state.log.isUpToDate({ index: message.lastLogIndex, term: message.lastLogTerm });
  const candidate = message.from;
  state.send({
    kind: "preVoteResponse",
    from: state.self,
    to: candidate,
    // A refusal tells the voter's own term, so that a node with the longer log but a lower term
    // catches up with it rather than being refused for ever.
    term: granted ? message.term : state.currentTerm,
    granted,
    commitment: granted ? state.config.certifier.commit({ term: message.term, candidate }) : null,
  });
}

/** Counts a grant with its commitment; learns the term from a refusal. */
export function handlePreVoteResponse(state: CoreState, message: PreVoteResponse): void {
  const role = state.role;
  if (role.name !== "preCandidate") return;
  if (!message.granted) {
    state.adoptTerm(message);
    return;
  }
  if (message.term !== role.askedTerm) return;
  if (message.commitment === null) return state.refuse(message.from, "grant without commitment");
  if (!acceptCommitment(state, message.from, message.commitment)) return;
  role.grants.set(message.from, message.commitment);
  becomeCandidateIfGranted(state, role);
}

/**
 * To make a nonce commitment takes time that a liar must not have: a candidate gets one a tick. Asked
 * for the same term again, the certifier repeats it.
 */
function mayGiveCommitment(state: CoreState, { from, term }: PreVoteRequest): boolean {
  const last = state.commitmentsGiven.get(from);
  if (last?.tick === state.nowTick && last.term !== term) return false;
  state.commitmentsGiven.set(from, { tick: state.nowTick, term });
  return true;
}

/** Suspects do not count among the first t, unless nobody else grants within a session's time. */
function becomeCandidateIfGranted(state: CoreState, role: PreCandidate): void {
  const { signingTimeoutTicks, certifier } = state.config;
  const hasWaited = state.nowTick - role.startedTick >= signingTimeoutTicks;
  const granted = [...role.grants.keys()].filter((voter) =>
    hasWaited || !state.suspects.has(voter)
  );
  if (granted.length >= certifier.threshold) becomeCandidate(state, role);
}

/** Raises the term, votes for itself and opens the first signing session with those who granted. */
function becomeCandidate(state: CoreState, preCandidate: PreCandidate): void {
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
function acceptCommitment(
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
function addOwnShare(state: CoreState, session: number, share: Uint8Array): void {
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

/** Answers every vote that is durable by now, this node's own to itself included. */
export function answerDurableVotes(state: CoreState): void {
  const { durability, pendingVotes } = state;
  const isDurable = (sequence: number) => durability.isDurable(sequence);
  let votes = pendingVotes.takeDurable(isDurable);
  while (votes.length > 0) {
    for (const vote of votes) answer(state, vote);
    // An own share that exposes a cheater opens another session, with another own vote.
    votes = pendingVotes.takeDurable(isDurable);
  }
}

function answer(state: CoreState, vote: PendingVote): void {
  const { certifier } = state.config;
  const { candidate, term, session, ticket } = vote;
  const share = ticket === null ? null : certifier.sign(ticket);
  if (candidate === state.self) {
    if (share !== null) addOwnShare(state, session, share);
    return;
  }
  state.send({
    kind: "voteResponse",
    from: state.self,
    to: candidate,
    term,
    granted: true,
    session,
    share,
    commitment: certifier.commit({ term, candidate }),
  });
}
