/**
 * The messages between Raft nodes. Each is one member of a union tagged by `kind`. `term` is the sender's
 * current term; in the pre-vote, it is the requested term. It is only a claim: where the receiver's term is
 * lower, the proof in the message counts.
 *
 * @module
 */

import type { MembershipCertificate, SignerCommitment } from "../certificate/mod.ts";
import type { Epoch, LogIndex, NodeId, Term } from "../types.ts";
import type { Entry, Snapshot } from "./entry.ts";
import type { TermProof } from "./term_proof.ts";

/** The fields that every message has. */
export interface Envelope {
  /** The sender, authenticated by the transport. */
  readonly from: NodeId;
  /** The receiver. */
  readonly to: NodeId;
  /** The sender's current term; in a pre-vote request and its grant, the requested term. */
  readonly term: Term;
}

/** Raft dissertation §9.6: would you vote for me in `term`? */
export interface PreVoteRequest extends Envelope {
  /** The tag. */
  readonly kind: "preVoteRequest";
  /** Index of the sender's last entry. */
  readonly lastLogIndex: LogIndex;
  /** Term of the sender's last entry. */
  readonly lastLogTerm: Term;
  /** Whether the current leader asked for this election (Raft dissertation §3.10). */
  readonly transfer: boolean;
  /** The epoch of the voters that are asked: that of the configuration under which the sender stands. */
  readonly epoch: Epoch;
  /** How many statements the chain of memberships has up to the one shown: that configuration's, or one before. */
  readonly sequence: number;
  /** The last of them, for a voter that does not know it yet; null for the genesis. */
  readonly membership: MembershipCertificate | null;
  /** Proves the sender's term, which is one below the requested term; null for term 0. */
  readonly proof: TermProof | null;
}

/**
 * A grant has the voter's signature and its round-one commitment. A refusal has the voter's own term, with
 * its proof where it is not below the requested term.
 */
export interface PreVoteResponse extends Envelope {
  /** The tag. */
  readonly kind: "preVoteResponse";
  /** Whether the voter would vote for the sender of the request. */
  readonly granted: boolean;
  /** The voter's signature (`floe/prevote/v1`); null when not granted. */
  readonly grant: Uint8Array | null;
  /** The commitment for this election; null when not granted. */
  readonly commitment: Uint8Array | null;
  /** Tells the life of the voter in which it made the commitment from its others. */
  readonly incarnation: number;
  /** In a refusal, the proof of the voter's term. */
  readonly proof: TermProof | null;
  /**
   * In a refusal, statements that the chain in the candidate's log lacks, the next one first: so a node
   * learns that it was removed.
   */
  readonly memberships: readonly MembershipCertificate[];
}

/** Raft §5.2 RequestVote, with the signing session that the vote's share belongs to. */
export interface VoteRequest extends Envelope {
  /** The tag. */
  readonly kind: "voteRequest";
  /** The dealing of shares that signs. */
  readonly epoch: Epoch;
  /** Index of the candidate's last entry. */
  readonly lastLogIndex: LogIndex;
  /** Term of the candidate's last entry. */
  readonly lastLogTerm: Term;
  /** Whether the current leader asked for this election. */
  readonly transfer: boolean;
  /** Proves the term: t grants for the sender. */
  readonly proof: TermProof | null;
  /** The signing session, counted from 1 in each candidacy; 0 when only the vote is asked for. */
  readonly session: number;
  /** The session's commitment list; empty when only the vote is asked for. */
  readonly commitments: readonly SignerCommitment[];
}

/** The vote, the share if one was asked for, and the next round-one commitment. */
export interface VoteResponse extends Envelope {
  /** The tag. */
  readonly kind: "voteResponse";
  /** The term of the request that this answers. */
  readonly requestTerm: Term;
  /** Whether the voter votes for the candidate. */
  readonly granted: boolean;
  /** The session of the request. */
  readonly session: number;
  /** The signature share; null when none was asked for or it was refused. */
  readonly share: Uint8Array | null;
  /** A fresh commitment for a further session; null when not granted. */
  readonly commitment: Uint8Array | null;
  /** Tells the life of the voter in which it made the commitment from its others. */
  readonly incarnation: number;
  /** In a refusal, the proof of the voter's term, where that is higher than the request's. */
  readonly proof: TermProof | null;
}

