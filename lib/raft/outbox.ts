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
  SnapshotChunk,
  TransferResult,
} from "./input_output.ts";
import type { Message, SnapshotRequest } from "./message.ts";

/** What one step collects: an {@linkcode Output} without what is only known at the step's end. */
export class Outbox {
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
