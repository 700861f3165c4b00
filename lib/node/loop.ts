/**
 * The one place where effects are ordered. A turn steps the core with everything that happened, then
 * sends, persists, sends what had to wait, applies, and tells the clients: in this order, always.
 * The production node and the simulator run this same code over different ports.
 *
 * @module
 */

import type { AppliedEntry } from "../kv/mod.ts";
import type {
  Entry,
  Input,
  Message,
  Output,
  PersistBatch,
  Raft,
  Snapshot,
  SnapshotChunk,
  SnapshotRequest,
} from "../raft/mod.ts";
import type { LogIndex } from "../types.ts";

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
  /** Replaces the state machine's state by the snapshot that `snapshotReady` told of. */
  installSnapshot(snapshot: Snapshot): void;
  /** Applies committed entries to the state machine; one outcome for each. */
  apply(entries: readonly Entry[]): readonly AppliedEntry[];
  /**
   * Makes everything applied so far durable, if it is time to; the index up to which it is, or null.
   * Called after entries were applied.
   */
  checkpoint(): LogIndex | null;
  /** Reads a chunk of this node's own snapshot and sends it. */
  sendChunk(chunk: SnapshotChunk): void;
  /** Keeps a chunk of a leader's snapshot; the offset that is wanted next, null if that failed. */
  storeChunk(request: SnapshotRequest): number | null;
  /** Removes a snapshot that `snapshotReady` told of and the core has no use for. */
  discardSnapshot(snapshot: Snapshot): void;
  /** Begins to make a snapshot; what comes of it is a later input. */
  makeSnapshot(): void;
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
      this.#discardSnapshots(next, output);
      next = this.#carryOut(output);
    }
  }

  /** A snapshot may be ready when it is no news any more, or on a node that leads by now. */
  #discardSnapshots(inputs: readonly Input[], { installSnapshot }: Output): void {
    for (const input of inputs) {
      if (input.kind !== "snapshotReady" || input.snapshot.index === installSnapshot?.index) {
        continue;
      }
      this.#ports.discardSnapshot(input.snapshot);
    }
  }

  /** Does what the output says, and returns what came of it. */
  #carryOut(output: Output): readonly Input[] {
    const ports = this.#ports;
    const done: Input[] = [];
    // The followers' disks work while this node's own does.
    for (const message of output.send) ports.send(message);
    if (output.persist !== null) {
      ports.persist(output.persist);
      done.push({ kind: "persisted", sequence: output.persist.sequence });
    }
    if (output.installSnapshot !== null) ports.installSnapshot(output.installSnapshot);
    for (const message of output.sendAfterPersist) ports.send(message);
    const applied = output.apply.length === 0 ? [] : ports.apply(output.apply);
    if (applied.length > 0) done.push(...this.#checkpoint());
    done.push(...this.#moveSnapshots(output));
    ports.report(output, applied);
    return done;
  }

  #checkpoint(): readonly Input[] {
    const index = this.#ports.checkpoint();
    return index === null ? [] : [{ kind: "checkpointed", index }];
  }

  #moveSnapshots(output: Output): readonly Input[] {
    for (const chunk of output.sendChunks) this.#ports.sendChunk(chunk);
    if (output.makeSnapshot) this.#ports.makeSnapshot();
    return output.storeChunks.map((request) => {
      const { snapshot } = request;
      const nextOffset = this.#ports.storeChunk(request);
      return nextOffset === null
        ? { kind: "snapshotRefused", snapshot }
        : { kind: "snapshotStored", snapshot, nextOffset };
    });
  }
}
