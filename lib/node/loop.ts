/**
 * The one place where effects are ordered. A turn steps the core with everything that happened, then
 * sends, hands over what is to be written, and tells the clients; what has to wait for the disk is done
 * in the turn that hears that it is durable: applied first, sent then. The production node and the
 * simulator run this same code over different ports.
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

/** What a turn needs done by others, in the order called. None of it waits for a disk. */
export interface LoopPorts {
  /**
   * Makes this node's shares durable before it returns, in place of those on the disk, and erases the copies
   * that it was given.
   *
   * @throws when that is not certain; the node must then stop.
   */
  persistShares(shares: DurableShares): void;
  /** Puts a message on its way; it may be lost. */
  send(message: Message): void;
  /**
   * Takes a batch to be made durable, in order; `persisted` says when it is.
   *
   * @throws when the disk has failed; the node must then stop, as nobody knows what the disk holds.
   */
  persist(batch: PersistBatch): void;
  /** Replaces the state machine's state by the snapshot that `snapshotReady` told of. */
  installSnapshot(snapshot: Snapshot): void;
  /** Applies committed entries to the state machine, and tells clients what came of them. */
  apply(entries: readonly Entry[]): void;
  /** This node's snapshots, and those of leaders. */
  readonly snapshots: SnapshotPort;
  /** Tells clients, logs and counters what came of the step. */
  report(output: Output): void;
}

/** What the core has done to snapshots. */
export interface SnapshotPort {
  /** Reads a chunk of this node's own snapshot and sends it. */
  sendChunk(chunk: SnapshotChunk): void;
  /** Keeps a chunk of a leader's snapshot; the offset that is wanted next, null if that failed. */
  storeChunk(request: SnapshotRequest): number | null;
  /** Removes a snapshot that `snapshotReady` reported and the core does not need. */
  discard(snapshot: Snapshot): void;
  /** Begins to make a snapshot. The result is a later input. */
  make(): void;
}

/** What a loop needs of the core. */
interface LoopCore extends Pick<Raft, "step"> {
  /** How far the disk has followed. */
  readonly state: { readonly durability: { readonly durableIndex: LogIndex } };
}

/** Messages that wait for the disk. */
interface WaitingMessages {
  /** The last batch that was handed over before them. */
  readonly sequence: number;
  readonly messages: readonly Message[];
}

/** What the state machine is to do, as soon as it may. */
type WaitingEffect =
  /** Once the log says durably that it starts there. */
  | { readonly kind: "install"; readonly snapshot: Snapshot; readonly sequence: number }
  /**
   * Once they are durable here: what is applied must never be ahead of the log. All were handed over by
   * `sequence`.
   */
  | { readonly kind: "apply"; readonly entries: readonly Entry[]; readonly sequence: number };

/**
 * Turns inputs into effects. Nothing here waits for a disk: a batch is handed over, and what depends on
 * it is kept until an input says that it is durable. Heartbeats, reads and the next batch go on meanwhile.
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

  /** Handles everything in `inputs`, and whatever comes of it at once. */
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

  /** A snapshot may be ready when it is no news any more, or on a node that leads by now. */
  #discardSnapshots(inputs: readonly Input[], { installSnapshot }: Output): void {
    // One that waits to be installed is told of again when its last chunk comes twice.
    const waiting = this.#effects.filter((effect) => effect.kind === "install")
      .map(({ snapshot }) => snapshot);
    const wanted = [installSnapshot, ...waiting].map((snapshot) => snapshot?.index);
    for (const input of inputs) {
      if (input.kind !== "snapshotReady" || wanted.includes(input.snapshot.index)) continue;
      this.#ports.snapshots.discard(input.snapshot);
    }
  }

  /** Does what the output says, as far as it may be done now, and returns what came of it. */
  #carryOut(output: Output): readonly Input[] {
    const ports = this.#ports;
    // A new share is on the disk before anybody is told so.
    if (output.shares !== null) ports.persistShares(output.shares);
    // The followers' disks work while this node's own does.
    for (const message of output.send) ports.send(message);
    if (output.persist !== null) {
      this.#lastSequence = output.persist.sequence;
      ports.persist(output.persist);
    }
    ports.report(output);
    this.#keep(output);
    this.#affectState();
    const done = this.#moveSnapshots(output);
    // In this order: a snapshot is acknowledged once it is installed.
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
    // A snapshot stands for entries that are not durable here: the core counts them in, the log may lose them.
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

/** Takes the first elements out of a list, up to the first that does not match. */
function takeWhile<Element>(
  list: Element[],
  matches: (element: Element) => boolean,
): readonly Element[] {
  const end = list.findIndex((element) => !matches(element));
  return list.splice(0, end === -1 ? list.length : end);
}
