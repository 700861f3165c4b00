/**
 * A leader's lease is worth what stands behind it: voters enough for a majority that help nobody else
 * for now. Checked when the leader has just looked at its clock; a lease that it no longer believes
 * in by its next turn is none.
 *
 * @module
 */

import { majorityOf } from "../../../lib/margins.ts";
import type { LeaderView, RaftView } from "../../../lib/raft/mod.ts";
import { hasLease } from "../../../lib/raft/reads.ts";
import { isBound } from "../../../lib/raft/voter.ts";
import { require } from "../violation.ts";
import type { NodeView } from "../watcher.ts";

/** A leader took a step. Within the line, the honest voters among a majority are enough. */
export function checkLease(
  node: NodeView,
  { state, leader, nodes }: {
    readonly state: RaftView;
    readonly leader: LeaderView;
    readonly nodes: Iterable<NodeView>;
  },
): void {
  const servesReads = state.log.termAt(state.commitIndex) === state.currentTerm;
  if (!servesReads || !hasLease(state, leader)) return;
  let promises = 0;
  const { voters, membership } = state.members.newest;
  for (const other of nodes) {
    if (membership !== null && !voters.includes(other.id)) continue;
    if (other.id === node.id || keepsPromise(other, node)) promises++;
  }
  const majority = majorityOf(voters.length);
  require(promises >= majority, "A lease is backed by a majority's promises", () => {
    return `${node.id} counts on a lease in term ${state.currentTerm}, ` +
      `behind which ${promises} of ${majority} stand`;
  });
}

/**
 * Whether a voter helps nobody but this leader. Who is down votes for nobody either; what a liar promised,
 * the leader has to believe.
 */
function keepsPromise({ state, isHonest }: NodeView, leader: NodeView): boolean {
  if (state === null || !isHonest) return true;
  const followed = state.certificate?.leader ?? leader.id;
  const { transferTarget, transferTerm } = state.voterPromise;
  const helps = transferTarget !== null && transferTerm > state.currentTerm;
  return isBound(state) && followed === leader.id && !helps;
}
