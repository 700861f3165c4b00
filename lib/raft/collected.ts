/**
 * Collects what a step wants done, until the step ends.
 *
 * @module
 */

import type { Entry, Snapshot } from "./entry.ts";
import type {
  AcceptedProposal,
  RaftEvent,
  ReadResult,
  RejectedProposal,
  RoleReport,
  SnapshotChunk,
  TransferResult,
} from "./input_output.ts";
import type { Message, SnapshotRequest } from "./message.ts";

/** What a step collects: an {@linkcode Output} without what is only known at the step's end. */
export class Collected {
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

/** Tells a change of role, term or leader, once. */
export class RoleReporter {
  #reported: RoleReport | null = null;

  /** The report if it differs from the one before; else null. */
  changed(now: RoleReport): RoleReport | null {
    const before = this.#reported;
    const isSame = before?.role === now.role && before.term === now.term &&
      before.leader === now.leader;
    if (isSame) return null;
    this.#reported = now;
    return now;
  }
}
