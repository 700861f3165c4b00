/**
 * The candidate (Raft §5.2), from its pre-vote (dissertation §9.6) on, which is also FROST's round one:
 * before a node raises its term it asks who would vote for it, and each grant brings the voter's nonce
 * commitment. What a voter does is in `voter.ts`.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";
import { CertificateError, type Certifier } from "../certificate/mod.ts";
import { catching } from "../errors.ts";
import { type NodeId, plus } from "../types.ts";
import type { ShownMembership } from "./cluster.ts";
import { GRANT_TIMEOUTS } from "./config.ts";
import type { PendingVote } from "./durability.ts";
import { acceptLeader } from "./follower.ts";
import { becomeLeader } from "./leader.ts";
import type { PreVoteResponse, TimeoutNowRequest, VoteResponse } from "./message.ts";
import type { Candidate, Following, PreCandidate, ReceivedGrant, Role } from "./role.ts";
import { type CoordinatedSession, SigningCoordinator } from "./signing_coordinator.ts";
import type { CoreState } from "./state.ts";
import { toGrantsProof } from "./term_proof.ts";
import { castVote } from "./voter.ts";

/** The leader asks this node to stand for election now. */
export function handleTimeoutNow(state: CoreState, message: TimeoutNowRequest): void {
  if (!acceptLeader(state, message)) return;
  if (state.mayStand) startPreVote(state, { toldRound: message.round });
}

/**
 * Asks for an election in the next term. The statement that voters would sign is fixed from here on.
 * `toldRound` is the leader's round with the request for this election; null without a request.
 */
export function startPreVote(
  state: CoreState,
  { toldRound }: { readonly toldRound: number | null },
): void {
  const { self, nowTick, epochs, cluster, config: { incarnation } } = state;
  const configuration = assertDefined(cluster.standing, "Who stands may stand");
  const { epoch } = configuration;
  const certifier = assertDefined(epochs.signing(epoch), "Who stands can sign");
  const askedTerm = plus(state.currentTerm, 1);
  const asked = { term: askedTerm, candidate: self };
  const signature = epochs.signGrant(epoch, asked);
  const own = { commitment: certifier.commit(asked), signature, incarnation, tick: nowTick };
  const role: PreCandidate = {
    name: "preCandidate",
    askedTerm,
    configuration,
    certifier,
    transfer: toldRound !== null,
    toldRound: toldRound ?? 0,
    startedTick: nowTick,
    following: toldRound !== null || state.service.isStalled ? followingOf(state.role) : null,
    grants: new Map([[self, own], ...keptGrants(state, { askedTerm, certifier })]),
  };
  state.turns.pledge({ ...asked, nowTick }, { givesWay: false });
  state.changeRole(role);
  state.resetElectionTimer();
  state.output.events.push({ kind: "preVoteStarted", term: askedTerm });
  askPreVotes(state, role, state.cluster.certificateOf(configuration));
  becomeCandidateIfGranted(state, role);
}

/** Without t grants after a while: asks again, shows more, and then accepts grants of suspects, too. */
export function tickPreCandidate(state: CoreState, role: PreCandidate): void {
  const { cluster, nowTick, config: { signingTimeoutTicks } } = state;
  if ((nowTick - role.startedTick) % signingTimeoutTicks !== 0) return;
  const turn = Math.floor(nowTick / signingTimeoutTicks);
  const shown = cluster.statementsOf(role.configuration, turn);
  for (const statement of shown) askPreVotes(state, role, statement);
  becomeCandidateIfGranted(state, role);
}

/** The grants of earlier attempts in this candidacy. They count even if their voters are pledged to others by now. */
function keptGrants(
  { role, self, nowTick, config }: CoreState,
  { askedTerm, certifier }: Pick<PreCandidate, "askedTerm" | "certifier">,
): readonly (readonly [NodeId, ReceivedGrant])[] {
  const isSame = role.name === "preCandidate" && role.askedTerm === askedTerm;
  if (!isSame || role.certifier !== certifier) return [];
  const keptTicks = GRANT_TIMEOUTS * config.electionTimeoutTicks;
  const isKept = (tick: number) => nowTick - tick < keptTicks;
  return [...role.grants].filter(([voter, { tick }]) => voter !== self && isKept(tick));
}

function followingOf(role: Role): Following | null {
  return role.name === "follower" || role.name === "preCandidate" ? role.following : null;
}

