/**
 * The public description of a cluster's key: who the voters are, how many must sign, and the group
 * key that checks what they sign.
 *
 * @module
 */

import type { ClusterName, Epoch, NodeId } from "../types.ts";

/** One voter's public part of the key. */
export interface GroupVoter {
  /** The node. */
  readonly id: NodeId;
  /** Its FROST identifier, from 1 (RFC 9591 §3); voters are listed in this order. */
  readonly identifier: number;
  /** Its verifying share: a 32-byte Ed25519 point. For a single voter, the group key itself. */
  readonly verifyingShare: Uint8Array;
}

/** The public key of a cluster and of each of its voters. The same on every node. */
export interface Group {
  /** The cluster. */
  readonly cluster: ClusterName;
  /** Which dealing of shares this is. */
  readonly epoch: Epoch;
  /** How many voters must sign: n/2 < threshold <= n. */
  readonly threshold: number;
  /** The group key: a 32-byte Ed25519 public key. */
  readonly publicKey: Uint8Array;
  /** Every voter, by rising identifier. */
  readonly voters: readonly GroupVoter[];
}
