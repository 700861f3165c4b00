/**
 * The core's contract: every event enters as an {@linkcode Input}, and each step returns its work as one
 * {@linkcode Output}.
 *
 * @module
 */

import type { Certificate, MembershipCertificate } from "../certificate/mod.ts";
import type { DurableShares, MembersGoal, Proposal, ReshareEvent } from "../reshare/mod.ts";
import type { LogIndex, NodeId, Term } from "../types.ts";
import type { Entry, PersistBatch, Snapshot } from "./entry.ts";
import type { Configuration } from "./members.ts";
import type { Message, RefusalReason, SnapshotRequest } from "./message.ts";

/** Everything that can happen to a node. */
export type Input =
  /** One tick of the clock has passed; all the core's times are counted in ticks. */
  | { readonly kind: "tick" }
  /** A message of a peer. Never trusted: an invalid one is refused and counted. */
  | { readonly kind: "message"; readonly message: Message }
  /** A client of this node proposes `command`. */
  | { readonly kind: "propose"; readonly proposalId: number; readonly command: Uint8Array }
  /** A client of this node reads; with `lease`, the leader may answer on its lease. */
  | { readonly kind: "read"; readonly readId: number; readonly lease: boolean }
  /** An operator asks this leader to change the members. Events report the outcome. */
  | { readonly kind: "changeMembers"; readonly proposal: Proposal }
  /** An operator asks this leader to reach a goal, in as many changes as that takes. Events report the outcome. */
  | { readonly kind: "planMembers"; readonly goal: MembersGoal }
  /** An operator asks this leader to abort the change, and the plan. */
  | { readonly kind: "cancelChange"; readonly reason: string }
  /** An operator asks this leader to hand over: to `target`, or if that is null, to the most up-to-date follower. */
  | { readonly kind: "transfer"; readonly transferId: number; readonly target: NodeId | null }
  /** The batch with this sequence number, and all before it, are durable. */
  | { readonly kind: "persisted"; readonly sequence: number }
  /** A peer shows these memberships: never trusted, those that do not verify as the next of the chain are ignored. */
  | { readonly kind: "memberships"; readonly certificates: readonly MembershipCertificate[] }
  /** The connection to a peer is gone; messages to it may have been lost. */
  | { readonly kind: "unreachable"; readonly peer: NodeId }
  /** A message was certainly not sent: its receiver is not connected. */
  | { readonly kind: "unsent"; readonly message: Message }
  /** More time has passed than ticks tell: the process stood still, or its clock jumped. */
  | { readonly kind: "clockJumped" }
  /** The state machine's effects up to `index` are durable: it no longer needs the log up to there. */
  | { readonly kind: "checkpointed"; readonly index: LogIndex }
  /** The snapshot that {@linkcode Output.makeSnapshot} asked for. */
  | { readonly kind: "snapshotMade"; readonly snapshot: Omit<Snapshot, "term" | "members"> }
  /** It could not be made. The core requests it again later. */
  | { readonly kind: "snapshotFailed" }
  /** A chunk was stored or refused; `nextOffset` is the next one needed. */
  | { readonly kind: "snapshotStored"; readonly snapshot: Snapshot; readonly nextOffset: number }
  /** A leader's snapshot is complete, checked and durable. */
  | { readonly kind: "snapshotReady"; readonly snapshot: Snapshot }
  /** A leader's snapshot is not the announced one, or could not be stored. */
  | { readonly kind: "snapshotRefused"; readonly snapshot: Snapshot };

/** What a node is in its term. */
export type RoleName = "follower" | "preCandidate" | "candidate" | "leader";

/** Role, term and leader, as reported. */
export interface RoleReport {
  /** What the node has become. */
  readonly role: RoleName;
  /** The current term. */
  readonly term: Term;
  /** The certified leader of the term, if known. */
  readonly leader: NodeId | null;
  /** That leader's certificate; there exactly when `leader` is. */
  readonly certificate: Certificate | null;
}

/** A proposal is in the leader's log at this place. It commits if and only if this entry commits. */
export interface AcceptedProposal {
  /** As proposed. */
  readonly proposalId: number;
  /** Where the entry stands. */
  readonly index: LogIndex;
  /** The term that the node reports it for. */
  readonly term: Term;
}

