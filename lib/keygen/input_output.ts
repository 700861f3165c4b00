/**
 * The contract of key generation: everything that happens enters as an {@linkcode Input}, everything
 * to be done leaves as an {@linkcode Output}.
 *
 * @module
 */

import type { Genesis, GenesisRoster } from "../certificate/mod.ts";
import type { NodeId } from "../types.ts";
import { type FaultRule, hashConfiguration, type Plan } from "./configuration.ts";
import type { Message, MessageBody } from "./message.ts";

/** Everything that can happen to a node that generates a key. */
export type Input =
  /** One tick of the clock has passed. */
  | { readonly kind: "tick" }
  /** A peer's message. It is not trusted. */
  | { readonly kind: "message"; readonly message: Message }
  /** A connection to a peer has been established. The node sends at once what the peer lacks. */
  | { readonly kind: "connected"; readonly peer: NodeId };

/** An event for operators; the node logs and counts it. */
export type KeyGenerationEvent =
  /** This node entered an attempt: on its own, or because a peer had entered it. */
  | { readonly kind: "attemptStarted"; readonly attempt: number; readonly raisedBy: NodeId }
  /** A peer broke a rule, and this node saw it. */
  | {
    readonly kind: "faultFound";
    readonly attempt: number;
    readonly voter: NodeId | null;
    readonly rule: FaultRule;
    readonly reason: string;
  }
  /** A peer claims that a voter broke a rule. This node did not see it. */
  | {
    readonly kind: "faultReported";
    readonly attempt: number;
    readonly by: NodeId;
    readonly voter: NodeId | null;
    readonly rule: FaultRule;
  }
  /** This node has made its share of an attempt, which becomes durable with this step. */
  | { readonly kind: "shareMade"; readonly attempt: number }
  /** This node signed the genesis statement of an attempt, and will sign no other. */
  | { readonly kind: "signed"; readonly attempt: number }
  /**
   * A peer says that it has signed an attempt of which this node has no share. Honest peers sign only
   * when every voter's share is durable, so either the peer lies or this node's disk was lost. Reported
   * for each such message.
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

/** The result on one node. */
export interface GeneratedKey {
  /** The genesis certificate; it is also the cluster's `Group`. */
  readonly genesis: Genesis;
  /** This node's share: a 32-byte scalar. SECRET: a copy that the receiver keeps and erases. */
  readonly secret: Uint8Array;
}

/** The effects of a step, in the order in which `carryOut` performs them. */
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

/** A share that is durable, of a key that may become the cluster's. */
export interface DurableShare {
  /** The attempt that made it. */
  readonly attempt: number;
  /** The genesis statement of that attempt, as this node computed it. */
  readonly statement: string;
  /** The share: a 32-byte scalar. SECRET: it is stored as a secret file. */
  readonly secret: Uint8Array;
  /** Whether this node has signed the statement. Once true it stays so, and no other is signed. */
  readonly signed: boolean;
}

/**
 * The durable record. Invariants, each made durable before any message that relies on it leaves:
 *
 * 1. `attempt` never falls, and no message of a higher attempt was ever sent. So no attempt is begun
 *    twice, with two polynomials.
 * 2. `share` is there before this node says `ready` in its attempt, and is replaced only by the share
 *    of a higher attempt, before it is signed.
 * 3. `share.signed` is true before the signature leaves, and never becomes false again.
 */
export interface DurableKeyGeneration {
  /** SHA-256 of the configuration, in hex. A store keeps the record under it. */
  readonly configuration: string;
  /** The highest attempt entered; 0 before the first. */
  readonly attempt: number;
  /** The newest share; null before the first. */
  readonly share: DurableShare | null;
  /** The genesis certificate; null until there is one. */
  readonly genesis: string | null;
}

/** The record of a node that has done nothing yet. */
export function newDurableKeyGeneration(roster: GenesisRoster): DurableKeyGeneration {
  return { configuration: hashConfiguration(roster), attempt: 0, share: null, genesis: null };
}

/** A copy with its own secret, which the receiver erases. */
function copyOf(record: DurableKeyGeneration): DurableKeyGeneration {
  const { share } = record;
  if (share === null) return record;
  return { ...record, share: { ...share, secret: share.secret.slice() } };
}

/** The effects that key generation needs. All of them are synchronous, in the order of the calls. */
export interface KeyGenerationPorts {
  /**
   * Replaces the durable record before it returns, and erases the share in its copy.
   *
   * @throws when this may have failed. The node must then stop, as the disk's content is unknown.
   */
  persist(record: DurableKeyGeneration): void;
  /** Sends a message, encrypted for its receiver. It may be lost. */
  send(message: Message): void;
  /** The cluster has its key. Called once, when the certificate is durable. */
  finish(key: GeneratedKey): void;
  /** Tells logs and counters. */
  report(event: KeyGenerationEvent): void;
}

/** Performs a step's output: persists, then sends, then finishes. */
export function carryOut(output: Output, ports: KeyGenerationPorts): void {
  if (output.persist !== null) ports.persist(output.persist);
  for (const message of output.send) ports.send(message);
  if (output.finished !== null) ports.finish(output.finished);
  for (const event of output.events) ports.report(event);
}

/** Collects the output of one step, and the changes of the record. */
export class Outbox {
  readonly #plan: Plan;
  #record: DurableKeyGeneration;
  #isRecordChanged = false;
  #send: Message[] = [];
  #events: KeyGenerationEvent[] = [];
  #finished: GeneratedKey | null = null;

  /** Starts with a copy of the durable record. */
  constructor(plan: Plan, durable: DurableKeyGeneration) {
    this.#plan = plan;
    this.#record = copyOf(durable);
  }

  /** The record with this step's changes. */
  get record(): DurableKeyGeneration {
    return this.#record;
  }

  /** Changes the record. */
  change(change: Partial<DurableKeyGeneration>): void {
    this.#record = { ...this.#record, ...change };
    this.#isRecordChanged = true;
  }

  /** Adds a message to one peer. */
  post(to: NodeId, attempt: number, body: MessageBody): void {
    const { self: from, configuration } = this.#plan;
    this.#send.push({ from, to, configuration, attempt, ...body });
  }

  /** Adds the same message to every peer. */
  broadcast(attempt: number, body: MessageBody): void {
    for (const peer of this.#plan.peers) this.post(peer, attempt, body);
  }

  /** Tells of an event. */
  report(event: KeyGenerationEvent): void {
    this.#events.push(event);
  }

  /** Hands over the key. */
  finish(key: GeneratedKey): void {
    this.#finished = key;
  }

  /** Everything since the last call. */
  take(): Output {
    const output = {
      persist: this.#isRecordChanged ? copyOf(this.#record) : null,
      send: this.#send,
      finished: this.#finished,
      events: this.#events,
    };
    this.#isRecordChanged = false;
    this.#send = [];
    this.#events = [];
    this.#finished = null;
    return output;
  }
}
