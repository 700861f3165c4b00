/**
 * Carries snapshots between the core, which decides, the store, which keeps them, and the network.
 * What takes long happens off the loop; its outcome comes back as an input.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { EnvironmentError, InputError } from "../errors.ts";
import {
  type Input,
  type Message,
  type RaftEvent,
  type Snapshot,
  SNAPSHOT_CHUNK_BYTES_MAX,
  type SnapshotChunk,
  type SnapshotRequest,
} from "../raft/mod.ts";
import type { Snapshots } from "../storage/mod.ts";

/** What a keeper works with. */
export interface SnapshotKeeperOptions {
  /** Makes, keeps and checks the files. */
  readonly snapshots: Snapshots;
  /** Hands an input to the core. */
  readonly submit: (input: Input) => void;
  /** Sends a message to a peer. */
  readonly send: (message: Message) => void;
}

/** One node's snapshots. */
export class SnapshotKeeper {
  readonly #options: SnapshotKeeperOptions;
  readonly #logger = getLogger(["floe", "node"]);

  /** `options` are used as they are. */
  constructor(options: SnapshotKeeperOptions) {
    this.#options = options;
  }

  /** Begins to make a snapshot of everything applied so far. */
  make(): void {
    const { snapshots, submit } = this.#options;
    snapshots.make().then((snapshot) => {
      this.#logger.info("snapshot.made", { index: snapshot.index, bytes: snapshot.bytes });
      submit({ kind: "snapshotMade", snapshot });
    }, (error) => {
      this.#logger.error("snapshot.failed", { error: String(error) });
      submit({ kind: "snapshotFailed" });
    });
  }

  /** Reads a chunk of this node's snapshot and sends it; nothing if a newer one took its place. */
  sendChunk(chunk: SnapshotChunk): void {
    const { snapshots, send } = this.#options;
    const { snapshot, offset } = chunk;
    const data = snapshots.read({ snapshot, offset, bytesMax: SNAPSHOT_CHUNK_BYTES_MAX });
    if (data !== null) send({ ...chunk, data });
  }

  /** Keeps a chunk of a leader's snapshot; the offset wanted next, or null when that failed. */
  storeChunk({ snapshot, offset, data }: SnapshotRequest): number | null {
    try {
      const nextOffset = this.#options.snapshots.store({ snapshot, offset, data });
      if (nextOffset === snapshot.bytes) this.#finish(snapshot);
      return nextOffset;
    } catch (error) {
      this.#refused(error);
      return null;
    }
  }

  /** Removes what the log has gone beyond: nobody will ask for it. */
  observe(events: readonly RaftEvent[]): void {
    for (const event of events) {
      if (event.kind === "logCompacted") this.#options.snapshots.removeBefore(event.index);
    }
  }

  #finish(snapshot: Snapshot): void {
    const { snapshots, submit } = this.#options;
    snapshots.finish(snapshot).then(() => submit({ kind: "snapshotReady", snapshot }), (error) => {
      this.#refused(error);
      submit({ kind: "snapshotRefused", snapshot });
    });
  }

  /** Receiving promises nothing, so a snapshot that cannot be kept or is unsound stops nobody. */
  #refused(error: unknown): void {
    if (!(error instanceof InputError || error instanceof EnvironmentError)) throw error;
    this.#logger.warn("snapshot.refused", { error: error.message });
  }
}
