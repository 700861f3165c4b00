/**
 * The types of the part of `NodeApi` that is about members: what a node shows about them, and what it can be
 * asked to change.
 *
 * @module
 */

import type { MembershipCertificate } from "../certificate/mod.ts";
import type { ClusterConfig, PeerConfig, PeerKeys } from "../config/mod.ts";
import type { Margins } from "../margins.ts";
import type { Epoch, LogIndex, NodeId } from "../types.ts";

/** A member of the cluster, or a former one, as this node knows it. */
export interface MemberStatus {
  /** The node. */
  readonly id: NodeId;
  /** Whether it votes, only replicates, or was removed. */
  readonly role: "voter" | "learner" | "removed";
  /** Its FROST identifier; null once it is removed. */
  readonly identifier: number | null;
  /** Whether it holds a share of the epoch in force. */
  readonly hasShare: boolean;
  /** Its Ed25519 public key, 32 bytes; null once it is removed. */
  readonly identityKey: Uint8Array | null;
  /** Its X25519 public key, 32 bytes; null once it is removed. */
  readonly channelKey: Uint8Array | null;
  /** Where its peers reach it, `host:port`; null once it is removed. */
  readonly peerAddress: string | null;
  /** Where clients reach it, `host:port`; null if that is not known. */
  readonly apiAddress: string | null;
  /** Whether this node's connection to it is up; true of this node itself. */
  readonly isReachable: boolean;
  /** On a leader: the last index known to be durable on it; else null. */
  readonly matchIndex: LogIndex | null;
  /** On a leader: whether its log has caught up; else null. */
  readonly isCaughtUp: boolean | null;
}

/** One step of a plan. Each step is one membership statement, and is safe by itself. */
export interface MembersStep {
  /** `statement`: the epoch and the shares stay. `resharing`: a new epoch, and new shares for every voter. */
  readonly kind: "statement" | "resharing";
  /** The voters afterwards. */
  readonly voters: readonly NodeId[];
  /** The learners afterwards. */
  readonly learners: readonly NodeId[];
  /** How many of the voters must sign afterwards. */
  readonly threshold: number;
  /** Voters that are down and get no share. */
  readonly absent: readonly NodeId[];
  /** The margins afterwards. */
  readonly margins: Margins;
  /** How many voters can crash during the step before it has to wait. */
  readonly sparesDuring: number;
  /** What the step does, in one sentence. */
  readonly text: string;
}

/** The plan that is under way, as the log has it. */
export interface MembersChange {
  /** The plan's name for ever: the index of its log entry. */
  readonly id: LogIndex;
  /** How many of its steps are done. */
  readonly stepsDone: number;
  /** The steps that are left; the first is under way or comes next. */
  readonly steps: readonly MembersStep[];
  /**
   * What the plan waits for. `catchingUp`: the logs of joining nodes. `between`: the leader, which goes on
   * soon.
   */
  readonly stage:
    | "between"
    | "catchingUp"
    | "dealing"
    | "combining"
    | "proving"
    | "authorizing";
  /** The nodes that hold the plan up, as far as this node knows. */
  readonly waitingFor: readonly NodeId[];
  /** How many attempts at the present step have failed so far. */
  readonly attemptsFailed: number;
  /** Why the last one failed; null when none has. */
  readonly lastFailure: string | null;
  /** Whether the plan can be cancelled now: a step that is proven is completed first. */
  readonly isCancellable: boolean;
}

/** How a plan ended. */
export interface EndedMembersChange {
  /** The plan's name. */
  readonly id: LogIndex;
  /** `failed`: the leader gave it up. */
  readonly outcome: "completed" | "cancelled" | "failed";
  /** Why it was cancelled, or failed; null when it is completed. */
  readonly reason: string | null;
}

/** The members, as this node's committed log has them. */
export interface MembersStatus {
  /** How many membership statements followed the genesis. */
  readonly sequence: number;
  /** Which dealing of shares is in force. */
  readonly epoch: Epoch;
  /** How many of the voters must sign. */
  readonly threshold: number;
  /** Members by rising identifier, then former ones by id. */
  readonly members: readonly MemberStatus[];
  /** The plan that is under way; null when there is none. */
  readonly change: MembersChange | null;
  /** How the last plan ended that this node knows of; null when it knows of none. */
  readonly lastChange: EndedMembersChange | null;
  /**
   * What prevents every change, and what to do, in words; null if nothing does. One example: fewer voters with
   * a share than the threshold can be reached; then the key is lost unless more come back.
   */
  readonly trouble: string | null;
}

/** The addresses and keys of one member, from an operator. The caller has already checked whose they are. */
export interface MemberCard extends PeerConfig {
  /** Public. */
  readonly keys: PeerKeys;
}

/** The changes that an operator wants in one plan. A replacement is a removal and an addition. */
export interface MembersRequest {
  /** Nodes that join. They become learners first, and then voters unless `isLearner`. */
  readonly add?: readonly { readonly card: MemberCard; readonly isLearner: boolean }[];
  /** Members that leave. Their ids are never used again. */
  readonly remove?: readonly NodeId[];
  /** Learners that become voters. */
  readonly promote?: readonly NodeId[];
  /** Voters that become learners. */
  readonly demote?: readonly NodeId[];
  /** Members whose addresses or keys change; the operator stays the same. */
  readonly update?: readonly MemberCard[];
  /** How many must sign in the end; the default keeps the present margins. */
  readonly threshold?: number;
  /** Whether all voters get new shares even if nothing else changes. */
  readonly refresh?: boolean;
  /** Whether the last spare share may go: a plan with `takesLastSpare` is refused without this. */
  readonly allowNoSpare?: boolean;
}

/** The plan that a request leads to. */
export interface MembersPlan {
  /** The steps, each safe by itself; none when nothing would change. */
  readonly steps: readonly MembersStep[];
  /** How many liars the cluster withstands during all steps. */
  readonly lying: number;
  /** How many shares may be lost in the end while the key can still sign. Voters that are down get none. */
  readonly sparesAfter: number;
  /** Whether one more lost share would then lose the key, and now it would not. */
  readonly takesLastSpare: boolean;
}

/** The proof, under a group key, of which nodes belong to its cluster. */
export interface MembershipChain {
  /** The genesis certificate, a signed note; null if a dealer made the key. */
  readonly genesis: string | null;
  /**
   * The text that the genesis states (`encodeGenesisStatement`). If a dealer made the key, no group has signed
   * this text; then the first membership proves it, because it names the text's hash.
   */
  readonly founding: string;
  /** Every committed membership since, in order. */
  readonly memberships: readonly MembershipCertificate[];
  /** The times and limits that this node runs with. They are not signed; a node that joins compares them. */
  readonly settings: Pick<ClusterConfig, "timing" | "log" | "history">;
}

/** How long a request of an operator waits until the log has it. */
export interface Timeout {
  /** In milliseconds. */
  readonly timeoutMs: number;
}
