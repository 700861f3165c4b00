/**
 * The contract of key generation: everything that happens enters as an {@linkcode Input}, everything
 * to be done leaves as an {@linkcode Output}.
 *
 * @module
 */

import type { Genesis } from "../certificate/mod.ts";
import type { NodeId } from "../types.ts";
import type { DurableKeyGeneration } from "./durable.ts";
import type { FaultRule } from "./fault.ts";
import type { Message } from "./message.ts";

/** Everything that can happen to a node that generates a key. */
export type Input =
  /** One tick of the clock has passed. */
  | { readonly kind: "tick" }
  /** A peer said something. Never trusted: what does not fit is refused, what is wrong has a name. */
  | { readonly kind: "message"; readonly message: Message }
  /** A connection to a peer is there, or there again; what it lacks is sent at once. */
  | { readonly kind: "connected"; readonly peer: NodeId };

/** What happened that an operator may want to know; the node logs and counts it. */
export type KeyGenerationEvent =
  /** This node entered an attempt: by itself, or because a peer was in it. */
  | { readonly kind: "attemptStarted"; readonly attempt: number; readonly raisedBy: NodeId }
  /** A peer broke a rule, and this node saw it. */
  | {
    readonly kind: "faultFound";
    readonly attempt: number;
    readonly voter: NodeId | null;
    readonly rule: FaultRule;
    readonly reason: string;
  }
  /** A peer says that somebody broke a rule. Its word only. */
  | {
    readonly kind: "faultReported";
    readonly attempt: number;
    readonly by: NodeId;
    readonly voter: NodeId | null;
    readonly rule: FaultRule;
  }
  /** This node's share of an attempt is to become durable with this step. */
  | { readonly kind: "shareMade"; readonly attempt: number }
  /** This node signed the genesis statement of an attempt, and will sign no other. */
  | { readonly kind: "signed"; readonly attempt: number }
  /**
   * A peer says that it has signed an attempt, but this node has no share of it. Honest peers sign
   * only when everybody's share is durable: so the peer lies, or this node's disk was lost. Told
   * each time the peer says so.
   */
  | { readonly kind: "shareMissing"; readonly attempt: number; readonly by: NodeId }
  /** A message that does not fit was refused. */
  | { readonly kind: "messageRefused"; readonly from: NodeId; readonly reason: string }
  /** A peer has another configuration; the key cannot be made before they are equal. */
  | { readonly kind: "configurationDiffers"; readonly peer: NodeId; readonly configuration: string }
  /** The cluster has its key. */
  | { readonly kind: "finished"; readonly genesis: Genesis }
  /** The cluster has its key, with this voter's signature, but the share is not on this disk. */
  | { readonly kind: "shareLost"; readonly genesis: Genesis }
  /** No attempt is left; an operator must step in. */
  | { readonly kind: "attemptsExhausted"; readonly attempt: number };

/** What a node ends with. */
export interface GeneratedKey {
  /** The genesis certificate; it is also the cluster's `Group`. */
  readonly genesis: Genesis;
  /** This node's share: a 32-byte scalar. SECRET: the receiver's own copy, to keep and to erase. */
  readonly secret: Uint8Array;
}

/** Everything that is to be done, in the order in which `carryOut` does it. */
export interface Output {
  /** Replaces the durable record as a whole, atomically; null when it is unchanged. */
  readonly persist: DurableKeyGeneration | null;
  /** Messages; none may leave before `persist` is durable. */
  readonly send: readonly Message[];
  /** The key, once in the life of a process; null in every other step. */
  readonly finished: GeneratedKey | null;
  /** For logs and counters. */
  readonly events: readonly KeyGenerationEvent[];
}
