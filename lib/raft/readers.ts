/**
 * The answers to waiting readers: a read index, or that this node no longer leads.
 *
 * @module
 */

import type { LogIndex, NodeId } from "../types.ts";
import type { Leader } from "./role.ts";
import type { CoreState } from "./state.ts";

/** Waits for a read index: a client of this node, or a follower's batch. */
export type Reader =
  /** A read of a client of this node. */
  | { readonly kind: "local"; readonly readId: number }
  /** A batch of reads of a follower. */
  | {
    readonly kind: "remote";
    readonly from: NodeId;
    readonly incarnation: number;
    readonly batchId: number;
  };

/** Answers a reader with its read index, or with null when this node does not lead. */
export function answerReader(state: CoreState, reader: Reader, readIndex: LogIndex | null): void {
  if (reader.kind === "local") {
    const { readId } = reader;
    state.output.reads.push(
      readIndex === null
        ? { kind: "refused", readId, reason: "leaderChanged" }
        : { kind: "ready", readId, readIndex },
    );
    return;
  }
  const { from: to, incarnation, batchId } = reader;
  state.send({
    kind: "readIndexResponse",
    from: state.self,
    to,
    term: state.currentTerm,
    incarnation,
    batchId,
    readIndex,
  });
}

/** Tells all that wait for this leader that it no longer leads. */
export function leaveLeadership(state: CoreState, leader: Leader): void {
  for (const reader of leader.reads.takeAll()) answerReader(state, reader, null);
  if (leader.transfer === null) return;
  const { transferId, target, isTold } = leader.transfer;
  // So this node may vote for the target even if another node reports the target's term first.
  state.voterPromise.transferTarget = target;
  state.voterPromise.transferTerm = leader.certificate.term + 1;
  state.output.transfers.push({ kind: isTold ? "handedOver" : "aborted", transferId, target });
}
