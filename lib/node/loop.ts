/**
 * The one place where effects are ordered. A turn steps the core with everything that happened, then
 * sends, persists, sends what had to wait, applies, and tells the clients: in this order, always.
 * The production node and the simulator run this same code over different ports.
 *
 * @module
 */

import type { AppliedEntry } from "../kv/mod.ts";
import type { Entry, Input, Message, Output, PersistBatch, Raft } from "../raft/mod.ts";

/** What a turn needs done by others. All of it happens synchronously, in the order called. */
export interface LoopPorts {
  /** Puts a message on its way; it may be lost. */
  send(message: Message): void;
  /**
   * Makes a batch durable before it returns.
   *
   * @throws when that is not certain; the node must then stop, as nobody knows what the disk holds.
   */
  persist(batch: PersistBatch): void;
  /** Applies committed entries to the state machine; one outcome for each. */
  apply(entries: readonly Entry[]): readonly AppliedEntry[];
  /** Tells clients, logs and counters what came of the step. Called last. */
  report(output: Output, applied: readonly AppliedEntry[]): void;
}

/** Turns inputs into effects. */
export class Loop {
  readonly #raft: Pick<Raft, "step">;
  readonly #ports: LoopPorts;

  /** A loop that drives `raft` over `ports`. */
  constructor(raft: Pick<Raft, "step">, ports: LoopPorts) {
    this.#raft = raft;
    this.#ports = ports;
  }

  /** Handles everything in `inputs`, and whatever its writes make possible once they are durable. */
  turn(inputs: readonly Input[]): void {
    for (let next = inputs; next.length > 0;) {
      const output = this.#raft.step(next);
      this.#carryOut(output);
      next = output.persist === null
        ? []
        : [{ kind: "persisted", sequence: output.persist.sequence }];
    }
  }

  #carryOut(output: Output): void {
    const { send, persist, sendAfterPersist, apply } = output;
    // The followers' disks work while this node's own does.
    for (const message of send) this.#ports.send(message);
    if (persist !== null) this.#ports.persist(persist);
    for (const message of sendAfterPersist) this.#ports.send(message);
    const applied = apply.length === 0 ? [] : this.#ports.apply(apply);
    this.#ports.report(output, applied);
  }
}
