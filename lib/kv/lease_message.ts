/**
 * What nodes say to each other about leases: the leader alone counts their time, and clients may ask any
 * node.
 *
 * @module
 */

import type { NodeId } from "../types.ts";
import type { LeaseRow } from "./lease_table.ts";

/** Who speaks to whom, and of what. */
export interface LeaseEnvelope {
  /** The sender. */
  readonly from: NodeId;
  /** The receiver. */
  readonly to: NodeId;
  /** Which life of the node that asks. */
  readonly incarnation: number;
  /** Counts that life's questions. */
  readonly requestId: number;
}

/** How the leader answers. */
export type LeaseReply =
  /** The lease, and how many whole seconds it has left; 0: it is ending. */
  | {
    readonly kind: "lease";
    readonly ttlSeconds: number;
    readonly ending: LeaseRow["ending"];
    readonly secondsLeft: number;
  }
  /** There is no such lease, or, for one that is to be kept alive, it is ending. */
  | { readonly kind: "leaseNotFound" }
  /** The node asked does not lead, or is not sure that it does. */
  | { readonly kind: "notLeader" };

/** A message about a lease. A lost one is sent again: nothing is done twice by it. */
export type LeaseMessage =
  /** How long does the lease live, once it is kept alive if that is wanted? */
  | LeaseEnvelope & {
    readonly kind: "leaseRequest";
    readonly id: number;
    readonly isKeptAlive: boolean;
  }
  /** The answer. */
  | LeaseEnvelope & { readonly kind: "leaseResponse"; readonly reply: LeaseReply };
