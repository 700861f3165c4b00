/**
 * Carries snapshots between the core, which decides, the store, which keeps them, and the network.
 * What takes long happens off the loop; its outcome comes back as an input.
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

/** Most snapshots that are being made or sent for somebody who saves them. */
const SAVED_MAX = 2;

/** What a keeper works with. */
interface SnapshotKeeperOptions {
  /** Makes, keeps and checks the files. */
  readonly snapshots: Snapshots;
  /** Hands an input to the core. */
  readonly submit: (input: Input) => void;
  /** Sends a message to a peer. */
  readonly send: (message: Message) => void;
  /** Stops the node, which can go on no more. */
  readonly fail: (error: unknown) => void;
}

/** One node's snapshots. */
export class SnapshotKeeper implements SnapshotPort {
  readonly #options: SnapshotKeeperOptions;
  readonly #logger = getLogger(["floe", "node"]);
  /** Copies for those who save them, made or being made, and not closed. */
  #savedCount = 0;

  /** `options` are used as they are. */
  constructor(options: SnapshotKeeperOptions) {
    this.#options = options;
  }

  /**
   * Begins to make a snapshot of everything applied so far. For want of space, say, the node can do
   * without; not so if its own data turn out to be damaged.
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
   * Makes a copy of the state for somebody who saves it, once the tables have `caughtUp`. Each takes as much
   * room on the disk as the state itself, until it is closed.
   *
   * @throws {RequestError} when there are too many already.
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

  /** Reads a chunk of this node's snapshot and sends it; nothing if a newer one took its place. */
  sendChunk(chunk: SnapshotChunk): void {
    const { snapshots, send } = this.#options;
    const { snapshot, offset } = chunk;
    const data = snapshots.read({ snapshot, offset, bytesMax: SNAPSHOT_CHUNK_BYTES_MAX });
    if (data !== null) send({ ...chunk, data });
  }

  /**
   * Keeps a chunk of a leader's snapshot; the offset wanted next, or null when that failed. Receiving
   * promises nothing, so a snapshot that cannot be kept or is unsound stops nobody.
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

  /** Removes what the log has gone beyond: nobody will ask for it. */
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

/** Whether it is the snapshot that is no good, or the disk that will not keep it. */
function isRefusal(error: unknown): error is InputError | EnvironmentError {
  return error instanceof InputError || error instanceof EnvironmentError;
}

/** Whether the next attempt may succeed. */
function isPassing(error: unknown): boolean {
  return error instanceof EnvironmentError && !(error instanceof CorruptionError);
}
