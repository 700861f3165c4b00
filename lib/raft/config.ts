/**
 * What a node is told once, at construction, and the core's limits.
 *
 * @module
 */

import type { Certifier, GrantKeys, Membership } from "../certificate/mod.ts";
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
  /** A leader is heard at least this often. */
  readonly heartbeatTicks: number;
  /** How long a candidate waits for a signature share before it opens another session. */
  readonly signingTimeoutTicks: number;
  /** When the log is compacted; {@linkcode LOG_LIMITS} unless given. */
  readonly logLimits?: EntryLimits;
  /** How much waits or is on its way; {@linkcode FLOW_LIMITS} unless given, as in a simulation. */
  readonly flowLimits?: FlowLimits;
  /**
   * Whether the state machine can read a command. What it cannot read never enters the log: every
   * node would stop at it, at every start again.
   */
  readonly isCommand: (command: Uint8Array) => boolean;
  /** Uniform in [0, 1): the only randomness of the core, for election timeouts. */
  readonly random: () => number;
  /**
   * Names this life of the process, never used before by this node: an answer to a question that
   * an earlier life asked must not be taken for an answer to this one's.
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
}

/**
 * Beyond either limit the log is compacted to {@linkcode KEPT_LOG_SHARE} of both, as far as the state
 * machine is durable.
 */
export const LOG_LIMITS: EntryLimits = { entriesMax: 100_000, bytesMax: 64 * 1024 * 1024 };
/** What stays of a compacted log spares a follower that was away for a moment the whole snapshot. */
export const KEPT_LOG_SHARE = 0.5;
/**
 * How many times its limits the log may reach while a follower is sent a snapshot and catches up after
 * it: the entries from the snapshot on are kept so long, or it would need the next snapshot at once, and
 * so on without end. etcd pauses compaction for it without a bound; here the log is in memory.
 */
export const HELD_LOG_FACTOR = 8;
/** The log is kept only for a follower that was heard within so many election timeouts. */
export const HELD_LOG_TIMEOUTS = 20;
/**
 * How many election timeouts pass at most between two snapshots that are made for one follower; the wait
 * begins with one and doubles each time. To make a snapshot is to copy the whole store, so a follower
 * that asks again and again must not decide how often.
 */
export const SNAPSHOT_WAIT_TIMEOUTS_MAX = 16;
/**
 * The log is kept for so many snapshots of one follower; after more, it catches up without, or not. After
 * so many election timeouts in which none was made for it, all is as in the beginning.
 */
export const HELD_SNAPSHOTS_MAX = 3;
/** See {@linkcode HELD_SNAPSHOTS_MAX}. */
export const SNAPSHOTS_FORGOTTEN_TIMEOUTS = 640;
/** How much of a message's limit entries and proposals may take; a single larger one travels alone. */
export const APPEND_LIMITS: EntryLimits = { entriesMax: 16_384, bytesMax: 1024 * 1024 };
/** Which part of the election timeout a leader counts on after a quorum's heartbeats were sent. */
export const LEASE_SHARE = 0.75;
/**
 * For how many election timeouts a forwarded proposal or read waits for the leader's answer, which
 * takes a round trip or two; then it is lost. What is never answered must not fill the memory.
 */
export const FORWARDED_TIMEOUTS = 4;
/** How much of a snapshot travels in one message. */
export const SNAPSHOT_CHUNK_BYTES_MAX = 1024 * 1024;
/** Most AppendEntries with entries on their way to one follower. */
export const INFLIGHT_MESSAGES_MAX = 256;
/** Most bytes of entries on their way to one follower. */
export const INFLIGHT_BYTES_MAX = 16 * 1024 * 1024;
/** Most bytes of commands that a leader holds uncommitted before it refuses more. */
export const UNCOMMITTED_BYTES_MAX = 64 * 1024 * 1024;
/**
 * Most rounds on their way to one follower; beyond, the next heartbeat brings it the newest. Reads
 * lose nothing by it, as the answer to a round answers all before it. (etcd's library bounds them not
 * at all, its server to one at a time.)
 */
export const INFLIGHT_ROUNDS_MAX = 16;
/** Most reads and read requests that wait at a leader, in a round or for one. */
export const READERS_MAX = 10_000;
/** What a command counts as uncommitted beyond its own bytes: many empty ones fill memory as well. */
export const ENTRY_OVERHEAD_BYTES = 256;
/**
 * For how many election timeouts a leader may leave waiting what it was asked to commit before its
 * followers count it as heard no more.
 */
export const STALLED_TIMEOUTS = 3;
/** For how many election timeouts a removed node is still sent the log, so that it learns that it is. */
export const FAREWELL_TIMEOUTS = 2;
/** For how many election timeouts a pre-candidate keeps the grants that it was given. */
export const GRANT_TIMEOUTS = 4;
/**
 * How many election timeouts a leader waits for the node that it hands over to: the word to stand, the
 * two rounds of its election and the news of it take three round trips.
 */
export const TRANSFER_TIMEOUTS = 2;

/** How much a leader lets wait, and how much it has on its way. */
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
