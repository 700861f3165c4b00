/**
 * Log entries and the durable state of a Raft node (Raft Figure 2).
 *
 * @module
 */

import type { Certificate } from "../certificate/mod.ts";
import { type LogIndex, type NodeId, type Term, toLogIndex, toTerm } from "../types.ts";
import type { GrantsProof } from "./term_proof.ts";

/** What an entry is for. */
export type EntryKind = "certificate" | "command" | "configuration" | "resharing";

/** One entry of the replicated log. Immutable once made. */
export interface Entry {
  /** Position in the log, from 1. */
  readonly index: LogIndex;
  /** The term of the leader that appended it. */
  readonly term: Term;
  /**
   * `certificate` is the first entry of a leader's term, the no-op of Raft §8 whose data is the
   * leader's signed note in UTF-8; `command` is for the state machine, opaque to Raft; `configuration` is in
   * force from its own index on, and `resharing` is a step towards one, both as `lib/reshare` writes them.
   */
  readonly kind: EntryKind;
  /** The payload; never changed after the entry is made. */
  readonly data: Uint8Array;
}

/** A place in a log. Index and term together identify one entry on all nodes (Raft §5.3). */
export interface LogPosition {
  /** The index; 0 stands before the first entry. */
  readonly index: LogIndex;
  /** The term of the entry there; 0 for index 0. */
  readonly term: Term;
}

/** Where every log begins. */
export const LOG_START: LogPosition = { index: toLogIndex(0), term: toTerm(0) };

/** The log's new beginning. A snapshot holds everything before it. */
export interface LogStart {
  /** The place before the first entry that is kept. */
  readonly position: LogPosition;
  /**
   * Whether the entries above it stay (compaction). If not, every entry in the store is discarded: a
   * snapshot replaced a log that does not agree with it (Raft §7), or that was not yet written.
   */
  readonly keepsRest: boolean;
  /**
   * What is known of the members there or later, as `encodeMembersRecord` of `lib/reshare` writes it; null
   * where that is the genesis alone.
   */
  readonly members: string | null;
}

/**
 * Identifies one snapshot of the state machine (Raft §7). The commands that it includes determine its place
 * in the log. The node keeps its bytes; the core only names it.
 */
export interface Snapshot {
  /** The last entry that the snapshot includes. */
  readonly index: LogIndex;
  /** That entry's term. */
  readonly term: Term;
  /** Its length. */
  readonly bytes: number;
  /** SHA-256 over the whole snapshot: 32 bytes. */
  readonly sha256: Uint8Array;
  /** What is known of the members at its index or later, as in {@linkcode LogStart}. */
  readonly members: string | null;
}

/** What must survive a restart besides the log (Raft Figure 2, "Persistent state"). */
export interface HardState {
  /** Latest term this node has seen. */
  readonly currentTerm: Term;
  /** Candidate that received this node's vote in the current term, if any. */
  readonly votedFor: NodeId | null;
}

/** One atomic durable write: everything in it, or nothing, survives a crash. */
export interface PersistBatch {
  /** Counts the batches of one process from 1; names the batch when it has become durable. */
  readonly sequence: number;
  /** The new term and vote, written together; null when unchanged. */
  readonly hardState: HardState | null;
  /** The log's new beginning, which takes effect before `entries`; null when unchanged. */
  readonly logStart: LogStart | null;
  /**
   * New entries, contiguous. They replace every entry of the store from the first one's index on
   * (Raft §5.3: truncation happens only at a real conflict, which the core has already decided).
   */
  readonly entries: readonly Entry[];
  /** New certificates, verified or made by this node. The store keeps one a term. */
  readonly certificates: readonly Certificate[];
  /** The grants that prove the new term, in place of an earlier one's; null when unchanged. */
  readonly grants: GrantsProof | null;
}

/** What a node finds in its store at start. */
export interface DurableState {
  /** The term and vote; term 0 and no vote in a new store. */
  readonly hardState: HardState;
  /** The place before the first entry that is kept; {@linkcode LOG_START} in a new store. */
  readonly logStart: LogPosition;
  /** As in {@linkcode LogStart}. */
  readonly members: string | null;
  /** The log, contiguous from `logStart` on, first entry first. */
  readonly entries: readonly Entry[];
  /** The signed note of the current term's leader, if this node had verified one. */
  readonly currentTermNote: string | null;
  /** The grants that proved the current term, unless its certificate did. */
  readonly grants: GrantsProof | null;
}
