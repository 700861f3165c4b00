/**
 * A node's snapshots: the one that it makes for others, and the one that it receives. A snapshot is a copy of
 * `kv.db` at one applied index, as one file, for a follower whose next entry is no longer in the leader's log
 * (Raft §7).
 *
 * Workers do the long tasks (`storage_jobs.ts`, behind `job_queue.ts`). The worker that owns kv.db copies
 * it. Another worker, started when needed, checks copies and received files, so that batches of rows need
 * not wait.
 *
 * ## Making
 *
 * Only a checkpoint changes the file `kv.db`, and only this process makes checkpoints. So it makes a
 * checkpoint, and then no other until the copy is complete. Batches go into the write-ahead log in the
 * meantime. The file is copied and synced one MiB at a time, because an fsync of the log would otherwise
 * wait for the whole copy. Batches are written in between.
 *
 * The whole copy is read and checked before it is offered, so that damage on one node's disk is not sent to
 * others. After a restart it is not used again.
 *
 * An operator's copy (`saved_file.ts`) is made in the same way, into its own file, which is removed once it
 * is sent.
 * `restore.ts` puts it into the folders of a new cluster.
 *
 * ## Receiving
 *
 * Chunks are kept in order in one file, beside the snapshot's name (index, length, SHA-256), so that the
 * transfer continues after a restart. When the file is complete, the worker checks the SHA-256, and that
 * the file is a kv.db of this cluster and nothing else: the same tables, no view or trigger, a sound
 * structure, the applied index. Then it returns the rows, each checked against its SHA-256, and the loop
 * makes a second store from them, in slices. The leader is not trusted. It could still send the state of a
 * cluster with another history, just as it could send other entries. Then the file becomes this node's own,
 * is synced, and is named `ready-<index>-<number>`.
 *
 * A snapshot that is ready too late is discarded: the log has passed it, or its receiver leads. A snapshot
 * that a node has made is removed as soon as no log can continue from it.
 *
 * ## Installing
 *
 * First the log records durably that it starts at the snapshot. Then the loop continues at once with the
 * store that was made from the snapshot. In the background, one rename puts the ready file in the place of
 * kv.db, before any batch of the new store. When the process dies
 *
 * | at this moment | the next start finds | and |
 * | --- | --- | --- |
 * | while chunks arrive | what arrived | goes on from there |
 * | in the check | a file without a use | removes it; the leader sends it again |
 * | before the log says it | a ready file that nothing needs | removes it |
 * | before or within the swap | kv.db behind the log's start, and the ready file | completes the swap |
 * | after the rename | kv.db as it should be | removes the file that was replaced |
 *
 * A kv.db that is behind the log's start, without a ready file, is damaged and stops the node. If it is
 * empty, it is new, and the node asks the leader for a snapshot.
 *
 * @module
 */

import { assert } from "../../assert.ts";
import { EnvironmentError, InputError } from "../../errors.ts";
import type { Store, StoreLimits } from "../../kv/mod.ts";
import type { LogIndex } from "../../types.ts";
import { createDataFolder, removeIfThere } from "../folder.ts";
import { JobQueue } from "../job_queue.ts";
import type { StoreOptions } from "../open_database.ts";
import type { SealedSnapshot } from "../storage_jobs.ts";
import { CorruptionError, KEY_VALUE_WAY_BACK } from "../storage_error.ts";
import { type LoadedStore, loadStore, type Tables } from "../tables/tables.ts";
import { type Chunk, IncomingSnapshot, Removal } from "./incoming.ts";
import { OutgoingSnapshot } from "./outgoing.ts";
import { SavedSnapshot } from "./saved_file.ts";
import {
  isSameSnapshot,
  SNAPSHOT_BYTES_MAX,
  type SnapshotFile,
  SnapshotPaths,
} from "./snapshot_file.ts";

/** A snapshot that has arrived completely. */
interface Arrival {
  readonly snapshot: SnapshotFile;
  /** The path of the file when it is ready. */
  readonly path: string;
  /** Settles when it is ready: checked and durable, and its store is built. */
  readonly isReady: Promise<void>;
  /** Its store, once it is ready. */
  loaded: LoadedStore | null;
}

/** Makes, sends, receives and installs snapshots of `kv.db`. See the module. */
export class Snapshots {
  readonly #options: StoreOptions;
  readonly #limits: StoreLimits;
  readonly #tables: Tables;
  readonly #paths: SnapshotPaths;
  readonly #jobs = new JobQueue();
  readonly #outgoing: OutgoingSnapshot;
  readonly #incoming: IncomingSnapshot;
  /** Snapshots that are being checked, or are ready. */
  #arrivals: readonly Arrival[] = [];
  #arrivalCount = 0;
  /** Resolves when the last arrival is checked. Never rejects. */
  #checked: Promise<void> = Promise.resolve();
  /** Resolves when the last copy is complete. Never rejects. */
  #copied: Promise<void> = Promise.resolve();
  #copies = 0;
  #isMaking = false;
  #saveCount = 0;
  readonly #removal: Removal;

