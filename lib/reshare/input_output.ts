/**
 * The contract of resharing: everything that happens enters as an {@linkcode Input}, everything to be
 * done leaves as an {@linkcode Output}.
 *
 * @module
 */

import type { Group, Membership } from "../certificate/mod.ts";
import type { FrostRefusal, RandomBytes } from "../frost/mod.ts";
import type { Epoch, LogIndex, NodeId } from "../types.ts";
import type { DueStatement } from "./change.ts";
import type { Complaint, MembersGoal, PlanEntry, PlannedMember, ReshareEntry } from "./entry.ts";
import type { NodesView } from "./goal.ts";
import type { EndedPlan } from "./membership_log.ts";

/** Everything that a node's part in resharing depends on besides its inputs. */
export interface ResharingConfig {
  /** This node; it need not be a member yet. */
  readonly self: NodeId;
  /** Where the chain of memberships stands before the first entry that will be given. */
  readonly membership: Membership;
  /** How many attempts at the next membership were begun before that entry; none unless given. */
  readonly attempt?: number;
  /** The plan that was under way before that entry; none unless given. */
  readonly plan?: PlanEntry | null;
  /**
   * Signs as this node, with its Ed25519 identity key: 64 bytes. The key stays with the caller. What is
   * signed begins with its kind, `floe/reshare/v1`.
   */
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** Where polynomials come from; a cryptographic source. */
  readonly randomBytes: RandomBytes;
}

/** A sub-share for its receiver, over a channel that proves the sender and hides the content. */
export interface SubShareMessage {
  /** The tag. */
  readonly kind: "subShare";
  /** The dealer, as the channel proves it. */
  readonly from: NodeId;
  /** The receiver. */
  readonly to: NodeId;
  /** Which change of members it is part of. */
  readonly change: string;
  /** A 32-byte scalar. SECRET: for the receiver alone. A copy, for the driver to erase. */
  readonly secret: Uint8Array;
}

/** A receiver asks for a dealer's sub-share again: it lost it in a restart. */
export interface WantMessage {
  /** The tag. */
  readonly kind: "want";
  /** The receiver, as the channel proves it. */
  readonly from: NodeId;
  /** The dealer. */
  readonly to: NodeId;
  /** Which change of members it is part of. */
  readonly change: string;
}

/** The direct messages between nodes. They can be lost, doubled and reordered. */
export type ReshareMessage = SubShareMessage | WantMessage;

/** A change that the leader is asked for. */
export interface Proposal {
  /** Whether new shares are dealt. If not, only the description of members changes. */
  readonly isResharing: boolean;
  /** How many of the new voters must sign. */
  readonly threshold: number;
  /** Every member afterwards, by rising identifier. */
  readonly members: readonly PlannedMember[];
  /** New voters that are down, and get no share. */
  readonly absent: readonly NodeId[];
}

/** Everything that can happen. */
export type Input =
  /** One tick of the clock has passed. */
  | { readonly kind: "tick" }
  /** An entry of the log is committed. Each comes once, in the log's order. After a restart all come again. */
  | { readonly kind: "committed"; readonly entry: ReshareEntry }
  /** A message of a peer. It is never trusted. */
  | { readonly kind: "message"; readonly message: ReshareMessage }
  /** A connection to a peer is established. */
  | { readonly kind: "connected"; readonly peer: NodeId }
  /** Whether this node leads, and has committed an entry of its own term. */
  | { readonly kind: "leading"; readonly isLeader: boolean }
  /** To the leader: begin this change. */
  | { readonly kind: "propose"; readonly proposal: Proposal }
  /** To the leader: begin a plan, and make every change that leads to its goal. */
  | { readonly kind: "plan"; readonly goal: MembersGoal }
  /** To the leader, between two changes of a plan: which nodes can take part. */
  | { readonly kind: "nodes"; readonly nodes: NodesView }
  /** To the leader: give up the change and the plan. */
  | { readonly kind: "cancel"; readonly reason: string }
  /** To the leader: the signature over what was due, made by the shares of that epoch: 64 bytes. */
  | { readonly kind: "signed"; readonly by: Epoch; readonly signature: Uint8Array };

/** An event for operators. */
export type ReshareEvent =
  /** A change is under way. */
  | { readonly kind: "begun"; readonly change: string; readonly epoch: Epoch }
  /** A node broke a rule. The log proves it to all nodes. */
  | {
    readonly kind: "faultFound";
    readonly change: string;
    readonly node: NodeId;
    readonly rule: FrostRefusal;
  }
  /** This node received a sub-share that does not match its dealer's commitment. */
  | { readonly kind: "dealRefused"; readonly change: string; readonly complaint: Complaint }
  /** A receiver claims that of a dealer's sub-share. One of the two is lying. */
  | {
    readonly kind: "complaintReported";
    readonly change: string;
    readonly by: NodeId;
    readonly complaint: Complaint;
  }
  /** This node's new share becomes durable with this step. */
  | { readonly kind: "shareMade"; readonly change: string }
  /** The new configuration is in force. */
  | { readonly kind: "completed"; readonly change: string; readonly epoch: Epoch }
  /** The change ended without effect. */
  | { readonly kind: "aborted"; readonly change: string; readonly reason: string }
  /** A committed entry was wrong, late, or already in the log. */
  | { readonly kind: "entryRefused"; readonly entry: ReshareEntry["kind"]; readonly reason: string }
  /** A message that does not fit was refused. */
  | { readonly kind: "messageRefused"; readonly from: NodeId; readonly reason: string }
  /** A plan is under way. */
  | { readonly kind: "planBegun"; readonly id: LogIndex }
  /** A plan has ended. */
  | { readonly kind: "planEnded"; readonly plan: EndedPlan }
  /** The leader refused to begin a plan. `goal` is the object that asked for it. */
  | { readonly kind: "planRefused"; readonly goal: MembersGoal; readonly reason: string }
  /** The leader refused a change. */
  | { readonly kind: "proposalRefused"; readonly reason: string };