/** Raft §5.3 AppendEntries; a heartbeat when `entries` is empty. */
export interface AppendRequest extends Envelope {
  /** The tag. */
  readonly kind: "appendRequest";
  /** Index of the entry before `entries`. */
  readonly previousLogIndex: LogIndex;
  /** Term of that entry. */
  readonly previousLogTerm: Term;
  /** Entries to store, contiguous from `previousLogIndex + 1`; empty in a heartbeat. */
  readonly entries: readonly Entry[];
  /** The leader's commit index. */
  readonly leaderCommit: LogIndex;
  /** The index up to which the receiver acknowledged in this term. Missing entries below it were lost. */
  readonly matchIndex: LogIndex;
  /** Rises with every heartbeat and read in the term. An answer shows that its sender still follows. */
  readonly round: number;
  /** The leader's signed note, until the receiver has answered in this term. */
  readonly certificate: string | null;
  /** The transfer target. Only the election of that node may waive the leader's lease. */
  readonly transferTarget: NodeId | null;
}

/** The outcome of an AppendEntries at the follower. */
export type AppendOutcome =
  /** The log matches the leader's up to and including `matchIndex`, durably. */
  | { readonly kind: "accepted"; readonly matchIndex: LogIndex }
  /**
   * The entry at `previousLogIndex` is missing or of another term. The next place that can match is
   * at most `hintIndex`, where the follower has an entry of `hintTerm`.
   */
  | {
    readonly kind: "conflict";
    readonly previousLogIndex: LogIndex;
    readonly hintIndex: LogIndex;
    readonly hintTerm: Term;
  }
  /** The receiver knows no certificate for this leader and term. */
  | { readonly kind: "uncertified" }
  /** The leader's term is over: the envelope's term is higher, as `proof` shows. */
  | { readonly kind: "staleTerm"; readonly proof: TermProof };

/** The answer to an {@linkcode AppendRequest}. */
export interface AppendResponse extends Envelope {
  /** The tag. */
  readonly kind: "appendResponse";
  /** The round of the request that this answers; 0 from a follower that counts its leader as stalled. */
  readonly round: number;
  /** For how many ticks from then on the follower helps no other candidate: its own election timeout. */
  readonly promiseTicks: number;
  /** What the follower did with the request. */
  readonly outcome: AppendOutcome;
}

/** Raft Figure 13, InstallSnapshot: one chunk of a snapshot for a follower that is too far behind. */
export interface SnapshotRequest extends Envelope {
  /** The tag. */
  readonly kind: "snapshotRequest";
  /** Which snapshot. */
  readonly snapshot: Snapshot;
  /** Where the chunk stands in it. */
  readonly offset: number;
  /** The chunk; empty to ask for the receiver's progress. */
  readonly data: Uint8Array;
  /** As in {@linkcode AppendRequest}. */
  readonly round: number;
  /** As in {@linkcode AppendRequest}. */
  readonly certificate: string | null;
}

/** The outcome of a chunk at the receiver. */
export type SnapshotOutcome =
  /** The receiver has everything before `nextOffset`, and needs the chunk there. */
  | { readonly kind: "stored"; readonly nextOffset: number }
  /** The receiver's log begins after the snapshot now, or did already. */
  | { readonly kind: "installed" }
  /** The receiver has lost its state machine: it needs a snapshot of the index or a later one. */
  | { readonly kind: "wanted" }
  /** The receiver could not store it, or it is not the announced snapshot. Sending starts over. */
  | { readonly kind: "refused" };

/** The answer to a {@linkcode SnapshotRequest}. */
export interface SnapshotResponse extends Envelope {
  /** The tag. */
  readonly kind: "snapshotResponse";
  /** The snapshot's last index. */
  readonly index: LogIndex;
  /** The receiver's state. */
  readonly outcome: SnapshotOutcome;
}

/** Raft dissertation §3.10: the leader asks the receiver to stand for election now. */
export interface TimeoutNowRequest extends Envelope {
  /** The tag. */
  readonly kind: "timeoutNowRequest";
  /** As in {@linkcode AppendRequest}. */
  readonly round: number;
  /** As in {@linkcode AppendRequest}. */
  readonly certificate: string | null;
}

/** A proposal that a follower forwards to the leader. */
export interface ForwardedProposal {
  /** Unique within the origin's incarnation. */
  readonly proposalId: number;
  /** The command for the state machine. */
  readonly command: Uint8Array;
}

/**
 * A follower forwards its clients' proposals to the leader of the envelope's term. Only that leader may take
 * them, and only once, however often the request arrives.
 */
export interface ProposeRequest extends Envelope {
  /** The tag. */
  readonly kind: "proposeRequest";
  /** Tells this life of the origin from its earlier ones; echoed in the answer. */
  readonly incarnation: number;
  /** The number of the batch in that run, from 1. */
  readonly batchId: number;
  /** The proposals, in the order in which clients made them. */
  readonly proposals: readonly ForwardedProposal[];
}

