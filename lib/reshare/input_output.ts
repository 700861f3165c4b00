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

/** A receiver lacks a dealer's sub-share: it was restarted since it had it. */
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

/** What nodes say to each other directly. May be lost, doubled and reordered. */
export type ReshareMessage = SubShareMessage | WantMessage;

/** What a leader is asked to change. */
export interface Proposal {
  /** Whether new shares are dealt, or only what is said about members changes. */
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
  /** An entry of the log is committed. In the log's order, each once; after a restart from the start. */
  | { readonly kind: "committed"; readonly entry: ReshareEntry }
  /** A peer said something. Never trusted. */
  | { readonly kind: "message"; readonly message: ReshareMessage }
  /** A connection to a peer is there, or there again. */
  | { readonly kind: "connected"; readonly peer: NodeId }
  /** Whether this node leads, and has committed an entry of its own term. */
  | { readonly kind: "leading"; readonly isLeader: boolean }
  /** To the leader: begin this change. */
  | { readonly kind: "propose"; readonly proposal: Proposal }
  /** To the leader: begin a plan, and make every change that leads to its goal. */
  | { readonly kind: "plan"; readonly goal: MembersGoal }
  /** To the leader of a plan that makes no change now: who can take part. */
  | { readonly kind: "nodes"; readonly nodes: NodesView }
  /** To the leader: give the change up, and the plan. */
  | { readonly kind: "cancel"; readonly reason: string }
  /** To the leader: the signature over what was due, made by the shares of that epoch: 64 bytes. */
  | { readonly kind: "signed"; readonly by: Epoch; readonly signature: Uint8Array };

/** What happened that an operator may want to know. */
export type ReshareEvent =
  /** A change is under way. */
  | { readonly kind: "begun"; readonly change: string; readonly epoch: Epoch }
  /** A node provably broke a rule, in the log, for everybody to see. */
  | {
    readonly kind: "faultFound";
    readonly change: string;
    readonly node: NodeId;
    readonly rule: FrostRefusal;
  }
  /** This node got a sub-share that is not of its dealer's commitment. */
  | { readonly kind: "dealRefused"; readonly change: string; readonly complaint: Complaint }
  /** A receiver says so of a dealer. One of the two is wrong. */
  | {
    readonly kind: "complaintReported";
    readonly change: string;
    readonly by: NodeId;
    readonly complaint: Complaint;
  }
  /** This node's new share is to become durable with this step. */
  | { readonly kind: "shareMade"; readonly change: string }
  /** The new configuration is in force. */
  | { readonly kind: "completed"; readonly change: string; readonly epoch: Epoch }
  /** The change ended without effect. */
  | { readonly kind: "aborted"; readonly change: string; readonly reason: string }
  /** A committed entry was wrong, late or there already. */
  | { readonly kind: "entryRefused"; readonly entry: ReshareEntry["kind"]; readonly reason: string }
  /** A message that does not fit was refused. */
  | { readonly kind: "messageRefused"; readonly from: NodeId; readonly reason: string }
  /** A plan is under way. */
  | { readonly kind: "planBegun"; readonly id: LogIndex }
  /** A plan has ended. */
  | { readonly kind: "planEnded"; readonly plan: EndedPlan }
  /** What a leader was asked to plan, or to end, cannot be. */
  | { readonly kind: "planRefused"; readonly reason: string }
  /** What a leader was asked for cannot be done. */
  | { readonly kind: "proposalRefused"; readonly reason: string };

/** A share on this node's disk. */
export interface DurableNodeShare {
  /** The dealing that it is of. */
  readonly epoch: Epoch;
  /** The change that made it; null for the first, which key generation or a dealer made. */
  readonly change: string | null;
  /** A 32-byte scalar. SECRET: to be written with the care that key files get. */
  readonly secret: Uint8Array;
}

/**
 * The durable record. Invariants, each made durable before anything that relies on it leaves:
 *
 * 1. `next` is there before this node says `ready`.
 * 2. `current` is replaced only when the configuration that ends its epoch is committed; then the old
 *    share is gone with the record that held it.
 * 3. `next` goes when its change is aborted.
 */
export interface DurableShares {
  /** The share of the epoch in force; null for a node that holds none. */
  readonly current: DurableNodeShare | null;
  /** The share of the change under way; null unless there is one. */
  readonly next: DurableNodeShare | null;
}

/** The configuration in force, once it is committed. */
export interface Adoption {
  /** Where the chain stands now. */
  readonly membership: Membership;
  /** The holders' public keys. */
  readonly group: Group;
  /** This node's share: SECRET, the receiver's copy to erase; null when it holds none. */
  readonly secret: Uint8Array | null;
}

/** Everything that is to be done, in the order in which {@linkcode carryOut} does it. */
export interface Output {
  /** Replaces the durable record as a whole, atomically; null when it is unchanged. */
  readonly persist: DurableShares | null;
  /** Messages; none may leave before `persist` is durable. */
  readonly send: readonly ReshareMessage[];
  /** Entries for the leader to append; likewise. They may be lost, and are proposed again. */
  readonly propose: readonly ReshareEntry[];
  /** To the leader's signing sessions: what the shares of an epoch must sign next; null for nothing. */
  readonly sign: DueStatement | null;
  /** A new configuration is in force. The certifier, nonces and connections of before go. */
  readonly adopted: Adoption | null;
  /** For logs and counters. */
  readonly events: readonly ReshareEvent[];
}

/** What resharing needs done by others. All of it happens synchronously, in the order called. */
export interface ResharingPorts {
  /**
   * Makes the record durable before it returns, and erases the shares in the copy that it was given.
   *
   * @throws when that is not certain; the node must then stop.
   */
  persist(record: DurableShares): void;
  /** Puts a message on its way to its receiver alone, encrypted; it may be lost. */
  send(message: ReshareMessage): void;
  /** Hands an entry to the leader, which may be this node. */
  propose(entry: ReshareEntry): void;
  /** Starts a signing session. */
  sign(due: DueStatement): void;
  /** Goes over to a new configuration. */
  adopt(adoption: Adoption): void;
  /** Tells logs and counters. */
  report(event: ReshareEvent): void;
}

/** Does what a step's output says: persists first, so that nothing leaves that is not durable. */
export function carryOut(output: Output, ports: ResharingPorts): void {
  if (output.persist !== null) ports.persist(output.persist);
  for (const message of output.send) ports.send(message);
  for (const entry of output.propose) ports.propose(entry);
  if (output.sign !== null) ports.sign(output.sign);
  if (output.adopted !== null) ports.adopt(output.adopted);
  for (const event of output.events) ports.report(event);
}

/** What one step collects, and the record that it changes. */
export class Outbox {
  #record: DurableShares;
  #isRecordChanged = false;
  #send: ReshareMessage[] = [];
  #propose: ReshareEntry[] = [];
  #sign: DueStatement | null = null;
  #adopted: Adoption | null = null;
  #events: ReshareEvent[] = [];

  /** Begins with a copy of what is durable. */
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

/** A copy whose secrets are the receiver's to erase. */
function copyOf({ current, next }: DurableShares): DurableShares {
  return { current: copyShare(current), next: copyShare(next) };
}

function copyShare(share: DurableNodeShare | null): DurableNodeShare | null {
  return share === null ? null : { ...share, secret: share.secret.slice() };
}
