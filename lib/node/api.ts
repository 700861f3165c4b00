/**
 * What a node offers to those above it: the HTTP API and, in tests, anyone.
 *
 * @module
 */

import type { Certificate, Group } from "../certificate/mod.ts";
import type {
  Command,
  CommandResult,
  LeaseTerms,
  StoreView,
  Token,
  Unreadable,
  Watcher,
  WatchQuery,
} from "../kv/mod.ts";
import type { RoleName } from "../raft/mod.ts";
import type { SavedSnapshot } from "../storage/mod.ts";
import type { LogIndex, NodeId, Term } from "../types.ts";
import type { ClusterWatch } from "./cluster_views.ts";
import type { EvidenceReport } from "./evidence.ts";
import type { KeyGenerationReport } from "./key_generation/report.ts";
import type { NodeFigures } from "./observer.ts";
import type {
  EndedMembersChange,
  MembersChange,
  MembershipChain,
  MembersPlan,
  MembersRequest,
  MembersStatus,
  Timeout,
} from "./members_api.ts";

/**
 * What a read sees. `linearizable`: every write acknowledged before it began, confirmed by a quorum.
 * `lease`: the same, on the leader's lease, which trusts that no node's clock runs much faster than
 * another's. `stale`: what this node has.
 */
export type Consistency = "linearizable" | "lease" | "stale";

/** How a write ended, once it is committed. */
export interface WriteAnswer {
  /** What it did, or why not. */
  readonly result: CommandResult;
  /** Whether another attempt under its idempotency key came first, and this is that one's answer. */
  readonly isReplay: boolean;
}

/** What came of a question for a lease. */
export type LeaseAnswer =
  /** It is there. The seconds are whole, and counted by the leader; 0: it is ending. */
  | { readonly kind: "lease"; readonly lease: LeaseTerms; readonly secondsLeft: number }
  /** It is not there, or, for one that is to be kept alive, it is ending. */
  | { readonly kind: "leaseNotFound" };

/** A watch that was not begun. */
export type WatchRefusal =
  | Extract<Unreadable, { readonly kind: "compacted" }>
  /** This node has as many watchers as it may have. */
  | { readonly kind: "tooMany" };

/** A peer as this node sees it. */
export interface PeerStatus {
  /** The peer. */
  readonly id: NodeId;
  /** Whether this node's connection to it is up. */
  readonly connected: boolean;
  /** On a leader: the last index known to be durable on the peer; else null. */
  readonly matchIndex: LogIndex | null;
}

/** A node's view of itself and its cluster. */
export interface NodeStatus {
  /** This node. */
  readonly id: NodeId;
  /** What the node is in its term. */
  readonly role: RoleName;
  /** Its current term. */
  readonly term: Term;
  /** The certified leader it follows, or is. */
  readonly leader: NodeId | null;
  /** Highest index known to be committed. */
  readonly commitIndex: LogIndex;
  /** Highest index that the leader has named as committed; null while no leader is known. */
  readonly leaderCommitIndex: LogIndex | null;
  /** Highest index applied to the store. */
  readonly appliedIndex: LogIndex;
  /** The store's revision: that of its last change. */
  readonly revision: LogIndex;
  /** This node has history from this revision on. */
  readonly compactedRevision: LogIndex;
  /** Index of the last entry in its log. */
  readonly lastLogIndex: LogIndex;
  /** What is wrong with this node itself, in words for its operator; null when nothing is known. */
  readonly trouble: string | null;
  /** Milliseconds since the node started. */
  readonly uptimeMs: number;
  /** Every other node. */
  readonly peers: readonly PeerStatus[];
  /** What was counted since start, by name (`certificate.refused`, `frame.refused`, ...). */
  readonly counters: Readonly<Record<string, number>>;
}

/** A snapshot that is being made for somebody who saves it. */
export interface SnapshotInMaking {
  /** It is there. Rejects with a {@linkcode RequestError} when it could not be made. */
  readonly made: Promise<SavedSnapshot>;
}

/** Who leads, as far as this node knows. */
export interface LeaderAnswer {
  /** The leader, or null when none is known. */
  readonly leader: NodeId | null;
  /** The current term. */
  readonly term: Term;
  /** Where the leader's API is, `host:port`, or null. */
  readonly api: string | null;
  /** The leader's certificate; there exactly when `leader` is. */
  readonly certificate: Certificate | null;
}

/** Why a request failed, as a stable code of the API. */
export type RequestFailure =
  /** No leader within the deadline. */
  | "no_leader"
  /** The deadline passed. */
  | "timeout"
  /** The leader holds too much that is uncommitted, or this node too many requests. */
  | "overloaded"
  /** The leader is of a version that does not know this kind of write. */
  | "unreadable"
  /** The command lost its place in the log to another leader's entry. */
  | "superseded"
  /** Leadership changed before the outcome was known. */
  | "leader_changed"
  /** The node asked is not the leader, and only the leader can do it. */
  | "not_leader"
  /** The leader is handing over already. */
  | "transferring"
  /** The node to hand over to is no follower of this leader. */
  | "no_target"
  /** The node to hand over to did not become leader. */
  | "transfer_failed"
  /** The members cannot be changed in this way: the message says why, and what to do. */
  | "members_refused"
  /** Another change of the members is under way. */
  | "members_changing"
  /** No change of the members is under way, or it can only be completed. */
  | "no_change"
  /** The node could not make a snapshot. */
  | "snapshot_failed"
  /** The cluster has no key yet, so there can be no leader. */
  | "no_key"
  /** The node is stopping. */
  | "stopping";

