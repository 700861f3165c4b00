/**
 * What the checkers are told of a node, and what they may look at.
 *
 * @module
 */

import type { Certifier } from "../../lib/certificate/certifier.ts";
import type { AppliedEntry, Store } from "../../lib/kv/mod.ts";
import type { Entry, Input, Message, Output, PersistBatch, RaftView } from "../../lib/raft/mod.ts";
import type { DurableShares } from "../../lib/reshare/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import type { DurableLog } from "./disk/durable_log.ts";

/** One node, to look at. */
export interface NodeView {
  /** The node. */
  readonly id: NodeId;
  /** Whether it follows the protocol; nothing is expected of the others. */
  readonly isHonest: boolean;
  /** Whether an otherwise honest node signs memberships wrongly. */
  readonly signsWrongly?: boolean;
  /** Whether it never comes back: its disk is lost or damaged. */
  readonly isGone: boolean;
  /** Whether something on its disk is not what was written; the node may not know yet. */
  readonly isDamaged: boolean;
  /** Its shares, on its disk. */
  readonly shares: DurableShares;
  /** What it durably has of its log. */
  readonly disk: DurableLog;
  /** Its state; null while it is down. */
  readonly state: RaftView | null;
  /** Its key-value data. */
  readonly store: Store;
}

/** One step of the core. */
export interface Step {
  /** What it was told. */
  readonly inputs: readonly Input[];
  /** What is to be done about it. */
  readonly output: Output;
}

/** Told of everything that a node does, before anybody else sees it. */
export interface Watcher {
  /** A process started. */
  started(node: NodeView): void;
  /** A step was taken; nothing of its output is done yet. */
  stepped(node: NodeView, step: Step): void;
  /** A message is about to leave. */
  sending(node: NodeView, message: Message): void;
  /** A batch is about to reach the disk. */
  persisting(node: NodeView, batch: PersistBatch): void;
  /** The node's shares are about to be replaced on its disk. */
  persistingShares(node: NodeView, shares: DurableShares): void;
  /** A batch has reached the disk. */
  persisted(node: NodeView, batch: PersistBatch): void;
  /** Entries were applied to the store. */
  applied(
    node: NodeView,
    entries: readonly Entry[],
    outcomes: readonly AppliedEntry[],
  ): void;
  /** A certifier as the node is to use it: one that is watched. */
  watchCertifier(node: NodeView, certifier: Certifier): Certifier;
}
