/**
 * Collects what a step wants done, until the step ends.
 *
 * @module
 */

import type { Entry, PersistBatch } from "./entry.ts";
import type {
  AcceptedProposal,
  Output,
  RaftEvent,
  ReadResult,
  RejectedProposal,
  RoleReport,
} from "./input_output.ts";
import type { Message } from "./message.ts";

/** An {@linkcode Output} in the making. */
export class OutputBuilder {
  /** See {@linkcode Output.send}. */
  send: Message[] = [];
  /** See {@linkcode Output.sendAfterPersist}. */
  sendAfterPersist: Message[] = [];
  /** See {@linkcode Output.apply}. */
  apply: Entry[] = [];
  /** See {@linkcode Output.accepted}. */
  accepted: AcceptedProposal[] = [];
  /** See {@linkcode Output.rejected}. */
  rejected: RejectedProposal[] = [];
  /** See {@linkcode Output.reads}. */
  reads: ReadResult[] = [];
  /** See {@linkcode Output.events}. */
  events: RaftEvent[] = [];
  #reported: RoleReport | null = null;

  /** Ends the step: hands out what was collected and starts anew. */
  take(persist: PersistBatch | null, now: RoleReport): Output {
    const output: Output = {
      send: this.send,
      persist,
      sendAfterPersist: this.sendAfterPersist,
      apply: this.apply,
      accepted: this.accepted,
      rejected: this.rejected,
      reads: this.reads,
      role: this.#roleChange(now),
      events: this.events,
    };
    this.send = [];
    this.sendAfterPersist = [];
    this.apply = [];
    this.accepted = [];
    this.rejected = [];
    this.reads = [];
    this.events = [];
    return output;
  }

  #roleChange(now: RoleReport): RoleReport | null {
    const before = this.#reported;
    if (
      before !== null && before.role === now.role && before.term === now.term &&
      before.leader === now.leader
    ) return null;
    this.#reported = now;
    return now;
  }
}