  /**
   * Snapshots of `tables`, in a folder inside the data folder, which is made if needed. Stores that are
   * built from them have these limits.
   */
  constructor(
    options: StoreOptions,
    { tables, limits }: { readonly tables: Tables; readonly limits: StoreLimits },
  ) {
    this.#options = options;
    this.#tables = tables;
    this.#limits = limits;
    this.#paths = new SnapshotPaths(options.folder);
    createDataFolder(this.#paths.folder);
    this.#outgoing = new OutgoingSnapshot(this.#paths.outgoing);
    this.#removal = new Removal(this.#paths);
    this.#incoming = new IncomingSnapshot(this.#paths, this.#removal);
  }

  /**
   * Makes a snapshot of the tables after the last batch, while later batches follow. From then on
   * {@linkcode read} reads this snapshot and no other.
   *
   * @throws {CorruptionError} when kv.db is damaged.
   * @throws {EnvironmentError} when the disk fails, or the tables are closed or replaced.
   */
  async make(): Promise<SnapshotFile> {
    assert(!this.#isMaking, "Two snapshots at a time");
    this.#isMaking = true;
    try {
      return await this.#afterOthers(async () => {
        const { revision: _, ...snapshot } = await this.#copy(this.#paths.outgoing);
        this.#outgoing.offer(snapshot);
        return snapshot;
      });
    } finally {
      this.#isMaking = false;
    }
  }