/** Why a proposal or a read was refused. */
export type RefusalReason =
  /** The node is not the leader, or no longer. */
  | "notLeader"
  /** No leader is known. */
  | "noLeader"
  /** The leader is at a limit: of uncommitted bytes, of reads, or of its origin's runs. */
  | "overloaded"
  /** The leader is handing over to another. */
  | "transferring"
  /** The leader's state machine cannot read the command: it is of a newer version, or invalid. */
  | "unreadable"
  /** The leader was lost, or its answer, before the answer came. */
  | "leaderChanged";

/** The outcome of one forwarded proposal. */
export type ProposalOutcome =
  /** Appended to the leader's log. The origin's own log shows whether it commits. */
  | {
    readonly kind: "appended";
    readonly proposalId: number;
    readonly index: LogIndex;
  }
  /** Not appended, and never will be. */
  | {
    readonly kind: "refused";
    readonly proposalId: number;
    readonly reason: RefusalReason;
  }
  /** Perhaps appended: the sender did not lead the request's term, or led it in an earlier run. */
  | { readonly kind: "unknown"; readonly proposalId: number };

/** The leader's answer; entries appended have the envelope's term. */
export interface ProposeResponse extends Envelope {
  /** The tag. */
  readonly kind: "proposeResponse";
  /** The incarnation of the request. */
  readonly incarnation: number;
  /** One outcome for each proposal of the request. */
  readonly outcomes: readonly ProposalOutcome[];
}

/** A follower asks the leader for a read index (Raft dissertation §6.4). */
export interface ReadIndexRequest extends Envelope {
  /** The tag. */
  readonly kind: "readIndexRequest";
  /** Tells this life of the origin from its earlier ones; echoed in the answer. */
  readonly incarnation: number;
  /** Identifies the batch of reads within the incarnation. */
  readonly batchId: number;
  /** Whether the leader may answer on its lease, without asking a quorum. */
  readonly lease: boolean;
}

/** The leader's answer, given once a quorum has confirmed its leadership. */
export interface ReadIndexResponse extends Envelope {
  /** The tag. */
  readonly kind: "readIndexResponse";
  /** The incarnation of the request. */
  readonly incarnation: number;
  /** The batch of the request. */
  readonly batchId: number;
  /** Reads may be served once this index is applied; null when the sender does not lead. */
  readonly readIndex: LogIndex | null;
}

/** A dealer's sub-share for the receiver: over a channel that proves the sender and hides the content. */
export interface SubShareMessage extends Envelope {
  /** The tag. */
  readonly kind: "subShare";
  /** The change of members that it is part of: the SHA-256 of its first entry, in hex. */
  readonly change: string;
  /** A 32-byte scalar. SECRET: for the receiver alone; its sender erases it once it has left. */
  readonly secret: Uint8Array;
}

/** A receiver asks a dealer for its sub-share again. */
export interface SubShareRequest extends Envelope {
  /** The tag. */
  readonly kind: "subShareRequest";
  /** As in {@linkcode SubShareMessage}. */
  readonly change: string;
}

/** A node asks the leader to append its entry in a change of members. */
export interface MemberEntryRequest extends Envelope {
  /** The tag. */
  readonly kind: "memberEntryRequest";
  /** The entry's data. */
  readonly data: Uint8Array;
}

/** The leader asks for a commitment, or a signature share, to the membership that the log says is due. */
export interface SignatureRequest extends Envelope {
  /** The tag. */
  readonly kind: "signatureRequest";
  /** As in {@linkcode SubShareMessage}. */
  readonly change: string;
  /** Whose shares sign. */
  readonly epoch: Epoch;
  /** The signing session, counted from 1; 0 when only a commitment is asked for. */
  readonly session: number;
  /** The session's commitment list; empty when only a commitment is asked for. */
  readonly commitments: readonly SignerCommitment[];
}

/** The answer to a {@linkcode SignatureRequest}. */
export interface SignatureResponse extends Envelope {
  /** The tag. */
  readonly kind: "signatureResponse";
  /** That of the request. */
  readonly change: string;
  /** That of the request. */
  readonly epoch: Epoch;
  /** That of the request. */
  readonly session: number;
  /** The signature share; null when none was asked for or it was refused. */
  readonly share: Uint8Array | null;
  /** A commitment for a further session. */
  readonly commitment: Uint8Array;
}

/** Every message between two nodes. */
export type Message =
  | PreVoteRequest
  | PreVoteResponse
  | VoteRequest
  | VoteResponse
  | AppendRequest
  | AppendResponse
  | SnapshotRequest
  | SnapshotResponse
  | TimeoutNowRequest
  | ProposeRequest
  | ProposeResponse
  | ReadIndexRequest
  | ReadIndexResponse
  | SubShareMessage
  | SubShareRequest
  | MemberEntryRequest
  | SignatureRequest
  | SignatureResponse;