/** Asks every voter that has not granted yet, and shows it a statement. */
function askPreVotes(state: CoreState, role: PreCandidate, shown: ShownMembership): void {
  const { index: lastLogIndex, term: lastLogTerm } = state.log.last;
  for (const to of role.certifier.voters) {
    if (role.grants.has(to)) continue;
    state.send({
      kind: "preVoteRequest",
      from: state.self,
      to,
      term: role.askedTerm,
      lastLogIndex,
      lastLogTerm,
      transfer: role.transfer,
      epoch: role.certifier.epoch,
      ...shown,
      proof: state.proof,
    });
  }
}

/** Counts a grant with its commitment; learns the term from a refusal. */
export function handlePreVoteResponse(state: CoreState, message: PreVoteResponse): void {
  const role = state.role;
  if (role.name !== "preCandidate") return;
  if (!message.granted) {
    state.cluster.learn(message.memberships);
    state.adoptTerm(message.from, message);
    return;
  }
  if (message.term !== role.askedTerm || role.grants.has(message.from)) return;
  const received = acceptGrant(state, role, message);
  if (received === null) return;
  role.grants.set(message.from, received);
  becomeCandidateIfGranted(state, role);
}

/** The grant, if its signature is the voter's and its commitment is valid; else null. */
function acceptGrant(
  state: CoreState,
  { certifier }: PreCandidate,
  message: PreVoteResponse,
): ReceivedGrant | null {
  const { from, term, grant: signature, commitment, incarnation } = message;
  if (signature === null || commitment === null) {
    state.refuse(from, "grant without signature or commitment");
    return null;
  }
  const grant = { term, candidate: state.self };
  if (!state.epochs.verifyGrant(certifier.epoch, { voter: from, grant, signature })) {
    state.refuse(from, "the grant is not its own");
    return null;
  }
  return acceptCommitment(state, certifier, { voter: from, commitment })
    ? { signature, commitment, incarnation, tick: state.nowTick }
    : null;
}

/**
 * Suspects do not count among the first t, unless no other voter grants within a session's time. A node that
 * gave way to another meanwhile still continues with t grants: t - 1 other voters are pledged to it, so the
 * other candidate has too few.
 */
function becomeCandidateIfGranted(state: CoreState, role: PreCandidate): void {
  const { config: { signingTimeoutTicks }, cluster } = state;
  if (role.certifier.epoch !== cluster.standing?.epoch) {
    // During a transfer, the leader's entries still arrive.
    return state.changeRole({ name: "follower", following: role.following });
  }
  const hasWaited = state.nowTick - role.startedTick >= signingTimeoutTicks;
  const granted = [...role.grants.keys()].filter((voter) =>
    hasWaited || !state.suspects.has(voter)
  );
  if (granted.length >= role.certifier.threshold) becomeCandidate(state, role);
}

/** Raises the term, votes for itself and opens the first signing session with those who granted. */
function becomeCandidate(state: CoreState, preCandidate: PreCandidate): void {
  const { certifier, configuration, askedTerm: term } = preCandidate;
  const { self, cluster } = state;
  const { membership } = cluster.certificateOf(configuration);
  const opened = { term, candidate: self, certifier, membership };
  state.enterTerm(toGrantsProof(opened, preCandidate.grants));
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
      offers: preCandidate.grants,
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
  if (candidate.name !== "candidate" || state.adoptTerm(message.from, message)) return;
  // An answer to another term's request does not count for this one, whatever the voter's term is.
  if (message.requestTerm !== state.currentTerm || message.term !== state.currentTerm) return;
  if (!message.granted) {
    countRefusal(state, candidate, message.from);
    return;
  }
  if (!candidate.signing.certifier.voters.includes(message.from)) return;
  candidate.answers.set(message.from, "granted");
  // The share first: after the last one, no further commitment needs a check.
  if (message.share !== null) addShare(state, candidate, { ...message, share: message.share });
  if (state.role !== candidate) return;
  offerCommitment(state, candidate, message);
  if (message.share === null) countDecline(state, candidate, message);
  reopenIfStuck(state, candidate);
}

/** Whether a voter's commitment is valid. If not, the message is refused. */
function acceptCommitment(
  state: CoreState,
  certifier: Certifier,
  { voter, commitment }: { readonly voter: NodeId; readonly commitment: Uint8Array },
): boolean {
  return catching(CertificateError, () => {
    certifier.checkCommitment(voter, commitment);
    return true;
  }, (error) => {
    state.refuse(voter, error.message);
    return false;
  });
}

/** This node's own vote is durable: adds its share. */
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

