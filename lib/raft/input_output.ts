/**
 * The core's contract: everything that happens enters as an {@linkcode Input}, everything to be done
 * leaves as one {@linkcode Output}.
 *
 * @module
 */

import type { Certificate } from "../certificate/certifier.ts";
import type { LogIndex, NodeId, Term } from "../types.ts";
import type { Entry, PersistBatch } from "./entry.ts";
import type { Message, RefusalReason } from "./message.ts";

/** Everything that can happen to a node. */
export type Input =
  /** One tick of the clock has passed; all the core's times are counted in ticks. */
  | { readonly kind: "tick" }
  /** A peer said something. Never trusted: what does not fit is refused and counted. */
  | { readonly kind: "message"; readonly message: Message }
  /** A client of this node wants `command` in the log. */
  | { readonly kind: "propose"; readonly proposalId: number; readonly command: Uint8Array }
  /** A client of this node wants to read. */
  | { readonly kind: "read"; readonly readId: number }
  /** The batch with this sequence number, and all before it, are durable. */
  | { readonly kind: "persisted"; readonly sequence: number }
  /** The connection to a peer is gone; messages to it may have been lost. */
  | { readonly kind: "unreachable"; readonly peer: NodeId };

/** What a node is in its term. */
export type RoleName = "follower" | "preCandidate" | "candidate" | "leader";

/** Role, term and leader, as told to the world. */
export interface RoleReport {
  /** The role. */
  readonly role: RoleName;
  /** The current term. */
  readonly term: Term;
  /** The certified leader of the term, if known. */
  readonly leader: NodeId | null;
  /** That leader's certificate; there exactly when `leader` is. */
  readonly certificate: Certificate | null;
}

/** A proposal is in the leader's log at this place; it commits exactly if that place does. */
export interface AcceptedProposal {
  /** As proposed. */
  readonly proposalId: number;
  /** Where the entry stands. */
  readonly index: LogIndex;
  /** Its term. */
  readonly term: Term;
}

/** A proposal of which no more will be heard. */
export interface RejectedProposal {
  /** As proposed. */
  readonly proposalId: number;
  /** Why. */
  readonly reason: RefusalReason;
  /** Whether the command may be in some log nonetheless, and may yet commit. */
  readonly maybeApplied: boolean;
}

/** A read whose place in the order of commands is now known. */
export type ReadResult =
  /** The state may be read once `readIndex` is applied. */
  | { readonly kind: "ready"; readonly readId: number; readonly readIndex: LogIndex }
  /** The read is not served here and now. */
  | { readonly kind: "refused"; readonly readId: number; readonly reason: RefusalReason };

/** What happened inside the core that an operator may want to know; the node logs and counts it. */
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
  /** This node leads. */
  | { readonly kind: "electionWon"; readonly term: Term; readonly certificate: Certificate }
  /** This node voted. */
  | { readonly kind: "voteGranted"; readonly term: Term; readonly candidate: NodeId }
  /** Another node's certificate was verified and it is followed. */
  | { readonly kind: "certificateVerified"; readonly certificate: Certificate }
  /** A certificate, or the claim to lead without one, was refused. */
  | {
    readonly kind: "certificateRefused";
    readonly from: NodeId;
    readonly term: Term;
    readonly reason: string;
  }
  /** A message that does not fit was refused. */
  | { readonly kind: "messageRefused"; readonly from: NodeId; readonly reason: string }
  /** A leader gave up because no quorum answered, or because of a higher term. */
  | { readonly kind: "steppedDown"; readonly term: Term; readonly reason: string }
  /** A leader sent one round of heartbeats. */
  | { readonly kind: "heartbeatSent"; readonly term: Term; readonly leader: NodeId }
  /** A follower received a heartbeat from its leader. */
  | { readonly kind: "heartbeatReceived"; readonly term: Term; readonly leader: NodeId };

/** Everything that is to be done, in the order in which `lib/node` does it. */
export interface Output {
  /** Messages that need no durability first. */
  readonly send: readonly Message[];
  /** One transaction and one fsync; null when there is nothing to write. */
  readonly persist: PersistBatch | null;
  /** Messages that must not leave before `persist` is durable. */
  readonly sendAfterPersist: readonly Message[];
  /** Committed entries, in order, each exactly once in the life of a process. */
  readonly apply: readonly Entry[];
  /** Proposals of this node's clients that are now in the leader's log. */
  readonly accepted: readonly AcceptedProposal[];
  /** Proposals of this node's clients that are not, each with its reason. */
  readonly rejected: readonly RejectedProposal[];
  /** Reads of this node's clients whose index is known, or that are refused. */
  readonly reads: readonly ReadResult[];
  /** The new role, term or leader; null when none of them changed. */
  readonly role: RoleReport | null;
  /** For logs and counters. */
  readonly events: readonly RaftEvent[];
}
