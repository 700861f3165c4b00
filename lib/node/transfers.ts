/**
 * Wishes to hand leadership over, between their arrival and their answer.
 *
 * @module
 */

import { unreachable } from "../assert.ts";
import type { Input, Output, TransferResult } from "../raft/mod.ts";
import type { NodeId } from "../types.ts";
import { RequestError, type RequestFailure } from "./api.ts";

type RefusedTransfer = Extract<TransferResult, { readonly kind: "refused" }>;

/** A wish that waits. */
interface Wish {
  readonly resolve: (leader: NodeId) => void;
  readonly reject: (error: RequestError) => void;
  /** When it ends at the latest, on the node's clock. */
  readonly deadlineMs: number;
  /** Whom to make way for; null where any follower will do. */
  readonly wanted: NodeId | null;
  /** Whom this node made way for, once it did. */
  target: NodeId | null;
}

/** The wishes to hand over that wait at one node. */
export class Transfers {
  readonly #submit: (input: Input) => void;
  readonly #wishes = new Map<number, Wish>();
  #lastId = 0;

  /** `submit` hands an input to the core. */
  constructor(submit: (input: Input) => void) {
    this.#submit = submit;
  }

  /**
   * Hands over to `target`, or to the follower that is furthest; resolves with the new leader.
   *
   * @throws {RequestError} when this node does not lead, somebody else leads in the end, or nobody is
   * known to lead before `deadlineMs`, on the node's clock.
   */
  request(target: NodeId | null, deadlineMs: number): Promise<NodeId> {
    return new Promise((resolve, reject) => {
      const transferId = ++this.#lastId;
      this.#wishes.set(transferId, { resolve, reject, deadlineMs, wanted: target, target: null });
      this.#submit({ kind: "transfer", transferId, target });
    });
  }

  /** Takes what a step put out. */
  handle(output: Output): void {
    for (const result of output.transfers) this.#take(result);
    const leader = output.role?.leader ?? null;
    if (leader !== null) this.#leaderKnown(leader);
  }

  /** Ends the wishes whose deadline has passed. */
  expire(nowMs: number): void {
    for (const [id, wish] of this.#wishes) {
      if (wish.deadlineMs <= nowMs) {
        this.#leaveOpen(id, "timeout", "No new leader before the deadline");
      }
    }
  }

  /** Ends every wish: the node stops. */
  stop(): void {
    for (const id of this.#wishes.keys()) this.#leaveOpen(id, "stopping", "The node is stopping");
  }

  #take(result: TransferResult): void {
    const wish = this.#wishes.get(result.transferId);
    if (wish === undefined) return;
    switch (result.kind) {
      case "handedOver":
        wish.target = result.target;
        return;
      case "aborted":
        // Where it was told so, it may stand for election late: no lease of its voters keeps it.
        return this.#leaveOpen(
          result.transferId,
          "transfer_failed",
          `${result.target} did not take over within an election timeout, and may yet; ` +
            "this node leads on",
        );
      case "refused":
        return this.#fail(result.transferId, ...refusal(result.reason, wish.wanted));
      default:
        return unreachable(result);
    }
  }

  #leaderKnown(leader: NodeId): void {
    for (const [id, wish] of this.#wishes) {
      if (wish.target === null) continue;
      if (wish.target === leader) {
        this.#wishes.delete(id);
        wish.resolve(leader);
      } else {
        this.#fail(id, "transfer_failed", `${leader} was elected instead of ${wish.target}`);
      }
    }
  }

  #fail(id: number, code: RequestFailure, message: string): void {
    this.#end(id, new RequestError(code, message, { maybeApplied: false }));
  }

  /** The target may have been told to take over, and do so yet. */
  #leaveOpen(id: number, code: RequestFailure, message: string): void {
    this.#end(id, new RequestError(code, message, { maybeApplied: true }));
  }

  #end(id: number, error: RequestError): void {
    const wish = this.#wishes.get(id);
    this.#wishes.delete(id);
    wish?.reject(error);
  }
}

/** Why nobody was made way for, as a code and for people. */
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
  if (wanted === null) return "Cannot hand over: no follower is up and far enough to lead";
  return `Cannot hand over to ${wanted}: it is no follower of this leader`;
}