/** Repeats the request to voters that owe a share or have not answered; it may have been lost. */
export function askSilentVoters(state: CoreState, candidate: Candidate): void {
  for (const voter of othersOf(state, candidate)) {
    const session = candidate.signing.sessionOwedBy(voter);
    if (session !== null || !candidate.answers.has(voter)) {
      sendVoteRequest(state, candidate, voter, session);
    }
  }
}

/** Raft §5.2: a candidate that too many refuse cannot win in this term and waits for the next. */
function countRefusal(state: CoreState, candidate: Candidate, voter: NodeId): void {
  const { threshold, voters } = candidate.signing.certifier;
  if (!voters.includes(voter)) return;
  candidate.answers.set(voter, "refused");
  const refusals = [...candidate.answers.values()].filter((answer) => answer === "refused");
  if (refusals.length > voters.length - threshold) state.becomeFollower();
}

/** A voter that restarted has lost its nonce. One that declines twice in the same life withholds its share. */
function countDecline(state: CoreState, candidate: Candidate, message: VoteResponse): void {
  const { from: voter } = message;
  if (!candidate.signing.decline(voter, message)) return;
  state.output.events.push({ kind: "shareWithheld", term: state.currentTerm, voter });
}

/** One unused commitment is enough. A check costs time, and a liar must not cause more of them. */
function offerCommitment(state: CoreState, candidate: Candidate, message: VoteResponse): void {
  const { from, commitment, incarnation } = message;
  if (commitment === null || !candidate.signing.wantsOffer(from, commitment)) return;
  if (!acceptCommitment(state, candidate.signing.certifier, { voter: from, commitment })) return;
  candidate.signing.offer(from, { commitment, incarnation });
}

interface Share {
  readonly from: NodeId;
  readonly session: number;
  readonly share: Uint8Array;
}

function addShare(state: CoreState, candidate: Candidate, share: Share): void {
  const complete = candidate.signing.addShare(share.from, share.session, share.share);
  if (complete === null) return;
  const result = candidate.signing.certifier.combine(complete.request, complete.shares);
  if (result.kind === "certificate") {
    candidate.signing.certified(complete);
    return becomeLeader(state, result.certificate);
  }
  candidate.signing.exclude(complete, result.voters);
  for (const voter of result.voters) {
    state.output.events.push({ kind: "cheaterFound", term: state.currentTerm, voter });
  }
}

function openSession(state: CoreState, candidate: Candidate): CoordinatedSession | null {
  const { signing } = candidate;
  const { certifier } = signing;
  if (!signing.hasOffer(state.self)) {
    const own = certifier.commit({ term: state.currentTerm, candidate: state.self });
    signing.offer(state.self, { commitment: own, incarnation: state.config.incarnation });
  }
  const session = signing.open(state.nowTick);
  if (session === null) return null;
  const signers = new Set(session.request.commitments.map((entry) => entry.voter));
  for (const voter of othersOf(state, candidate)) {
    // Voters outside the session are asked once, for their vote and a spare commitment.
    if (signers.has(voter)) sendVoteRequest(state, candidate, voter, session);
    else if (session.number === 1) sendVoteRequest(state, candidate, voter, null);
  }
  castVote(state, {
    candidate: state.self,
    epoch: certifier.epoch,
    session: session.number,
    request: session.request,
  });
  return session;
}

/** Every voter of the candidate's epoch but itself. */
function othersOf({ self }: CoreState, candidate: Candidate): readonly NodeId[] {
  return candidate.signing.certifier.voters.filter((voter) => voter !== self);
}

function sendVoteRequest(
  state: CoreState,
  candidate: Candidate,
  to: NodeId,
  session: CoordinatedSession | null,
): void {
  const { epoch, lastLogIndex, lastLogTerm } = candidate.signing.election;
  // Sent only once this node's own vote is durable.
  state.sendAfterPersist({
    kind: "voteRequest",
    from: state.self,
    to,
    term: state.currentTerm,
    epoch,
    lastLogIndex,
    lastLogTerm,
    transfer: candidate.transfer,
    proof: state.proof,
    session: session?.number ?? 0,
    commitments: session?.request.commitments ?? [],
  });
}

/** Answers every vote that is durable by now, including this node's vote for itself. */
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
  const { candidate, term, session, epoch, ticket } = vote;
  const certifier = state.epochs.signing(epoch);
  if (certifier === null) return; // The vote stands, but its epoch ended before it was durable.
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
    requestTerm: term,
    granted: true,
    session,
    share,
    commitment: certifier.commit({ term, candidate }),
    incarnation: state.config.incarnation,
    proof: null,
  });
}
