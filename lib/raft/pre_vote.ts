/**
 * The pre-vote (Raft dissertation §9.6), which is also FROST's round one: before a node raises its
 * term it asks who would vote for it, and each grant brings the voter's nonce commitment.
 *
 * @module
 */

import type { Term } from "../types.ts";
import { acceptCommitment, becomeCandidate } from "./candidate.ts";
import type { PreVoteRequest, PreVoteResponse } from "./message.ts";
import type { PreCandidate } from "./role.ts";
import type { CoreState } from "./state.ts";
import { mayHelp } from "./voter_promise.ts";

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
