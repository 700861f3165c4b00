/**
 * Who waits for a leader: with a read index, or that it leads no more.
 *
 * @module
 */

import type { LogIndex, NodeId } from "../types.ts";
import type { Leader } from "./role.ts";
import type { CoreState } from "./state.ts";

/** Whoever waits for a read index: this node's own clients, or a follower's batch. */
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

/** Tells a reader its read index, or with null that this node does not lead. */
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

/** Whoever waited for this leader is told that it leads no more. */
export function leaveLeadership(state: CoreState, leader: Leader): void {
  for (const reader of leader.reads.takeAll()) answerReader(state, reader, null);
  if (leader.transfer === null) return;
  const { transferId, target, isTold } = leader.transfer;
  // Whoever tells it of the target's term before the target asks for its vote.
  state.voterPromise.transferTarget = target;
  state.output.transfers.push({ kind: isTold ? "handedOver" : "aborted", transferId, target });
}