/** A proposal that will not be reported again. */
export interface RejectedProposal {
  /** As proposed. */
  readonly proposalId: number;
  /** Why. */
  readonly reason: RefusalReason;
  /** Whether the command may still be in some log, and commit later. */
  readonly maybeApplied: boolean;
}

/** The outcome of a read. */
export type ReadResult =
  /** The state may be read once `readIndex` is applied. */
  | { readonly kind: "ready"; readonly readId: number; readonly readIndex: LogIndex }
  /** The read is not served here and now. */
  | { readonly kind: "refused"; readonly readId: number; readonly reason: RefusalReason };

/** The outcome of a request to hand leadership over. */
export type TransferResult =
  /** This node stepped down after it asked `target` to stand for election. */
  | { readonly kind: "handedOver"; readonly transferId: number; readonly target: NodeId }
  /** The target was never asked to stand, or did not take over in time. */
  | { readonly kind: "aborted"; readonly transferId: number; readonly target: NodeId }
  /** Nothing was begun. */
  | {
    readonly kind: "refused";
    readonly transferId: number;
    readonly reason: "notLeader" | "transferring" | "noTarget";
  };

/** A chunk of the node's own snapshot that is to be read and sent. */
export type SnapshotChunk = Omit<SnapshotRequest, "data">;

/** Entries that a follower acknowledged and its log lacks. */
export interface LostEntries {
  /** The index up to which it acknowledged the leader's log. */
  readonly acknowledgedIndex: LogIndex;
  /** The highest index at which its log can match the leader's. */
  readonly heldIndex: LogIndex;
}

/** An event inside the core that may interest an operator. The node logs and counts it. */
export type RaftEvent =
  /** This node asks for pre-votes. */
  | { readonly kind: "preVoteStarted"; readonly term: Term }
  /** This node is a candidate. */
  | { readonly kind: "electionStarted"; readonly term: Term; readonly signers: readonly NodeId[] }
  /** A signing session did not finish; another was opened (ROAST). */
  | {
    readonly kind: "signingSessionOpened";
    readonly term: Term;
    readonly session: number;
    readonly missing: readonly NodeId[];
  }
  /** These voters' shares were wrong. */
  | { readonly kind: "cheaterFound"; readonly term: Term; readonly voter: NodeId }
  /** This voter declined to sign twice in one election, with a nonce of the life in which it declined. */
  | { readonly kind: "shareWithheld"; readonly term: Term; readonly voter: NodeId }
  /** This node leads. */
  | { readonly kind: "electionWon"; readonly term: Term; readonly certificate: Certificate }
  /** This node voted. */
  | { readonly kind: "voteGranted"; readonly term: Term; readonly candidate: NodeId }
  /** Another node's certificate was verified and it is followed. */
  | { readonly kind: "certificateVerified"; readonly certificate: Certificate }
  /** A valid certificate that changes nothing here: its term is over, or is led already. */
  | { readonly kind: "certificateSeen"; readonly certificate: Certificate }
  /** A certificate, or the claim to lead without one, was refused. */
  | {
    readonly kind: "certificateRefused";
    readonly from: NodeId;
    readonly term: Term;
    readonly reason: string;
  }
  /** A message that does not fit was refused. */
  | { readonly kind: "messageRefused"; readonly from: NodeId; readonly reason: string }
  /** The leader does not commit what it was asked to commit: it no longer counts as heard. */
  | { readonly kind: "leaderStalled"; readonly term: Term; readonly leader: NodeId }
  /** A leader gave up because no quorum answered, or because of a higher term. */
  | { readonly kind: "steppedDown"; readonly term: Term; readonly reason: string }
  /** A leader began to hand over. */
  | { readonly kind: "transferStarted"; readonly term: Term; readonly target: NodeId }
  /** Something happened in a change of the members. */
  | { readonly kind: "resharing"; readonly event: ReshareEvent }
  /** A leader could not put a configuration into its log yet. */
  | { readonly kind: "configurationDelayed"; readonly reason: string }
  /** Another configuration is in force. */
  | { readonly kind: "membersChanged"; readonly configuration: Configuration }
  /** This node is no longer a member. */
  | { readonly kind: "removed"; readonly configuration: Configuration }
  /** The log now begins after this index. */
  | { readonly kind: "logCompacted"; readonly index: LogIndex }
  /** The log was kept for this follower up to the limit; the snapshot that it received is useless now. */
  | { readonly kind: "followerLeftBehind"; readonly peer: NodeId; readonly index: LogIndex }
  /** A follower's log lacks acknowledged entries: its data folder is an older copy, or its disk lost data. */
  | { readonly kind: "followerLostEntries"; readonly peer: NodeId; readonly lost: LostEntries }
  /** The same of this node, as its leader's messages show. */
  | { readonly kind: "entriesLost"; readonly leader: NodeId; readonly lost: LostEntries }
  /** A follower is too far behind for the log; it is sent a snapshot. */
  | { readonly kind: "snapshotSending"; readonly peer: NodeId; readonly index: LogIndex }
  /** A leader's snapshot replaced this node's state. */
  | { readonly kind: "snapshotInstalled"; readonly from: NodeId | null; readonly index: LogIndex }
  /** A leader sent one round of heartbeats. */
  | { readonly kind: "heartbeatSent"; readonly term: Term; readonly leader: NodeId }
  /** A follower received a heartbeat from its leader. */
  | { readonly kind: "heartbeatReceived"; readonly term: Term; readonly leader: NodeId };

