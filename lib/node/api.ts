/**
 * What a node offers to the layers above it: the HTTP API, and tests.
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
 * What a read sees. `linearizable`: every write that was acknowledged before the read began; a quorum confirms
 * it. `lease`: the same, but the leader's lease confirms it, which trusts that no node's clock runs much
 * faster than another's. `stale`: what this node has.
 */
export type Consistency = "linearizable" | "lease" | "stale";

/** How a write ended, once it is committed. */
export interface WriteAnswer {
  /** What it did, or why not. */
  readonly result: CommandResult;
  /**
   * Whether an earlier attempt under the same idempotency key took effect; then this is the answer to that
   * attempt.
   */
  readonly isReplay: boolean;
}

/** The answer to a question about a lease. */
export type LeaseAnswer =
  /** The lease exists. The leader counts its seconds, which are whole; 0: the lease is ending. */
  | { readonly kind: "lease"; readonly lease: LeaseTerms; readonly secondsLeft: number }
  /**
   * The lease does not exist. A lease that is ending cannot be kept alive, and counts as one that does not
   * exist.
   */
  | { readonly kind: "leaseNotFound" };

/** Why a watch was not begun. */
export type WatchRefusal =
  | Extract<Unreadable, { readonly kind: "compacted" }>
  /** This node already has the most watchers that it accepts. */
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
  /** The node's role in its term. */
  readonly role: RoleName;
  /** Its current term. */
  readonly term: Term;
  /** The certified leader; null while none is known. It may be this node itself. */
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
  /** What is wrong with this node itself, in words for its operator; null when nothing is known to be wrong. */
  readonly trouble: string | null;
  /** Milliseconds since the node started. */
  readonly uptimeMs: number;
  /** Every other node. */
  readonly peers: readonly PeerStatus[];
  /** What this node has counted since its start, by name (`certificate.refused`, `frame.refused`, ...). */
  readonly counters: Readonly<Record<string, number>>;
}

/** A snapshot that this node is making for a client. */
export interface SnapshotInMaking {
  /** Resolves once the snapshot is made. Rejects with a {@linkcode RequestError} when it could not be made. */
  readonly made: Promise<SavedSnapshot>;
}

/** The leader, as far as this node knows. */
export interface LeaderAnswer {
  /** The leader, or null when none is known. */
  readonly leader: NodeId | null;
  /** The current term. */
  readonly term: Term;
  /** Where the leader's API is, `host:port`, or null. */
  readonly api: string | null;
  /** The leader's certificate; null exactly when `leader` is null. */
  readonly certificate: Certificate | null;
}

