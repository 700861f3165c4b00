/**
 * The one place where effects are ordered. A turn steps the core with every input that has come, then sends
 * messages, hands batches to the log, and answers clients. What has to wait for the disk is done in the turn
 * that learns that the batch is durable: first entries are applied, then messages are sent. The production
 * node and the simulator run this same code over different ports.
 *
 * @module
 */

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
import type { DurableShares } from "../reshare/mod.ts";
import type { LogIndex } from "../types.ts";

/** What a turn needs other parts to do, in the order of the calls. Only `persistShares` waits for a disk. */
export interface LoopPorts {
  /**
   * Makes this node's shares durable before it returns, in place of those on the disk, and erases the given
   * copies.
   *
   * @throws when that is not certain; the node must then stop.
   */
  persistShares(shares: DurableShares): void;
  /** Sends a message, which can get lost. */
  send(message: Message): void;
  /**
   * Takes a batch to make durable, in order; the input `persisted` says when it is.
   *
   * @throws when the disk has failed; the node must then stop, because it is not known what the disk holds.
   */
  persist(batch: PersistBatch): void;
  /** Replaces the state machine's state by the snapshot that `snapshotReady` announced. */
  installSnapshot(snapshot: Snapshot): void;
  /** Applies committed entries to the state machine, and answers clients with the results. */
  apply(entries: readonly Entry[]): void;
  /** This node's snapshots, and those of leaders. */
  readonly snapshots: SnapshotPort;
  /** Gives the output of the step to clients, logs and counters. */
  report(output: Output): void;
}

/** What the core needs done with snapshots. */
export interface SnapshotPort {
  /** Reads a chunk of this node's own snapshot and sends it. */
  sendChunk(chunk: SnapshotChunk): void;
  /** Keeps a chunk of a leader's snapshot. Returns the offset wanted next, or null if that failed. */
  storeChunk(request: SnapshotRequest): number | null;
  /** Removes a snapshot that `snapshotReady` reported and the core does not need. */
  discard(snapshot: Snapshot): void;
  /** Begins to make a snapshot. The result is a later input. */
  make(): void;
}

/** The part of the core that a loop uses. */
interface LoopCore extends Pick<Raft, "step"> {
  /** What is durable so far. */
  readonly state: { readonly durability: { readonly durableIndex: LogIndex } };
}

/** Messages that wait for the disk. */
interface WaitingMessages {
  /** The last batch that was handed over before these messages. */
  readonly sequence: number;
  readonly messages: readonly Message[];
}

/** What the state machine does next, as soon as it is safe. */
type WaitingEffect =
  /** Safe once the log's new start is durable. */
  | { readonly kind: "install"; readonly snapshot: Snapshot; readonly sequence: number }
  /**
   * Safe once they are durable here: the applied state must never be ahead of the log. The batches up to
   * `sequence` hold all of them.
   */
  | { readonly kind: "apply"; readonly entries: readonly Entry[]; readonly sequence: number };

/**
 * Turns inputs into effects without waiting for a disk: a batch is handed over, and its dependents are kept
 * until an input says that it is durable. Heartbeats, reads and the next batch go on meanwhile.
 */
export class Loop {
  readonly #raft: LoopCore;
  readonly #ports: LoopPorts;
  #lastSequence = 0;
  #durableSequence = 0;
  #messages: WaitingMessages[] = [];
  #effects: WaitingEffect[] = [];

  /** A loop that drives `raft` over `ports`. */
  constructor(raft: LoopCore, ports: LoopPorts) {
    this.#raft = raft;
    this.#ports = ports;
  }

  /** Handles all `inputs`, and the inputs that result from them at once. */
  turn(inputs: readonly Input[]): void {
    for (let next = inputs; next.length > 0;) {
      this.#noteDurable(next);
      const output = this.#raft.step(next);
      this.#discardSnapshots(next, output);
      next = this.#carryOut(output);
    }
  }

