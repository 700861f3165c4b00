/**
 * The leader's lease (Raft dissertation §6.4.1): voters that heard this leader help no other for an
 * election timeout. The lease is counted from when the heartbeats that a quorum answered were *sent*,
 * so it ends before the first voter's promise does, by a margin for clocks that run unevenly. The
 * leader takes the voters' timeout to be its own, as a cluster has one configuration.
 *
 * @module
 */

import { LEASE_SHARE } from "./config.ts";
import { quorumValue } from "./quorum.ts";
import type { CoreState } from "./state.ts";
import type { LeaderView, RaftView } from "./view.ts";

/** The newest tick at which a majority, this node included, is known to have followed. */
export function quorumContactTick(state: RaftView, leader: LeaderView): number {
  const contacts = [...leader.followers.values()].map((follower) =>
    follower.rounds.answeredSentTick
  );
  return quorumValue([...contacts, state.nowTick], state.majority);
}

/** Whether reads may be served without asking anyone. */
export function hasLease(state: RaftView, leader: LeaderView): boolean {
  if (leader.isLeaseWaived) return false;
  // A new leader counts those that have not answered yet as heard at its first tick. It does no harm:
  // whoever asks has committed an entry of this term, so a majority has answered what was sent since.
  const contactTick = quorumContactTick(state, leader);
  // A voter may have made its promise just before a tick, which then counts for nothing.
  const promisedTicks = state.config.electionTimeoutTicks - 1;
  const leaseTicks = Math.floor(promisedTicks * LEASE_SHARE);
  return contactTick > leader.leaseBrokenTick && state.nowTick - contactTick < leaseTicks;
}

/** Ticks no longer tell how much time has passed: only what is sent from now on counts. */
export function breakLease(state: CoreState): void {
  if (state.role.name === "leader") state.role.leaseBrokenTick = state.nowTick;
}
