/**
 * The core's configuration, fixed at construction, and its limits.
 *
 * @module
 */

import type {
  Certifier,
  GrantKeys,
  Group,
  Membership,
  MembershipSigner,
} from "../certificate/mod.ts";
import type { RandomBytes } from "../frost/mod.ts";
import type { DurableShares } from "../reshare/mod.ts";
import type { NodeId } from "../types.ts";
import type { EntryLimits } from "./log.ts";

/** Everything the core depends on besides its inputs. */
export interface RaftConfig {
  /** This node. */
  readonly self: NodeId;
  /**
   * Makes and checks election certificates, and knows the voters and the threshold: of the epoch that is
   * in force where the log begins ({@linkcode DurableState.members}).
   */
  readonly certifier: Certifier;
  /** Signs this node's pre-vote grants, and checks those of all voters, likewise. */
  readonly grants: GrantKeys;
  /** What it takes to change the members; absent in a cluster of one, which cannot. */
  readonly members?: MembersConfig;
  /**
   * A follower that heard nothing from a leader for this long, and up to as long again by chance,
   * asks for an election; for this long after hearing from one it helps no other (Raft §6).
   */
  readonly electionTimeoutTicks: number;
  /** A leader sends heartbeats this often. */
  readonly heartbeatTicks: number;
  /** How long a candidate waits for a signature share before it opens another session. */
  readonly signingTimeoutTicks: number;
  /** When the log is compacted; {@linkcode LOG_LIMITS} unless given. */
  readonly logLimits?: EntryLimits;
  /** How much may wait or be in flight; {@linkcode FLOW_LIMITS} unless given, as in a simulation. */
  readonly flowLimits?: FlowLimits;
  /**
   * Whether the state machine can read a command. An unreadable command never enters the log, because
   * every node would stop at it, at each start.
   */
  readonly isCommand: (command: Uint8Array) => boolean;
  /** Uniform in [0, 1): the only randomness of the core, for election timeouts. */
  readonly random: () => number;
  /**
   * Identifies this run of the process; never used before by this node. It tells an answer to an earlier
   * run's request from an answer to this run's.
   */
  readonly incarnation: number;
}

/** What changes of the members need. */
export interface MembersConfig {
  /** Where the chain of memberships stands where the log begins. */
  readonly membership: Membership;
  /** The shares on this node's disk. */
  readonly shares: DurableShares;
  /** Makes a certifier with a share of this membership's epoch, or with none. It keeps a copy of the share. */
  readonly openShare: (membership: Membership, share: Uint8Array | null) => Certifier;
  /** Makes grant keys with the identity keys of this membership. */
  readonly openGrants: (membership: Membership) => GrantKeys;
  /** Makes a signer of memberships with a share of this group, or with none. It keeps a copy of the share. */
  readonly openSigner: (group: Group, share: Uint8Array | null) => MembershipSigner;
  /** Signs as this node, with its identity key: what it says in a change of the members. */
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** Where polynomials and seeds come from; a cryptographic source. */
  readonly randomBytes: RandomBytes;
}

/**
 * Beyond either limit the log is compacted to {@linkcode KEPT_LOG_SHARE} of both, as far as the state
 * machine is durable.
 */
export const LOG_LIMITS: EntryLimits = { entriesMax: 25_000, bytesMax: 32 * 1024 * 1024 };
/** The share of the limits that compaction keeps, so that a follower with a short outage needs no snapshot. */
export const KEPT_LOG_SHARE = 0.5;
/**
 * How many times its limits the log may reach while a follower receives a snapshot and then catches up.
 * Without the entries after the snapshot, the follower would need another snapshot, again and again.
 * etcd pauses compaction without a bound; here the log is in memory, so there is one.
 */
export const HELD_LOG_FACTOR = 8;
/**
 * At how many times its limits the log is full: above {@linkcode HELD_LOG_FACTOR}, so only what the state
 * machine has not made durable can fill it. Proposals are then refused, and a leader's entries left with it.
 */
export const FULL_LOG_FACTOR: number = HELD_LOG_FACTOR + 1;
/** The log is kept only for a follower that answered within this many election timeouts. */
export const HELD_LOG_TIMEOUTS = 20;
/**
 * The longest wait between two snapshots for one follower, in election timeouts. The wait begins with one
 * and doubles each time. A snapshot is a copy of the whole store, so a follower that asks repeatedly must
 * not decide how often one is made.
 */