/** A request that this node could not complete. */
export class RequestError extends Error {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "RequestError";
  /** The stable code. */
  readonly code: RequestFailure;
  /** For writes: whether the command may take, or have taken, effect all the same. */
  readonly maybeApplied: boolean;

  /** `message` says what happened in words. */
  constructor(code: RequestFailure, message: string, options: { readonly maybeApplied: boolean }) {
    super(message);
    this.code = code;
    this.maybeApplied = options.maybeApplied;
  }
}

/** A node with a key, as its API sees it. */
export interface NodeApi {
  /** The public description of the cluster's key. */
  readonly group: Group;
  /** The genesis certificate of that key, a signed note; null where a dealer made the key. */
  readonly genesis: string | null;

  /** How the node came, or is coming, by its key. */
  keyGeneration(): KeyGenerationReport;

  /**
   * Replicates a command and returns its result once it is committed and applied here. A command
   * with an idempotency key may be sent again, to any node, after whatever failure: see `lib/kv`.
   *
   * @throws {RequestError} when that did not happen within `timeoutMs`.
   */
  write(command: Command, options: { readonly timeoutMs: number }): Promise<WriteAnswer>;

  /**
   * Resolves once reads of this consistency may be answered, with the store to answer them from. What is
   * read in the same turn is of that consistency; slices of a range that was begun in it may follow
   * later.
   *
   * @throws {RequestError} when that could not be confirmed within `timeoutMs`.
   */
  view(
    options: { readonly consistency: Consistency; readonly timeoutMs: number },
  ): Promise<StoreView>;

  /**
   * Begins a watch. `onReady` is called, in a turn of the loop, whenever something came for a watcher
   * for which nothing waited: it is to see to it that {@linkcode Watcher.take} is called until that
   * has no more, and returns at once. Whoever began the watch ends it.
   */
  watch(query: WatchQuery, onReady: () => void): Watcher | WatchRefusal;

  /**
   * Gives a lease its full time to live again. The answer comes once the leader has confirmed that it
   * leads, so the lease lives that long from the call on, whoever leads meanwhile.
   *
   * @throws {RequestError} when that did not happen within `timeoutMs`; it may be called again.
   */
  keepAlive(id: number, options: { readonly timeoutMs: number }): Promise<LeaseAnswer>;

  /**
   * How long a lease still lives, as the leader counts. Its keys: see {@linkcode NodeApi.view}.
   *
   * @throws {RequestError} when the leader did not say so within `timeoutMs`.
   */
  leaseTimes(id: number, options: { readonly timeoutMs: number }): Promise<LeaseAnswer>;

  /**
   * The API's token of this id, as far as this node has applied the log: one that was just created or
   * revoked through another node may be missing here, or still be there, for a moment.
   */
  token(id: string): Token | null;

  /** The newest token with this name, as far as this node has applied the log. */
  tokenNamed(name: string): Token | null;

  /**
   * Every token of the API, by rising id: those acknowledged before the call at least.
   *
   * @throws {RequestError} when that could not be confirmed within `timeoutMs`.
   */
  tokens(options: { readonly timeoutMs: number }): Promise<readonly Token[]>;

  /**
   * Begins to make a snapshot of the whole state, with every write acknowledged before the call at least.
   * Whoever asks reads it at leisure, while the node goes on, and closes it.
   *
   * @throws {RequestError} when it cannot begin now.
   */
  saveSnapshot(options: { readonly timeoutMs: number }): Promise<SnapshotInMaking>;

  /**
   * Hands leadership over, to `target` or to the follower whose log is furthest, and resolves with the
   * new leader once it is known here.
   *
   * @throws {RequestError} when this node does not lead, or somebody else leads in the end.
   */
  transferLeadership(target: NodeId | null): Promise<NodeId>;

  /** Begins to watch the nodes of the cluster. Whoever began the watch ends it. */
  watchCluster(): ClusterWatch;

  /** This node's view of itself and its cluster, now. */
  status(): NodeStatus;

  /** Who leads, as far as this node knows, now. */
  leader(): LeaderAnswer;

  /** The certificates that this node keeps, newest term first, at most `limit`, below `before`. */
  elections(
    options: { readonly limit: number; readonly before?: Term },
  ): readonly Certificate[];

  /** What monitoring asks for, beside the status. */
  figures(): NodeFigures;

  /** The certificate of one term, or null when this node has none. */
  election(term: Term): Certificate | null;

  /** Two leaders of one term, where this node ever saw that, and the claims to lead that it refused. */
  evidence(): EvidenceReport;

  /** The members and the change under way, as far as this node has applied the log. */
  members(): MembersStatus;

  /** The chain of memberships, from the genesis on, as far as this node has applied the log. */
  membershipChain(): MembershipChain;

  /**
   * What a request comes to, and changes nothing. Only the leader knows who is up.
   *
   * @throws {RequestError} `not_leader`, `members_refused`.
   */
  planMembers(request: MembersRequest): MembersPlan;

  /**
   * Begins to change the members. Resolves once the plan is committed; from then on any leader goes on with it,
   * and {@linkcode NodeApi.members} shows how far it is.
   *
   * @throws {RequestError} as {@linkcode NodeApi.planMembers}; `members_changing`, or when the plan was not
   * committed within `timeoutMs`.
   */
  changeMembers(request: MembersRequest, options: Timeout): Promise<MembersChange>;

  /**
   * Ends the plan that is under way. What was done of it stays. Resolves once that is committed.
   *
   * @throws {RequestError} `not_leader`, `no_change`, or when that was not committed within `timeoutMs`.
   */
  cancelMembers(reason: string, options: Timeout): Promise<EndedMembersChange>;
}
