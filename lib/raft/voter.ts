/**
 * The voter (Raft §5.2, §5.4.1), and FROST's round two: a vote and a signature share that stand or
 * fall together.
 *
 * The order is the one that keeps both promises through a crash: the nonce leaves its pool, the vote
 * becomes durable, the share is computed and the nonce erased, and only then does the answer leave.
 *
 * @module
 */

import type { NonceTicket, SigningRequest } from "../certificate/certifier.ts";
import { CertificateError } from "../certificate/error.ts";
import type { NodeId } from "../types.ts";
import type { VoteRequest } from "./message.ts";
import type { CoreState } from "./state.ts";
import { mayHelp } from "./voter_promise.ts";

/** Applies the vote rule to a candidate's request. */
export function handleVoteRequest(state: CoreState, message: VoteRequest): void {
  const { certifier } = state.config;
  if (message.epoch !== certifier.epoch) {
    return state.refuse(message.from, `vote request of epoch ${message.epoch}`);
  }
  // Dissertation §4.2.3: while a leader is heard, a request for its removal is not even noticed.
  if (!mayHelp(state, message)) return;
  state.adoptTerm(message);
  if (!mayVoteFor(state, message)) {
    state.sendAfterPersist({
      kind: "voteResponse",
      from: state.self,
      to: message.from,
      term: state.currentTerm,
      granted: false,
      session: message.session,
      share: null,
      commitment: null,
    });
    return;
  }
  const isFirst = state.votedFor === null;
  state.votedForLogEnd = { index: message.lastLogIndex, term: message.lastLogTerm };
  castVote(state, {
    candidate: message.from,
    session: message.session,
    request: message.commitments.length === 0 ? null : signingRequest(message),
  });
  // Only to give the vote: a candidate that asks again and again and never wins must not keep this
  // node waiting.
  if (isFirst) state.resetElectionTimer();
}

/** One vote, for a candidate or for this node itself. */
export interface Vote {
  /** Who gets the vote. */
  readonly candidate: NodeId;
  /** The candidate's signing session. */
  readonly session: number;
  /** What to sign and with whom; null when no share is asked for. */
  readonly request: SigningRequest | null;
}

/** Takes the nonce and records the vote; `vote_answers.ts` answers once the vote is durable. */
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
  try {
    return state.config.certifier.takeNonce(request);
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    state.refuse(candidate, error.message);
    return null;
  }
}
