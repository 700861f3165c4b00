/**
 * What a node shows of the members, and what can be asked of it about them: the types of that part of `NodeApi`.
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
  /** Whether it votes, only replicates, or belongs to the cluster no more. */
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
  /** Where clients reach it, `host:port`; null where that is not known. */
  readonly apiAddress: string | null;
  /** Whether this node's connection to it is up; true of this node itself. */
  readonly isReachable: boolean;
  /** On a leader: the last index known to be durable on it; else null. */
  readonly matchIndex: LogIndex | null;
  /** On a leader: whether its log has caught up; else null. */
  readonly isCaughtUp: boolean | null;
}

/** One step of a plan. Each is one membership statement, and safe in itself. */
export interface MembersStep {
  /** `statement`: within the epoch, shares stay. `resharing`: a new epoch, new shares for every voter. */
  readonly kind: "statement" | "resharing";
  /** The voters afterwards. */
  readonly voters: readonly NodeId[];
  /** The learners afterwards. */
  readonly learners: readonly NodeId[];
  /** How many of the voters must sign afterwards. */
  readonly threshold: number;
  /** Voters that are down, and get no share. */
  readonly absent: readonly NodeId[];
  /** What may go wrong afterwards. */
  readonly margins: Margins;
  /** Voters that may crash while the step is made before it has to wait. */
  readonly sparesDuring: number;
  /** What it does, in one sentence. */
  readonly text: string;
}

/** A plan that is under way, as the log has it. */
export interface MembersChange {
  /** The plan's name, for as long as the cluster exists: the index of its entry. */
  readonly id: LogIndex;
  /** How many of its steps are done. */
  readonly stepsDone: number;
  /** The steps that are left; the first is under way or comes next. */
  readonly steps: readonly MembersStep[];
  /** What is waited for. `catchingUp`: for the logs of the nodes that join. `between`: for the leader to go on. */
  readonly stage:
    | "between"
    | "catchingUp"
    | "dealing"
    | "combining"
    | "proving"
    | "authorizing";
  /** Who holds it up, as far as is known. */
  readonly waitingFor: readonly NodeId[];
  /** How many attempts at the present step have failed. */
  readonly attemptsFailed: number;
  /** Why the last one failed; null when none has. */
  readonly lastFailure: string | null;
  /** Whether it can still be cancelled: a step that is proven is completed first. */
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
   * What stands in the way of any change, and what to do, in words; null for nothing. Fewer voters with a share
   * than the threshold can be reached, say: then the key is lost unless they come back.
   */
  readonly trouble: string | null;
}

/** What an operator says of one member: its addresses and keys. Whose they are was checked before. */
export interface MemberCard extends PeerConfig {
  /** Public. */
  readonly keys: PeerKeys;
}

/** What an operator wants changed, in one plan. A replacement is a removal and an addition. */
export interface MembersRequest {
  /** Nodes that join. They become learners, and then voters unless `isLearner`. */
  readonly add?: readonly { readonly card: MemberCard; readonly isLearner: boolean }[];
  /** Members that leave. Their ids are never used again. */
  readonly remove?: readonly NodeId[];
  /** Learners that are to vote. */
  readonly promote?: readonly NodeId[];
  /** Voters that are to replicate only. */
  readonly demote?: readonly NodeId[];
  /** Members with other addresses, or other keys of the same operator. */
  readonly update?: readonly MemberCard[];
  /** How many must sign in the end; by default as many as keep the margins that there are. */
  readonly threshold?: number;
  /** Whether all voters are to get new shares even if nothing else changes. */
  readonly refresh?: boolean;
  /** Whether the last spare share may go: a plan with `takesLastSpare` is refused without this. */
  readonly allowNoSpare?: boolean;
}

/** What a request comes to. */
export interface MembersPlan {
  /** The steps, each safe in itself; none when everything is as wanted. */
  readonly steps: readonly MembersStep[];
  /** Liars that the cluster withstands all the way. */
  readonly lying: number;
  /** How many shares may be lost in the end while the key can still sign. Voters that are down get none. */
  readonly sparesAfter: number;
  /** Whether one more lost share would then lose the key, and now it would not. */
  readonly takesLastSpare: boolean;
}

/** Everything that a group key verifies of who belongs to its cluster. */
export interface MembershipChain {
  /** The genesis certificate, a signed note; null where a dealer made the key. */
  readonly genesis: string | null;
  /**
   * The text that the genesis states (`encodeGenesisStatement`). Where a dealer made the key nobody has signed
   * it, and the first membership proves it: it names its hash.
   */
  readonly founding: string;
  /** Every committed membership since, in order. */
  readonly memberships: readonly MembershipCertificate[];
  /** The times and limits that this node runs with: nobody signs them, and a node that joins compares them. */
  readonly settings: Pick<ClusterConfig, "timing" | "log" | "history">;
}

/** How long an operator waits for the log to have what was asked for. */
export interface Timeout {
  /** In milliseconds. */
  readonly timeoutMs: number;
}
