/**
 * A node's snapshots: the one it makes for others, and the one it gets.
 *
 * @module
 */

import { assert, assertDefined } from "../../assert.ts";
import { EnvironmentError, InputError, messageOf } from "../../errors.ts";
import type { LogIndex } from "../../types.ts";
import type { Database } from "../database.ts";
import { createDataFolder, removeIfThere, syncFolder } from "../folder.ts";
import type { SqliteKeyValueStore } from "../key_value_store.ts";
import type { StoreOptions } from "../open_database.ts";
import { CorruptionError, KEY_VALUE_WAY_BACK } from "../storage_error.ts";
import { type Chunk, IncomingSnapshot, Removal } from "./incoming.ts";
import { JobQueue } from "./job_queue.ts";
import { OutgoingSnapshot } from "./outgoing.ts";
import {
  isSameSnapshot,
  SNAPSHOT_BYTES_MAX,
  type SnapshotFile,
  SnapshotPaths,
} from "./snapshot_file.ts";

/** So few changed pages are copied while the database's file holds still: 16 MiB. */
const LAST_PAGES_MAX = 4096;

/** After so many rounds the file holds still, however much has changed in the last one. */
const COPY_ROUNDS_MAX = 8;

/** A snapshot that has arrived whole. */
interface Arrival {
  readonly snapshot: SnapshotFile;
  /** Settles when it was checked. */
  readonly isReady: Promise<void>;
}

/** Makes, sends, receives and installs snapshots of `kv.db`. See this folder's `mod.ts`. */
export class Snapshots {
  readonly #options: StoreOptions;
  readonly #keyValues: SqliteKeyValueStore;
  readonly #paths: SnapshotPaths;
  readonly #jobs = new JobQueue();
  readonly #outgoing: OutgoingSnapshot;
  readonly #incoming: IncomingSnapshot;
  #arrival: Arrival | null = null;
  #arrivals = 0;
  #isMaking = false;
  readonly #removal: Removal;