/** The work of one step, in the order in which `lib/node` does it. */
export interface Output {
  /**
   * This node's shares, to be made durable before anything else of this step is done, in place of those on
   * the disk. SECRET: copies, to be erased once they are. Null when they are unchanged.
   */
  readonly shares: DurableShares | null;
  /** Messages that need no durability first. */
  readonly send: readonly Message[];
  /** One transaction and one fsync; null when there is nothing to write. */
  readonly persist: PersistBatch | null;
  /** Replaces the state machine's state, once `persist` is durable; null when not. */
  readonly installSnapshot: Snapshot | null;
  /** Messages that must not leave before `persist` is durable. */
  readonly sendAfterPersist: readonly Message[];
  /** Committed entries, in order, each exactly once in a run of the process. */
  readonly apply: readonly Entry[];
  /** Chunks of this node's own snapshot to be read and sent. */
  readonly sendChunks: readonly SnapshotChunk[];
  /** Chunks of a leader's snapshot to be kept; each is answered by `snapshotStored`. */
  readonly storeChunks: readonly SnapshotRequest[];
  /** Whether a snapshot of the state machine is to be made, to be answered by `snapshotMade`. */
  readonly makeSnapshot: boolean;
  /** Proposals of this node's clients that are now in the leader's log. */
  readonly accepted: readonly AcceptedProposal[];
  /** Proposals of this node's clients that are not, each with its reason. */
  readonly rejected: readonly RejectedProposal[];
  /** Reads of this node's clients whose index is known, or that are refused. */
  readonly reads: readonly ReadResult[];
  /** Transfers that have ended. */
  readonly transfers: readonly TransferResult[];
  /** The new role, term or leader; null when none of them changed. */
  readonly role: RoleReport | null;
  /** For logs and counters. */
  readonly events: readonly RaftEvent[];
}

/** Collects a step's {@linkcode Output}, apart from the parts that are known only at its end. */
export class Outbox {
  /** See {@linkcode Output.shares}. */
  shares: DurableShares | null = null;
  /** See {@linkcode Output.send}. */
  readonly send: Message[] = [];
  /** See {@linkcode Output.installSnapshot}. */
  installSnapshot: Snapshot | null = null;
  /** See {@linkcode Output.sendAfterPersist}. */
  readonly sendAfterPersist: Message[] = [];
  /** See {@linkcode Output.apply}. */
  readonly apply: Entry[] = [];
  /** See {@linkcode Output.sendChunks}. */
  readonly sendChunks: SnapshotChunk[] = [];
  /** See {@linkcode Output.storeChunks}. */
  readonly storeChunks: SnapshotRequest[] = [];
  /** See {@linkcode Output.makeSnapshot}. */
  makeSnapshot = false;
  /** See {@linkcode Output.accepted}. */
  readonly accepted: AcceptedProposal[] = [];
  /** See {@linkcode Output.rejected}. */
  readonly rejected: RejectedProposal[] = [];
  /** See {@linkcode Output.reads}. */
  readonly reads: ReadResult[] = [];
  /** See {@linkcode Output.transfers}. */
  readonly transfers: TransferResult[] = [];
  /** See {@linkcode Output.events}. */
  readonly events: RaftEvent[] = [];
}