  #noteDurable(inputs: readonly Input[]): void {
    for (const input of inputs) {
      if (input.kind !== "persisted") continue;
      this.#durableSequence = Math.max(this.#durableSequence, input.sequence);
    }
  }

  /** By the time a snapshot is ready, it can be out of date, or this node can be the leader. */
  #discardSnapshots(inputs: readonly Input[], { installSnapshot }: Output): void {
    // A snapshot that waits to be installed is announced again when its last chunk comes twice.
    const waiting = this.#effects.filter((effect) => effect.kind === "install")
      .map(({ snapshot }) => snapshot);
    const wanted = [installSnapshot, ...waiting].map((snapshot) => snapshot?.index);
    for (const input of inputs) {
      if (input.kind !== "snapshotReady" || wanted.includes(input.snapshot.index)) continue;
      this.#ports.snapshots.discard(input.snapshot);
    }
  }

  /** Does what the output says, as far as it is safe now. Returns the resulting inputs. */
  #carryOut(output: Output): readonly Input[] {
    const ports = this.#ports;
    // A new share is on the disk before any node learns that it is.
    if (output.shares !== null) ports.persistShares(output.shares);
    // The followers' disks then work at the same time as this node's.
    for (const message of output.send) ports.send(message);
    if (output.persist !== null) {
      this.#lastSequence = output.persist.sequence;
      ports.persist(output.persist);
    }
    ports.report(output);
    this.#keep(output);
    this.#affectState();
    const done = this.#moveSnapshots(output);
    // In this order, because a snapshot is acknowledged after it is installed.
    this.#sendDurable();
    return done;
  }

  #keep({ installSnapshot, apply, sendAfterPersist }: Output): void {
    const sequence = this.#lastSequence;
    if (installSnapshot !== null) {
      this.#effects.push({ kind: "install", snapshot: installSnapshot, sequence });
    }
    if (apply.length > 0) this.#effects.push({ kind: "apply", entries: apply, sequence });
    if (sendAfterPersist.length > 0) this.#messages.push({ sequence, messages: sendAfterPersist });
  }

  #affectState(): void {
    const { durableIndex } = this.#raft.state.durability;
    // A snapshot replaces entries that are not durable here: the core counts them, and the log could lose
    // them.
    const hasSnapshot = this.#effects.some(({ kind }) => kind === "install");
    const isReady = (effect: WaitingEffect) =>
      effect.kind === "install" || hasSnapshot
        ? effect.sequence <= this.#durableSequence
        : (effect.entries.at(-1)?.index ?? 0) <= durableIndex;
    const ready = takeWhile(this.#effects, isReady);
    for (const effect of ready) {
      if (effect.kind === "install") this.#ports.installSnapshot(effect.snapshot);
      else this.#ports.apply(effect.entries);
    }
  }

  #sendDurable(): void {
    const ready = takeWhile(this.#messages, ({ sequence }) => sequence <= this.#durableSequence);
    for (const { messages } of ready) {
      for (const message of messages) this.#ports.send(message);
    }
  }

  #moveSnapshots(output: Output): readonly Input[] {
    for (const chunk of output.sendChunks) this.#ports.snapshots.sendChunk(chunk);
    if (output.makeSnapshot) this.#ports.snapshots.make();
    return output.storeChunks.map((request) => {
      const { snapshot } = request;
      const nextOffset = this.#ports.snapshots.storeChunk(request);
      return nextOffset === null
        ? { kind: "snapshotRefused", snapshot }
        : { kind: "snapshotStored", snapshot, nextOffset };
    });
  }
}

/** Removes the first elements of a list, up to the first that does not match. */
function takeWhile<Element>(
  list: Element[],
  matches: (element: Element) => boolean,
): readonly Element[] {
  const end = list.findIndex((element) => !matches(element));
  return list.splice(0, end === -1 ? list.length : end);
}
