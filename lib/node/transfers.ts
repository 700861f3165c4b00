/**
 * Requests to hand leadership over, between their arrival and their answer.
 *
 * @module
 */

import { unreachable } from "../assert.ts";
import type { Input, Output, TransferResult } from "../raft/mod.ts";
import type { NodeId } from "../types.ts";
import { RequestError, type RequestFailure } from "./api.ts";

type RefusedTransfer = Extract<TransferResult, { readonly kind: "refused" }>;

interface WaitingTransfer {
  readonly resolve: (leader: NodeId) => void;
  readonly reject: (error: RequestError) => void;
  /** Its deadline, on the node's clock. */
  readonly deadlineMs: number;
  /** The node to hand over to; null for any follower. */
  readonly wanted: NodeId | null;
  /** The node that was told to take over; null before. */
  target: NodeId | null;
}

/** The waiting requests to hand over, at one node. */
export class Transfers {
  readonly #submit: (input: Input) => void;
  readonly #waiting = new Map<number, WaitingTransfer>();
  #lastId = 0;

  /** `submit` hands an input to the core. */
  constructor(submit: (input: Input) => void) {
    this.#submit = submit;
  }

  /**
   * Hands over to `target`, or by default to the follower with the longest log; resolves with the new leader.
   *
   * @throws {RequestError} when this node does not lead, when another node than the target becomes leader, or
   * when no new leader is known before `deadlineMs`, on the node's clock.
   */
  request(target: NodeId | null, deadlineMs: number): Promise<NodeId> {
    return new Promise((resolve, reject) => {
      const transferId = ++this.#lastId;
      this.#waiting.set(transferId, { resolve, reject, deadlineMs, wanted: target, target: null });
      this.#submit({ kind: "transfer", transferId, target });
    });
  }

  /** Takes the output of a step. */
  handle(output: Output): void {
    for (const result of output.transfers) this.#take(result);
    const leader = output.role?.leader ?? null;
    if (leader !== null) this.#leaderKnown(leader);
  }

  /** Ends the requests whose deadline has passed. */
  expire(nowMs: number): void {
    for (const [id, transfer] of this.#waiting) {
      if (transfer.deadlineMs <= nowMs) {
        this.#leaveOpen(id, "timeout", "No new leader before the deadline");
      }
    }
  }

  /** Ends every request, because the node stops. */
  stop(): void {
    for (const id of this.#waiting.keys()) this.#leaveOpen(id, "stopping", "The node is stopping");
  }

  #take(result: TransferResult): void {
    const transfer = this.#waiting.get(result.transferId);
    if (transfer === undefined) return;
    switch (result.kind) {
      case "handedOver":
        transfer.target = result.target;
        return;
      case "aborted":
        // A target that was told to take over may stand for election late: the voters' leases do not stop it.
        return this.#leaveOpen(
          result.transferId,
          "transfer_failed",
          `${result.target} did not take over within an election timeout, and may still do so; ` +
            "this node still leads",
        );
      case "refused":
        return this.#fail(result.transferId, ...refusal(result.reason, transfer.wanted));
      default:
        return unreachable(result);
    }
  }

  #leaderKnown(leader: NodeId): void {
    for (const [id, transfer] of this.#waiting) {
      if (transfer.target === null) continue;
      if (transfer.target === leader) {
        this.#waiting.delete(id);
        transfer.resolve(leader);
      } else {
        this.#fail(id, "transfer_failed", `${leader} was elected instead of ${transfer.target}`);
      }
    }
  }

  #fail(id: number, code: RequestFailure, message: string): void {
    this.#end(id, new RequestError(code, message, { maybeApplied: false }));
  }

  /** The target may have been told to take over, and may still do so. */
  #leaveOpen(id: number, code: RequestFailure, message: string): void {
    this.#end(id, new RequestError(code, message, { maybeApplied: true }));
  }

  #end(id: number, error: RequestError): void {
    const transfer = this.#waiting.get(id);
    this.#waiting.delete(id);
    transfer?.reject(error);
  }
}

/** Why the leader did not hand over, as a code and in words. */
function refusal(
  reason: RefusedTransfer["reason"],
  wanted: NodeId | null,
): readonly [RequestFailure, string] {
  switch (reason) {
    case "notLeader":
      return ["not_leader", "This node does not lead; ask the leader"];
    case "transferring":
      return ["transferring", "This node is handing over already"];
    case "noTarget":
      return ["no_target", noTarget(wanted)];
    default:
      return unreachable(reason);
  }
}

function noTarget(wanted: NodeId | null): string {
  if (wanted === null) {
    return "Cannot hand over: no follower that is connected is far enough to lead";
  }
  return `Cannot hand over to ${wanted}: it does not follow this leader`;
}
