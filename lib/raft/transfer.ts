/**
 * Leadership transfer (Raft dissertation §3.10). The leader accepts no more commands, brings the target up
 * to date and asks it to stand for election immediately. That election is certified like any other; only
 * the voters' lease is waived.
 *
 * @module
 */

import type { NodeId } from "../types.ts";
import { TRANSFER_TIMEOUTS } from "./config.ts";
import type { TransferResult } from "./input_output.ts";
import type { Leader } from "./role.ts";
import type { CoreState } from "./state.ts";

/** The id of a transfer that the leader begins by itself. No client requested it, so none is answered. */
export const OWN_TRANSFER = 0;

/** Begins a transfer, for an operator or for a node that is about to stop. */
export function startTransfer(
  state: CoreState,
  request: { readonly transferId: number; readonly target: NodeId | null },
): void {
  const { transferId } = request;
  const refuse = (reason: Extract<TransferResult, { readonly kind: "refused" }>["reason"]) => {
    state.output.transfers.push({ kind: "refused", transferId, reason });
  };
  const leader = state.role;
  if (leader.name !== "leader") return refuse("notLeader");
  if (leader.transfer !== null) return refuse("transferring");
  const target = request.target ?? furthestFollower(state, leader);
  if (target === null || !mayLead(state, target)) return refuse("noTarget");
  leader.isLeaseWaived = true;
  leader.transfer = { transferId, target, startedTick: state.nowTick, isTold: false };
  // Every voter must learn which candidate it may help.
  leader.rounds.beginHeartbeat(state.nowTick);
  state.output.events.push({ kind: "transferStarted", term: state.currentTerm, target });
}

/** At the end of a step: asks the target to stand as soon as its log is complete. */
export function tellTarget(state: CoreState, leader: Leader): void {
  const { transfer } = leader;
  if (transfer === null || transfer.isTold) return;
  if (leader.followers.get(transfer.target)?.matchIndex !== state.log.last.index) return;
  transfer.isTold = true;
  state.send({
    kind: "timeoutNowRequest",
    from: state.self,
    to: transfer.target,
    term: state.currentTerm,
    round: leader.rounds.current,
    certificate: leader.certificate.note,
  });
}

/** Aborts a transfer that takes too long. */
export function tickTransfer(state: CoreState, leader: Leader): void {
  const { transfer } = leader;
  if (transfer === null) return;
  const patienceTicks = TRANSFER_TIMEOUTS * state.config.electionTimeoutTicks;
  if (state.nowTick - transfer.startedTick < patienceTicks) return;
  leader.transfer = null;
  const { transferId, target } = transfer;
  state.output.transfers.push({ kind: "aborted", transferId, target });
}

/** The follower with the longest matching log, among those that answer and can lead. */
function furthestFollower(state: CoreState, leader: Leader): NodeId | null {
  const certified = [...leader.followers].filter(([peer, follower]) =>
    follower.isCertified && follower.wantedSnapshotIndex === null && mayLead(state, peer)
  );
  certified.sort(([, left], [, right]) =>
    right.matchIndex - left.matchIndex || right.rounds.answered - left.rounds.answered
  );
  return certified[0]?.[0] ?? null;
}

/** Whether another node can be elected: it is a voter, and holds a share. */
function mayLead({ self, epochs, members }: CoreState, node: NodeId): boolean {
  return node !== self && epochs.votersOf(members.newest.epoch).includes(node);
}