  /** Snapshots of `keyValues`, in a folder inside the data folder, which is made if need be. */
  constructor(options: StoreOptions, keyValues: SqliteKeyValueStore) {
    this.#options = options;
    this.#keyValues = keyValues;
    this.#paths = new SnapshotPaths(options.folder);
    createDataFolder(this.#paths.folder);
    this.#outgoing = new OutgoingSnapshot(this.#paths.outgoing);
    this.#removal = new Removal(this.#paths);
    this.#incoming = new IncomingSnapshot(this.#paths, this.#removal);
  }

  /**
   * Makes a snapshot of everything applied so far, while the store goes on; from then on
   * {@linkcode read} reads that one and no other. One at a time.
   *
   * @throws {CorruptionError} when kv.db is damaged.
   * @throws {EnvironmentError} when the disk fails, the store is closed or its file is replaced.
   */
  async make(): Promise<SnapshotFile> {
    assert(!this.#isMaking, "Two snapshots at a time");
    this.#isMaking = true;
    try {
      const index = await this.#copy(this.#keyValues.database);
      const snapshot = await this.#seal();
      assert(snapshot.index === index, `A snapshot at ${index} says ${snapshot.index}`);
      this.#outgoing.offer(snapshot);
      return snapshot;
    } catch (error) {
      // Half a copy is of no use, and the disk may be full.
      removeIfThere(this.#paths.copy);
      throw error;
    } finally {
      this.#isMaking = false;
    }
  }

  /**
   * Reads a chunk of the snapshot that {@linkcode make} made last: at most `bytesMax` bytes, none
   * from its end on.
   *
   * @returns null when it is another snapshot.
   * @throws {EnvironmentError} when the file cannot be read.
   */
  read(
    { snapshot, ...range }: {
      readonly snapshot: SnapshotFile;
      readonly offset: number;
      readonly bytesMax: number;
    },
  ): Uint8Array | null {
    return this.#outgoing.read(snapshot, range);
  }

  /**
   * Keeps a chunk of a leader's snapshot if it is the one that comes next. A snapshot that is
   * another than that of the chunk before takes its place. What is kept survives a restart.
   *
   * @returns the offset of the chunk that comes next; the snapshot's length when all is there.
   * @throws {InputError} when the snapshot's name or the chunk is impossible.
   * @throws {EnvironmentError} when the disk refuses. The node can go on: nothing was promised.
   */
  store(chunk: Chunk): number {
    const { snapshot } = chunk;
    if (this.#findArrival(snapshot) !== null) return snapshot.bytes;
    return this.#incoming.store(chunk);
  }

  /**
   * Checks a snapshot that is all there, and makes it durable and ready to be installed. Asked again
   * for the same snapshot, it is the same work.
   *
   * @throws {InputError} when the snapshot is not what its name says, or not this cluster's; it is
   * removed.
   * @throws {EnvironmentError} when the disk fails. The node can go on: nothing was promised.
   */
  finish(snapshot: SnapshotFile): Promise<void> {
    const known = this.#findArrival(snapshot);
    if (known !== null) return known.isReady;
    const arrival = { snapshot, isReady: this.#receive(snapshot) };
    this.#arrival = arrival;
    // A snapshot that was refused may come again.
    arrival.isReady.catch(() => {
      if (this.#arrival === arrival) this.#arrival = null;
    });
    return arrival.isReady;
  }

  /**
   * Removes a snapshot that {@linkcode finish} made ready and that nobody wants any more; unless one of
   * another leader has arrived for the same index, which takes the same place and may be wanted.
   */
  discard(snapshot: SnapshotFile): void {
    const { index } = snapshot;
    const isLatest = this.#findArrival(snapshot) !== null;
    if (this.#arrival?.snapshot.index === index && !isLatest) return;
    this.#forgetArrival(index);
    this.#removal.remove(this.#paths.ready(index));
  }

  /**
   * The log starts after `index` now. Removes the snapshot that this node made, if no log can go on
   * from it any more, and what has arrived of one that brings nothing new.
   */
  removeBefore(index: LogIndex): void {
    if (this.#outgoing.isBefore(index)) {
      this.#outgoing.close();
      this.#removal.remove(this.#paths.outgoing);
    }
    if (this.#incoming.isUpTo(index)) this.#incoming.remove();
  }

  /** Whether a snapshot of this index can be installed. */
  isReady(index: LogIndex): boolean {
    return this.#paths.listReady().includes(index);
  }

  /**
   * Puts the snapshot of this index, which must be ready, in the place of kv.db. When the process
   * dies in here, kv.db is either of the two; and the snapshot ready as long as it is the old one.
   *
   * @throws {EnvironmentError} when the disk fails; kv.db is closed then, and the node must stop.
   */
  install(index: LogIndex): void {
    assert(this.isReady(index), `There is no snapshot of index ${index} to install`);
    const { path } = this.#keyValues;
    try {
      this.#keyValues.replace(() => this.#replaceFile(path, index));
    } catch (cause) {
      if (cause instanceof EnvironmentError) throw cause;
      throw new EnvironmentError(
        `Cannot put a snapshot in the place of ${path}: ${messageOf(cause)}. See that the disk ` +
          `works and has free space, then start the node again.`,
        { cause },
      );
    }
    this.#forgetArrival(index);
    this.#removeOld(index);
  }

  /** Removes what an earlier process left, but for what has arrived of a snapshot. */
  removeLeftovers(): void {
    for (const path of this.#paths.listLeftovers()) removeIfThere(path);
  }

  /** Stops all work, wherever it is. Nothing is lost by it but the work itself. */
  async close(): Promise<void> {
    this.#jobs.close();
    this.#outgoing.close();
    await Promise.all([this.#incoming.close(), this.#removal.close()]);
  }

  /** Copies the database's file until the copy is what the file was at one moment. */
  async #copy(database: Database): Promise<LogIndex> {
    checkSize(database.path);
    database.beginCopy();
    try {
      let changed = await this.#copyPages(database, null);
      for (let round = 1; changed.length > LAST_PAGES_MAX && round < COPY_ROUNDS_MAX; round++) {
        changed = await this.#copyPages(database, changed);
      }
      const index = this.#keyValues.appliedIndex;
      database.holdFile();
      await this.#copyPages(database, changed);
      return index;
    } finally {
      database.endCopy();
    }
  }

  /** Copies these pages, or all; which ones have changed meanwhile. */
  async #copyPages(
    database: Database,
    pages: readonly number[] | null,
  ): Promise<readonly number[]> {
    const { path } = database;
    await this.#jobs.run({ kind: "copy", from: path, to: this.#paths.copy, pages });
    if (!database.isClosed) return [...database.takeChangedPages()];
    throw new EnvironmentError(`Cannot copy ${path}: it was closed meanwhile`);
  }

  async #seal(): Promise<SnapshotFile> {
    const { copy: path, outgoing: sealedPath } = this.#paths;
    const { cluster } = this.#options;
    try {
      const snapshot = await this.#jobs.run({ kind: "seal", path, sealedPath, cluster });
      return assertDefined(snapshot, "A sealed snapshot has no name");
    } catch (cause) {
      if (!(cause instanceof InputError)) throw cause;
      throw new CorruptionError({
        file: this.#keyValues.path,
        damage: `a copy of it is no good: ${cause.message}`,
        wayBack: KEY_VALUE_WAY_BACK,
        cause,
      });
    }
  }

  async #receive(snapshot: SnapshotFile): Promise<void> {
    const path = this.#paths.checking(++this.#arrivals);
    await this.#incoming.take(snapshot, path);
    const { folder } = this.#paths;
    const { cluster, node } = this.#options;
    const readyPath = this.#paths.ready(snapshot.index);
    await this.#jobs.run({ kind: "receive", path, readyPath, folder, snapshot, cluster, node });
  }

  #findArrival(snapshot: SnapshotFile): Arrival | null {
    const arrival = this.#arrival;
    return arrival !== null && isSameSnapshot(arrival.snapshot, snapshot) ? arrival : null;
  }

  #forgetArrival(index: LogIndex): void {
    if (this.#arrival?.snapshot.index === index) this.#arrival = null;
  }

  #replaceFile(path: string, index: LogIndex): void {
    // The old file keeps a second name: to let go of a large file at once would block.
    removeIfThere(this.#paths.replaced);
    linkIfPossible(path, this.#paths.replaced);
    // SQLite would take the old file's log for the new one's.
    removeIfThere(`${path}-wal`);
    removeIfThere(`${path}-shm`);
    syncFolder(this.#options.folder);
    Deno.renameSync(this.#paths.ready(index), path);
    syncFolder(this.#options.folder);
    syncFolder(this.#paths.folder);
  }

  /** What is older than the snapshot just installed will not be asked for. */
  #removeOld(index: LogIndex): void {
    const older = this.#paths.listReady().filter((ready) => ready < index);
    this.#removal.remove(this.#paths.replaced);
    for (const ready of older) this.#removal.remove(this.#paths.ready(ready));
  }
}

function checkSize(path: string): void {
  const { size } = Deno.statSync(path);
  if (size <= SNAPSHOT_BYTES_MAX) return;
  throw new EnvironmentError(
    `Cannot make a snapshot of ${path}: its ${size} bytes are above ${SNAPSHOT_BYTES_MAX}`,
  );
}

/** Not every file system has hard links. */
function linkIfPossible(path: string, second: string): void {
  try {
    Deno.linkSync(path, second);
  } catch {
    // Then the rename that follows lets go of the file itself.
  }
}
