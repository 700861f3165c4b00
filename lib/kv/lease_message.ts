/**
 * The messages between nodes about leases. Only the leader counts the time of leases, but clients may ask any
 * node.
 *
 * @module
 */

import type { NodeId } from "../types.ts";
import type { LeaseTerms } from "./lease_table.ts";

/** The sender, the receiver, and the request that the message belongs to. */
export interface LeaseEnvelope {
  /** The sender. */
  readonly from: NodeId;
  /** The receiver. */
  readonly to: NodeId;
  /** Distinguishes the process that asks from earlier processes of the same node. */
  readonly incarnation: number;
  /** Counts the requests of that process. */
  readonly requestId: number;
}

/** The answer of the node that was asked. */
export type LeaseReply =
  /** The lease, and how many whole seconds it has left. 0 means that it is ending. */
  | {
    readonly kind: "lease";
    readonly ttlSeconds: number;
    readonly ending: LeaseTerms["ending"];
    readonly secondsLeft: number;
  }
  /** There is no such lease. Or it is ending, so it cannot be kept alive. */
  | { readonly kind: "leaseNotFound" }
  /** The node does not lead, or cannot confirm that it leads. */
  | { readonly kind: "notLeader" };

/** A message about a lease. A lost message is sent again, which is harmless. */
export type LeaseMessage =
  /** Asks how long the lease lives. If wanted, the leader keeps it alive first. */
  | LeaseEnvelope & {
    readonly kind: "leaseRequest";
    readonly id: number;
    readonly isKeptAlive: boolean;
  }
  /** The answer. */
  | LeaseEnvelope & { readonly kind: "leaseResponse"; readonly reply: LeaseReply };