/** Why a request failed, as a stable code of the API. */
export type RequestFailure =
  /** No leader was known before the deadline. */
  | "no_leader"
  /** The deadline passed. */
  | "timeout"
  /** The leader has too much uncommitted data, or this node has too many requests. */
  | "overloaded"
  /** The leader's version of Floe does not know this kind of write. */
  | "unreadable"
  /** Another leader's entry took the command's place in the log. */
  | "superseded"
  /** Leadership changed before the outcome was known. */
  | "leader_changed"
  /** Only the leader can do this, and this node does not lead. */
  | "not_leader"
  /** The leader is already handing over. */
  | "transferring"
  /** The target of the hand-over does not follow this leader. */
  | "no_target"
  /** The target of the hand-over did not become leader. */
  | "transfer_failed"
  /** The members cannot be changed in this way: the message says why, and what to do. */
  | "members_refused"
  /** Another change of the members is under way. */
  | "members_changing"
  /** No change of the members is under way, or the change has gone too far to be cancelled. */
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
  /** For writes: whether the command may nevertheless have taken effect, or may still take effect. */
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
  /** The genesis certificate of that key, a signed note; null if a dealer made the key. */
  readonly genesis: string | null;

  /** How far key generation is, or how the node got its key. */
  keyGeneration(): KeyGenerationReport;

  /**
   * Replicates a command and returns its result once it is committed and applied here. After any failure, a
   * command with an idempotency key can be sent again, to any node: see `lib/kv`.
   *
   * @throws {RequestError} when that does not happen within `timeoutMs`.
   */
  write(command: Command, options: { readonly timeoutMs: number }): Promise<WriteAnswer>;

  /**
   * Resolves with the store once a read of this consistency can be answered from it. The caller must read in
   * the same turn of the event loop; the later slices of a range that began in that turn may follow
   * afterwards.
   *
   * @throws {RequestError} when the consistency is not confirmed within `timeoutMs`.
   */
  view(
    options: { readonly consistency: Consistency; readonly timeoutMs: number },
  ): Promise<StoreView>;

  /**
   * Begins a watch. `onReady` is called in a turn of the loop, when changes come for a watcher that had none
   * waiting. It must return at once; afterwards the caller takes with {@linkcode Watcher.take} until nothing
   * is left. The caller must end the watch.
   */
  watch(query: WatchQuery, onReady: () => void): Watcher | WatchRefusal;

  /**
   * Gives a lease its full time to live again. The answer comes after the leader has confirmed that it leads,
   * so the lease lives that long from the call on, even if another node becomes leader.
   *
   * @throws {RequestError} when that does not happen within `timeoutMs`; the caller can try again.
   */
  keepAlive(id: number, options: { readonly timeoutMs: number }): Promise<LeaseAnswer>;

  /**
   * How long a lease still lives, as the leader counts. Its keys: see {@linkcode NodeApi.view}.
   *
   * @throws {RequestError} when the leader does not answer within `timeoutMs`.
   */
  leaseTimes(id: number, options: { readonly timeoutMs: number }): Promise<LeaseAnswer>;

  /**
   * The API's token of this id, as far as this node has applied the log. For a moment, a token that another
   * node has just created may be missing here, and one that it has just revoked may still be here.
   */
  token(id: string): Token | null;

  /** The newest token with this name, as far as this node has applied the log. */
  tokenNamed(name: string): Token | null;

  /**
   * Every token of the API, by rising id: at least those acknowledged before the call.
   *
   * @throws {RequestError} when the consistency is not confirmed within `timeoutMs`.
   */
  tokens(options: { readonly timeoutMs: number }): Promise<readonly Token[]>;

  /**
   * Begins to make a snapshot of the whole state, with at least every write that was acknowledged before the
   * call. The caller can read it slowly, while the node goes on, and must close it.
   *
   * @throws {RequestError} when the node cannot begin one now.
   */
  saveSnapshot(options: { readonly timeoutMs: number }): Promise<SnapshotInMaking>;

  /**
   * Hands leadership over to `target`, or by default to the follower with the longest log. Resolves with the
   * new leader once this node knows it.
   *
   * @throws {RequestError} when this node does not lead, or another node than the target becomes leader.
   */
  transferLeadership(target: NodeId | null): Promise<NodeId>;

  /** Begins to watch the nodes of the cluster. The caller must end the watch. */
  watchCluster(): ClusterWatch;

  /** This node's view of itself and its cluster, now. */
  status(): NodeStatus;

  /** The present leader, as far as this node knows. */
  leader(): LeaderAnswer;

  /** The certificates that this node keeps, newest term first, at most `limit`, below `before`. */
  elections(
    options: { readonly limit: number; readonly before?: Term },
  ): readonly Certificate[];

  /** What monitoring needs besides the status. */
  figures(): NodeFigures;

  /** The certificate of one term, or null when this node has none. */
  election(term: Term): Certificate | null;

  /**
   * The evidence of two leaders in one term, if this node ever saw that, and the claims to lead that it
   * refused.
   */
  evidence(): EvidenceReport;

  /** The members and the change under way, as far as this node has applied the log. */
  members(): MembersStatus;

  /** The chain of memberships, from the genesis on, as far as this node has applied the log. */
  membershipChain(): MembershipChain;

  /**
   * Plans a change of the members, and changes nothing. Only the leader can plan, because it knows which nodes
   * are up.
   *
   * @throws {RequestError} `not_leader`, `members_refused`.
   */
  planMembers(request: MembersRequest): MembersPlan;

  /**
   * Begins to change the members. Resolves once the plan is committed; from then on every leader goes on with
   * it, and {@linkcode NodeApi.members} shows the progress.
   *
   * @throws {RequestError} as {@linkcode NodeApi.planMembers} does; `members_changing`; or when the plan is
   * not committed within `timeoutMs`.
   */
  changeMembers(request: MembersRequest, options: Timeout): Promise<MembersChange>;

  /**
   * Cancels the plan that is under way; the steps already done stay. Resolves once that is committed.
   *
   * @throws {RequestError} `not_leader`, `no_change`, or when that is not committed within `timeoutMs`.
   */
  cancelMembers(reason: string, options: Timeout): Promise<EndedMembersChange>;
}