export const SNAPSHOT_WAIT_TIMEOUTS_MAX = 16;
/**
 * The log is kept for this many snapshots of one follower, and not for later ones. The count starts again
 * after {@linkcode SNAPSHOTS_FORGOTTEN_TIMEOUTS} election timeouts without a snapshot for it.
 */
export const HELD_SNAPSHOTS_MAX = 3;
/** See {@linkcode HELD_SNAPSHOTS_MAX}. */
export const SNAPSHOTS_FORGOTTEN_TIMEOUTS = 640;
/** The limits of entries and proposals in one message. A single larger one travels alone. */
export const APPEND_LIMITS: EntryLimits = { entriesMax: 16_384, bytesMax: 1024 * 1024 };
/** The part of the election timeout for which a leader relies on its lease, from when the heartbeats were sent. */
export const LEASE_SHARE = 0.75;
/**
 * For how many election timeouts a forwarded proposal or read waits for the leader's answer, which takes
 * one or two round trips. Then it counts as lost, so that unanswered requests cannot fill the memory.
 */
export const FORWARDED_TIMEOUTS = 4;
/** How much of a snapshot travels in one message. */
export const SNAPSHOT_CHUNK_BYTES_MAX = 1024 * 1024;
/** Most AppendEntries with entries in flight to one follower. */
export const INFLIGHT_MESSAGES_MAX = 256;
/** Most bytes of entries in flight to one follower. */
export const INFLIGHT_BYTES_MAX = 16 * 1024 * 1024;
/** Most bytes of commands that a leader holds uncommitted before it refuses more. */
export const UNCOMMITTED_BYTES_MAX = 64 * 1024 * 1024;
/**
 * Most rounds in flight to one follower; beyond, the next heartbeat brings the newest. Reads lose nothing,
 * because an answer to a round answers all earlier rounds. (etcd's library has no bound, its server allows
 * one at a time.)
 */
export const INFLIGHT_ROUNDS_MAX = 16;
/** Most reads and read requests that wait at a leader, in a round or for one. */
export const READERS_MAX = 10_000;
/** Added to each command's bytes in the bound on uncommitted data: many empty commands fill the memory, too. */
export const ENTRY_OVERHEAD_BYTES = 256;
/**
 * For how many election timeouts a leader may leave requested commits undone before its followers no
 * longer count it as heard.
 */
export const STALLED_TIMEOUTS = 3;
/** For how many election timeouts a node may be silent before a change of the members is made without it. */
export const UP_TIMEOUTS = 2;
/** A learner may become a voter once its log lacks no more than so many committed entries. */
export const CAUGHT_UP_ENTRIES = 1_000;
/** For how many election timeouts a removed node is still sent the log, so that it learns that it is. */
export const FAREWELL_TIMEOUTS = 2;
/** For how many election timeouts a pre-candidate keeps the grants that it was given. */
export const GRANT_TIMEOUTS = 4;
/**
 * How many election timeouts a leader waits for its transfer target. The request to stand, the two rounds
 * of the election and its result take three round trips.
 */
export const TRANSFER_TIMEOUTS = 2;

/** How much a leader may have waiting, and in flight. */
export interface FlowLimits {
  /** See {@linkcode APPEND_LIMITS}. */
  readonly append: EntryLimits;
  /** See {@linkcode INFLIGHT_MESSAGES_MAX} and {@linkcode INFLIGHT_BYTES_MAX}. */
  readonly inflight: { readonly messagesMax: number; readonly bytesMax: number };
  /** See {@linkcode UNCOMMITTED_BYTES_MAX}. */
  readonly uncommittedBytesMax: number;
  /** See {@linkcode READERS_MAX}. */
  readonly readersMax: number;
}

/** What a node works with. */
export const FLOW_LIMITS: FlowLimits = {
  append: APPEND_LIMITS,
  inflight: { messagesMax: INFLIGHT_MESSAGES_MAX, bytesMax: INFLIGHT_BYTES_MAX },
  uncommittedBytesMax: UNCOMMITTED_BYTES_MAX,
  readersMax: READERS_MAX,
};