/** A share on this node's disk. */
export interface DurableNodeShare {
  /** The epoch of the share. */
  readonly epoch: Epoch;
  /** The change that made it; null for the first share, which key generation or a dealer made. */
  readonly change: string | null;
  /** A 32-byte scalar. SECRET: it is stored as a secret file. */
  readonly secret: Uint8Array;
}

/**
 * The durable record. Invariants, each made durable before any output that relies on it:
 *
 * 1. `next` is there before this node says `ready`.
 * 2. `current` is replaced only when the configuration that ends its epoch is committed. The old share is then
 *    erased with the old record.
 * 3. `next` is removed when its change is aborted.
 */
export interface DurableShares {
  /** The share of the epoch in force; null for a node without one. */
  readonly current: DurableNodeShare | null;
  /** The share of the change under way; null if there is none. */
  readonly next: DurableNodeShare | null;
}

/** The configuration in force, once it is committed. */
export interface Adoption {
  /** The membership of the new configuration. */
  readonly membership: Membership;
  /** The public keys of the voters that have a share. */
  readonly group: Group;
  /** This node's share; null when it has none. SECRET: a copy, which the receiver erases. */
  readonly secret: Uint8Array | null;
}

/** The effects of a step, in the order in which {@linkcode carryOut} performs them. */
export interface Output {
  /** Replaces the durable record as a whole, atomically; null when it is unchanged. */
  readonly persist: DurableShares | null;
  /** Messages. None may be sent before `persist` is durable. */
  readonly send: readonly ReshareMessage[];
  /** Entries for the leader to append, also after `persist`. They can be lost, and are proposed again. */
  readonly propose: readonly ReshareEntry[];
  /** For the leader's signing sessions: the text to sign next; null for none. */
  readonly sign: DueStatement | null;
  /** A new configuration is in force. It ends the certifier, nonces and connections of the old one. */
  readonly adopted: Adoption | null;
  /** For logs and counters. */
  readonly events: readonly ReshareEvent[];
}

/** The effects that resharing needs. All of them are synchronous, in the order of the calls. */
export interface ResharingPorts {
  /**
   * Makes the record durable before it returns, and erases the shares in its copy.
   *
   * @throws when this may have failed. The node must then stop.
   */
  persist(record: DurableShares): void;
  /** Sends a message, encrypted for its receiver. It may be lost. */
  send(message: ReshareMessage): void;
  /** Proposes an entry to the leader, which may be this node. */
  propose(entry: ReshareEntry): void;
  /** Starts a signing session. */
  sign(due: DueStatement): void;
  /** Begins to use a new configuration. */
  adopt(adoption: Adoption): void;
  /** Tells logs and counters. */
  report(event: ReshareEvent): void;
}

/** Performs a step's output. It persists first, so that no output relies on a record that is not durable. */
export function carryOut(output: Output, ports: ResharingPorts): void {
  if (output.persist !== null) ports.persist(output.persist);
  for (const message of output.send) ports.send(message);
  for (const entry of output.propose) ports.propose(entry);
  if (output.sign !== null) ports.sign(output.sign);
  if (output.adopted !== null) ports.adopt(output.adopted);
  for (const event of output.events) ports.report(event);
}

/** Collects the output of one step, and the changes of the record. */
export class Outbox {
  #record: DurableShares;
  #isRecordChanged = false;
  #send: ReshareMessage[] = [];
  #propose: ReshareEntry[] = [];
  #sign: DueStatement | null = null;
  #adopted: Adoption | null = null;
  #events: ReshareEvent[] = [];

  /** Begins with a copy of the durable record. */
  constructor(durable: DurableShares) {
    this.#record = copyOf(durable);
  }

  /** The record as it will be once this step is durable. */
  get record(): DurableShares {
    return this.#record;
  }

  /** Replaces the record, and erases every share that is no longer in it. */
  change(record: DurableShares): void {
    const kept = [record.current, record.next];
    for (const share of [this.#record.current, this.#record.next]) {
      if (share !== null && !kept.includes(share)) share.secret.fill(0);
    }
    this.#record = record;
    this.#isRecordChanged = true;
  }

  /** Sends a message. */
  post(message: ReshareMessage): void {
    this.#send.push(message);
  }

  /** Proposes an entry. */
  propose(entry: ReshareEntry): void {
    this.#propose.push(entry);
  }

  /** Asks for a signature. */
  sign(due: DueStatement): void {
    this.#sign = due;
  }

  /** Goes over to a new configuration. */
  adopt(adoption: Adoption): void {
    this.#adopted?.secret?.fill(0);
    this.#adopted = adoption;
  }

  /** Tells of an event. */
  report(event: ReshareEvent): void {
    this.#events.push(event);
  }

  /** Everything since the last call. */
  take(): Output {
    const output = {
      persist: this.#isRecordChanged ? copyOf(this.#record) : null,
      send: this.#send,
      propose: this.#propose,
      sign: this.#sign,
      adopted: this.#adopted,
      events: this.#events,
    };
    this.#isRecordChanged = false;
    this.#send = [];
    this.#propose = [];
    this.#sign = null;
    this.#adopted = null;
    this.#events = [];
    return output;
  }
}

/** A copy with its own secrets, which the receiver erases. */
function copyOf({ current, next }: DurableShares): DurableShares {
  return { current: copyShare(current), next: copyShare(next) };
}

function copyShare(share: DurableNodeShare | null): DurableNodeShare | null {
  return share === null ? null : { ...share, secret: share.secret.slice() };
}
