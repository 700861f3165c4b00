/**
 * The voter's promise (Raft §6, dissertation §4.2.3): for an election timeout after it heard a leader,
 * a voter helps no other. A leader's lease rests on a majority of such promises (`lease.ts`). A
 * leader waives the promise that it was given by handing over; a candidate's own word waives nothing.
 *
 * @module
 */

import type { NodeId } from "../types.ts";
import type { PreVoteRequest, VoteRequest } from "./message.ts";
import type { RaftView } from "./view.ts";

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
export function mayHelp(state: RaftView, message: PreVoteRequest | VoteRequest): boolean {
  return !isBound(state) || (message.transfer && transferTarget(state) === message.from);
}

/** Whether the promise holds. A leader is bound to itself, as it steps down without a quorum. */
export function isBound(state: RaftView): boolean {
  if (state.role.name === "leader") return true;
  const { heardTick } = state.voterPromise;
  return heardTick !== null && state.nowTick - heardTick < state.config.electionTimeoutTicks;
}

function transferTarget({ role, voterPromise }: RaftView): NodeId | null {
  return role.name === "leader" ? role.transfer?.target ?? null : voterPromise.transferTarget;
}
