/**
 * The second half of a vote: once the disk holds it, the signature share is computed and the answer
 * leaves.
 *
 * @module
 */

import { addOwnShare } from "./candidate.ts";
import type { PendingVote } from "./pending_votes.ts";
import type { CoreState } from "./state.ts";

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
