/**
 * Rules about time that no single state shows: who may reset an election timer, and how long a leader
 * may go on without a quorum.
 *
 * @module
 */

import type { Output } from "../../../lib/raft/mod.ts";
import type { Leader } from "../../../lib/raft/role.ts";
import type { RaftState } from "../../../lib/raft/state.ts";
import { require } from "../violation.ts";
import type { NodeView } from "../watcher.ts";

/** Watches the timers of all nodes. */
export class TimingChecker {
  readonly #elapsed = new WeakMap<Readonly<RaftState>, number>();

  /** A step was taken. */
  stepped(node: NodeView, state: Readonly<RaftState>, output: Output): void {
    const before = this.#elapsed.get(state) ?? 0;
    this.#elapsed.set(state, state.electionElapsedTicks);
    if (state.electionElapsedTicks < before) checkReset(node, state, output);
    if (state.role.name === "leader") checkQuorum(node, state, state.role);
  }
}

/** Raft §5.2: hearing from a leader, granting a vote and standing for election reset the timer. */
function checkReset(node: NodeView, state: Readonly<RaftState>, output: Output): void {
  if (state.leaderHeardTick === state.nowTick || state.votedFor !== null) return;
  const isReset = output.events.some(({ kind }) =>
    kind === "preVoteStarted" || kind === "electionStarted" || kind === "steppedDown"
  );
  const refusal = output.sendAfterPersist.find((message) =>
    message.kind === "voteResponse" && !message.granted
  );
  require(isReset || refusal === undefined, "A refused vote resets no timer", () => {
    return `${node.id} refuses ${refusal?.to} and starts its timer anew`;
  });
}

/** Dissertation §6.2: without a quorum for an election timeout, a leader gives up. */
function checkQuorum(node: NodeView, state: Readonly<RaftState>, leader: Leader): void {
  const contacts = [...leader.followers.values()].map((follower) => follower.ackedRoundSentTick);
  contacts.sort((left, right) => right - left);
  // This node is one of the majority.
  const contact = contacts[state.majority - 2] ?? state.nowTick;
  const silence = state.nowTick - contact;
  require(silence <= state.config.electionTimeoutTicks, "A leader has a quorum or gives up", () => {
    return `${node.id} leads term ${state.currentTerm} after ${silence} ticks without a quorum`;
  });
}
