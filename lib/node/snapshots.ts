/**
 * Moves snapshots between the core, which decides about them, the store, which keeps them, and the network.
 * Long work is done off the loop; its outcome comes back as an input.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { EnvironmentError, InputError, messageOf } from "../errors.ts";
import {
  type Input,
  type Message,
  type RaftEvent,
  type Snapshot,
  SNAPSHOT_CHUNK_BYTES_MAX,
  type SnapshotChunk,
  type SnapshotRequest,
} from "../raft/mod.ts";
import { CorruptionError, type SavedSnapshot, type Snapshots } from "../storage/mod.ts";
import { RequestError } from "./api.ts";
import type { SnapshotPort } from "./loop.ts";

/** Most snapshots that are being made or sent for clients at once. */
const SAVED_MAX = 2;

/** The parts of the node that a keeper uses. */
interface SnapshotKeeperOptions {
  /** Makes, keeps and checks the files. */
  readonly snapshots: Snapshots;
  /** Hands an input to the core. */
  readonly submit: (input: Input) => void;
  /** Sends a message to a peer. */
  readonly send: (message: Message) => void;
  /** Stops the node, because it cannot go on. */
  readonly fail: (error: unknown) => void;
}

/** One node's snapshots. */
export class SnapshotKeeper implements SnapshotPort {
  readonly #options: SnapshotKeeperOptions;
  readonly #logger = getLogger(["floe", "node"]);
  /** Copies for clients, made or being made, and not closed yet. */
  #savedCount = 0;

  /** Reads nothing yet. */
  constructor(options: SnapshotKeeperOptions) {
    this.#options = options;
  }

  /**
   * Begins to make a snapshot of everything applied so far. The node can go on without one, for example when
   * the disk is full; but it stops if its own data turn out to be damaged.
   */
  make(): void {
    const { snapshots, submit, fail } = this.#options;
    snapshots.make().then((snapshot) => {
      this.#logger.info("snapshot.made", { index: snapshot.index, bytes: snapshot.bytes });
      submit({ kind: "snapshotMade", snapshot });
    }, (error) => {
      this.#logger.error("snapshot.failed", { error: String(error) });
      if (!isPassing(error)) return fail(error);
      submit({ kind: "snapshotFailed" });
    });
  }

  /**
   * Makes a copy of the state for a client, once the tables have `caughtUp`. Each copy takes as much room on
   * the disk as the state itself, until it is closed.
   *
   * @throws {RequestError} when there are already too many.
   */
  save(caughtUp: () => Promise<void>): Promise<SavedSnapshot> {
    if (this.#savedCount >= SAVED_MAX) {
      const message =
        `Cannot make a snapshot: ${SAVED_MAX} are being made or sent, the most at once`;
      throw new RequestError("overloaded", message, { maybeApplied: false });
    }
    this.#savedCount++;
    return this.#save(caughtUp());
  }

  async #save(caughtUp: Promise<void>): Promise<SavedSnapshot> {
    try {
      await caughtUp;
      return await this.#options.snapshots.save(() => void this.#savedCount--);
    } catch (error) {
      this.#savedCount--;
      this.#logger.error("snapshot.failed", { error: String(error) });
      if (!isPassing(error)) this.#options.fail(error);
      throw new RequestError("snapshot_failed", messageOf(error), { maybeApplied: false });
    }
  }

  /** Reads a chunk of this node's snapshot and sends it; does nothing if a newer snapshot replaced it. */
  sendChunk(chunk: SnapshotChunk): void {
    const { snapshots, send } = this.#options;
    const { snapshot, offset } = chunk;
    const data = snapshots.read({ snapshot, offset, bytesMax: SNAPSHOT_CHUNK_BYTES_MAX });
    if (data !== null) send({ ...chunk, data });
  }

  /**
   * Keeps a chunk of a leader's snapshot. Returns the offset wanted next, or null if that failed. A receiver
   * has promised nothing yet, so a snapshot that is damaged or cannot be kept does not stop the node.
   */
  storeChunk({ snapshot, offset, data }: SnapshotRequest): number | null {
    try {
      const nextOffset = this.#options.snapshots.store({ snapshot, offset, data });
      if (nextOffset === snapshot.bytes) this.#finish(snapshot);
      return nextOffset;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#logger.warn("snapshot.refused", { error: error.message });
      return null;
    }
  }

  /** Removes a leader's snapshot that is not needed. */
  discard(snapshot: Snapshot): void {
    this.#options.snapshots.discard(snapshot);
  }

  /** Removes a snapshot that the log has gone beyond: no follower will need it. */
  observe(events: readonly RaftEvent[]): void {
    for (const event of events) {
      if (event.kind === "logCompacted") this.#options.snapshots.removeBefore(event.index);
    }
  }

  #finish(snapshot: Snapshot): void {
    const { snapshots, submit, fail } = this.#options;
    snapshots.finish(snapshot).then(() => submit({ kind: "snapshotReady", snapshot }), (error) => {
      if (!isRefusal(error)) return fail(error);
      this.#logger.warn("snapshot.refused", { error: error.message });
      submit({ kind: "snapshotRefused", snapshot });
    });
  }
}

/** Whether the snapshot is damaged, or the disk cannot keep it. */
function isRefusal(error: unknown): error is InputError | EnvironmentError {
  return error instanceof InputError || error instanceof EnvironmentError;
}

/** Whether another attempt could succeed. */
function isPassing(error: unknown): boolean {
  return error instanceof EnvironmentError && !(error instanceof CorruptionError);
}