  /**
   * As {@linkcode make}, for a client that keeps the snapshot elsewhere. The caller closes it, and then
   * `onClose` is called.
   *
   * @throws {CorruptionError} when kv.db is damaged.
   * @throws {EnvironmentError} when the disk fails, or the tables are closed or replaced.
   */
  save(onClose: () => void = () => {}): Promise<SavedSnapshot> {
    return this.#afterOthers(async () => {
      const path = this.#paths.saving(++this.#saveCount);
      const { index, revision, bytes } = await this.#copy(path);
      const { cluster } = this.#options;
      const head = { cluster, index, revision, bytes };
      return new SavedSnapshot(path, head, () => {
        this.#removal.remove(path);
        onClose();
      });
    });
  }

  /** Copies of the tables are made one after the other. */
  #afterOthers<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#copies === 0 ? work() : this.#copied.then(work);
    this.#copies++;
    this.#copied = result.then(() => {}, () => {}).then(() => void this.#copies--);
    return result;
  }

  /** Copies the tables to a path. An older copy there is replaced. */
  async #copy(sealedPath: string): Promise<SealedSnapshot> {
    try {
      checkSize(this.#tables.path);
      const index = await this.#tables.copy(this.#paths.copy);
      const snapshot = await this.#seal(sealedPath);
      assert(snapshot.index === index, `A snapshot at ${index} says ${snapshot.index}`);
      return snapshot;
    } catch (error) {
      // An incomplete copy is useless, and the disk may be full.
      removeIfThere(this.#paths.copy);
      throw error;
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
   * Keeps a chunk of a leader's snapshot if it is the next one. A chunk of another snapshot replaces what
   * was kept before. The kept chunks survive a restart.
   *
   * @returns the offset of the next chunk; the snapshot's length when it is complete.
   * @throws {InputError} when the snapshot's name or the chunk is invalid.
   * @throws {EnvironmentError} when the disk fails. The node can continue: nothing was promised.
   */
  store(chunk: Chunk): number {
    const { snapshot } = chunk;
    if (this.#findArrival(snapshot) !== null) return snapshot.bytes;
    return this.#incoming.store(chunk);
  }

  /**
   * Checks a complete snapshot, builds its store, and makes it durable and ready to install. A second call
   * for the same snapshot waits for the same work.
   *
   * @throws {InputError} when the snapshot does not match its name or this cluster. It is then removed.
   * @throws {EnvironmentError} when the disk fails. The node can continue: nothing was promised.
   */
  finish(snapshot: SnapshotFile): Promise<void> {
    const known = this.#findArrival(snapshot);
    if (known !== null) return known.isReady;
    const number = ++this.#arrivalCount;
    const path = this.#paths.ready(snapshot.index, number);
    const loading = this.#receive(snapshot, { number, path });
    const isReady = loading.then((loaded) => this.#becameReady(arrival, loaded));
    const arrival: Arrival = { snapshot, path, isReady, loaded: null };
    this.#arrivals = [...this.#arrivals, arrival];
    // A refused snapshot may be sent again.
    isReady.catch(() => this.#forget((other) => other === arrival));
    return isReady;
  }

  /** Removes a snapshot that {@linkcode finish} made ready and that is no longer wanted. */
  discard(snapshot: SnapshotFile): void {
    this.#forget((arrival) => isSameSnapshot(arrival.snapshot, snapshot));
  }

  /**
   * The log now starts after `index`. Removes the snapshot that this node made, if no log can continue from
   * it, and the received part of a snapshot that has nothing new.
   */
  removeBefore(index: LogIndex): void {
    if (this.#outgoing.isBefore(index)) {
      this.#outgoing.close();
      this.#removal.remove(this.#paths.outgoing);
    }
    if (this.#incoming.isUpTo(index)) this.#incoming.remove();
  }

  /**
   * Returns the store of a ready snapshot, and replaces kv.db by its file in the background. Older
   * snapshots are no longer used.
   */
  install(snapshot: SnapshotFile): Store {
    const arrival = this.#findArrival(snapshot);
    const loaded = arrival?.loaded ?? null;
    const { index } = snapshot;
    assert(
      arrival !== null && loaded !== null,
      `There is no snapshot of index ${index} to install`,
    );
    this.#arrivals = this.#arrivals.filter((other) => other !== arrival);
    this.#forget((other) => other.snapshot.index <= index);
    const { forgottenIndex, store } = loaded;
    const { replaced } = this.#paths;
    this.#tables.install({ index, forgottenIndex, ready: arrival.path, replaced })
      .then(() => this.#removal.remove(replaced))
      // The error also reaches every user of the tables.
      .catch(() => {});
    return store;
  }

  /**
   * Replaces kv.db by a ready snapshot of this index, if an earlier process has left one.
   *
   * @throws {EnvironmentError} when the disk fails; the node must not start.
   */
  async completeInstallation(index: LogIndex): Promise<void> {
    const ready = this.#paths.listReady().find((found) => found.index === index);
    if (ready === undefined) return;
    const { replaced } = this.#paths;
    // The loading of the tables shows which writes it has forgotten.
    await this.#tables.install({ index, forgottenIndex: 0, ready: ready.path, replaced });
  }

  /** Removes files of earlier processes, except the received part of a snapshot. */
  removeLeftovers(): void {
    for (const path of this.#paths.listLeftovers()) removeIfThere(path);
  }

  /** Stops all work at once. Only the unfinished work is lost. */
  async close(): Promise<void> {
    this.#jobs.close();
    this.#outgoing.close();
    await Promise.all([this.#incoming.close(), this.#removal.close()]);
  }

  async #seal(sealedPath: string): Promise<SealedSnapshot> {
    const { copy: path } = this.#paths;
    const { cluster } = this.#options;
    try {
      return await this.#jobs.run("seal", { path, sealedPath, cluster });
    } catch (cause) {
      if (!(cause instanceof InputError)) throw cause;
      throw new CorruptionError({
        file: this.#tables.path,
        damage: `a copy of it is no good: ${cause.message}`,
        wayBack: KEY_VALUE_WAY_BACK,
        cause,
      });
    }
  }

  #receive(
    snapshot: SnapshotFile,
    { number, path: readyPath }: { readonly number: number; readonly path: string },
  ): Promise<LoadedStore> {
    const path = this.#paths.checking(number);
    const taken = this.#incoming.take(snapshot, path);
    // The worker has only one snapshot open at a time.
    const loaded = Promise.all([taken, this.#checked])
      .then(() => this.#check(snapshot, { path, readyPath }));
    this.#checked = loaded.then(() => {}, () => {});
    return loaded;
  }

  async #check(
    snapshot: SnapshotFile,
    { path, readyPath }: { readonly path: string; readonly readyPath: string },
  ): Promise<LoadedStore> {
    const { cluster, node } = this.#options;
    const { folder } = this.#paths;
    try {
      await this.#jobs.run("openArrived", { path, snapshot, cluster });
      const loaded = await loadStore(this.#jobs, this.#limits);
      await this.#jobs.run("adopt", { path, readyPath, folder, cluster, node });
      return loaded;
    } catch (error) {
      // The leader sends it again in any case, and the disk may be full.
      await this.#jobs.run("drop", { path }).catch(() => {});
      throw toRefusal(error);
    }
  }

  #becameReady(arrival: Arrival, loaded: LoadedStore): void {
    arrival.loaded = loaded;
    // It was discarded in the meantime.
    if (!this.#arrivals.includes(arrival)) this.#removal.remove(arrival.path);
  }

  #findArrival(snapshot: SnapshotFile): Arrival | null {
    return this.#arrivals.find((arrival) => isSameSnapshot(arrival.snapshot, snapshot)) ?? null;
  }

  #forget(matches: (arrival: Arrival) => boolean): void {
    for (const { path } of this.#arrivals.filter(matches)) this.#removal.remove(path);
    this.#arrivals = this.#arrivals.filter((arrival) => !matches(arrival));
  }
}

function checkSize(path: string): void {
  const { size } = Deno.statSync(path);
  if (size <= SNAPSHOT_BYTES_MAX) return;
  throw new EnvironmentError(
    `Cannot make a snapshot of ${path}: its ${size} bytes are above ${SNAPSHOT_BYTES_MAX}`,
  );
}

/** A fault in the file is the sender's. A file that cannot be read is this node's fault. */
function toRefusal(error: unknown): unknown {
  if (!(error instanceof CorruptionError)) return error;
  return new InputError(`Cannot use snapshot: ${error.damage}`, { cause: error });
}
