/**
 * A node's snapshots: the one it makes for others, and the one it gets. A snapshot is a copy of `kv.db` at
 * one applied index, as one file, for a follower whose next entry the leader's log no longer has (Raft §7).
 *
 * What takes long is done by workers (`storage_jobs.ts`, behind `job_queue.ts`): the one that owns kv.db
 * copies it, another one, started when it is needed, checks copies and what arrives, so that batches of
 * rows need not wait for that.
 *
 * ## Making
 *
 * Only a checkpoint changes the file `kv.db`, and checkpoints are ours to make. So after a checkpoint there
 * is none until the copy is complete, while batches go on into the write-ahead log. It is copied by one MiB
 * at a time, each synced, as an fsync of the log would otherwise wait for all of it; batches are written
 * in between.
 *
 * The copy is read through before it is offered, so that damage to one node's disk is not sent to
 * others. Nobody asks for it after a restart.
 *
 * An operator's copy (`saved_file.ts`) is made the same way, into a file of its own that goes once it is sent.
 * `restore.ts` puts it into the folders of a new cluster.
 *
 * ## Receiving
 *
 * Chunks are kept in order in one file, beside the snapshot's name (index, length, SHA-256), so that a
 * restart goes on where it was. When all is there, the worker checks the SHA-256, and that the file
 * is nothing else than kv.db of this cluster: the same tables and no view or trigger, SQLite's own
 * structure, the applied index. Then it hands over the rows, each checked against its SHA-256, and the loop
 * makes a store of them beside its own, in slices. A leader is trusted with none of this; what it could
 * still do is send the state of a cluster that went another way, as it could send other entries. Then the
 * file is made this node's own, synced, and named `ready-<index>-<number>`.
 *
 * A snapshot that became ready too late, as the log has gone beyond it or its receiver leads, is
 * discarded. The one that a node has made is removed as soon as no log can go on from it.
 *
 * ## Installing
 *
 * First the log says durably that the log starts at the snapshot. Then the loop goes on with the store that
 * was made of it, at once, and in the background the ready file takes the place of kv.db by one rename,
 * before any batch of the new store. When the process dies
 *
 * | at this moment | the next start finds | and |
 * | --- | --- | --- |
 * | while chunks arrive | what arrived | goes on from there |
 * | in the check | a file without a use | removes it; the leader sends it again |
 * | before the log says it | a ready file that nothing needs | removes it |
 * | before or within the swap | kv.db behind the log's start, and the ready file | completes the swap |
 * | after the rename | kv.db as it should be | removes the file that was replaced |
 *
 * A kv.db that is behind the log's start without a ready file is damage, and stops the node, unless it
 * is empty: then it was made anew, and the leader is asked for a snapshot.
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

/** A snapshot that has arrived whole. */
interface Arrival {
  readonly snapshot: SnapshotFile;
  /** Where it will be once it is ready. */
  readonly path: string;
  /** Settles when it is ready: checked, durable, its store built. */
  readonly isReady: Promise<void>;
  /** What it holds, from then on. */
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
  /** Those that are being checked, or are ready. */
  #arrivals: readonly Arrival[] = [];
  #arrivalCount = 0;
  /** Settles when the one before is checked; never rejected. */
  #checked: Promise<void> = Promise.resolve();
  /** Settles when the copy that is being made is there; never rejected. */
  #made: Promise<void> = Promise.resolve();
  #saveCount = 0;
  readonly #removal: Removal;

  /**
   * Snapshots of `tables`, in a folder inside the data folder, which is made if need be. Stores that are
   * built of them have these limits.
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
   * Makes a snapshot of what the tables have after the last batch that was handed over, while later ones
   * follow; from then on {@linkcode read} reads that one and no other.
   *
   * @throws {CorruptionError} when kv.db is damaged.
   * @throws {EnvironmentError} when the disk fails, or the tables are closed or replaced.
   */
  make(): Promise<SnapshotFile> {
    return this.#afterOthers(async () => {
      const { revision: _, ...snapshot } = await this.#copy(this.#paths.outgoing);
      this.#outgoing.offer(snapshot);
      return snapshot;
    });
  }

  /**
   * As {@linkcode make}, for somebody who keeps it elsewhere: whoever asked closes it, and `onClose` is called.
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
    const result = this.#made.then(work);
    this.#made = result.then(() => {}, () => {});
    return result;
  }

  /** Copies the tables to a path where nothing, or an older copy, is. */
  async #copy(sealedPath: string): Promise<SealedSnapshot> {
    try {
      checkSize(this.#tables.path);
      const index = await this.#tables.copy(this.#paths.copy);
      const snapshot = await this.#seal(sealedPath);
      assert(snapshot.index === index, `A snapshot at ${index} says ${snapshot.index}`);
      return snapshot;
    } catch (error) {
      // Half a copy is of no use, and the disk may be full.
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
   * Checks a snapshot that is all there, builds its store, and makes it durable and ready to be installed.
   * Asked again for the same snapshot, it is the same work.
   *
   * @throws {InputError} when the snapshot is not what its name says, or not this cluster's; it is
   * removed.
   * @throws {EnvironmentError} when the disk fails. The node can go on: nothing was promised.
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
    // A snapshot that was refused may come again.
    isReady.catch(() => this.#forget((other) => other === arrival));
    return isReady;
  }

  /** Removes a snapshot that {@linkcode finish} made ready and that nobody wants any more. */
  discard(snapshot: SnapshotFile): void {
    this.#forget((arrival) => isSameSnapshot(arrival.snapshot, snapshot));
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

  /**
   * Takes the store of a snapshot that is ready, and puts its file in the place of kv.db, in the
   * background. What is older will not be asked for.
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
      // Whoever uses the tables hears of it.
      .catch(() => {});
    return store;
  }

  /**
   * Puts a snapshot of this index that an earlier process left ready in the place of kv.db, if there is one.
   *
   * @throws {EnvironmentError} when the disk fails; the node must not start.
   */
  async completeInstallation(index: LogIndex): Promise<void> {
    const ready = this.#paths.listReady().find((found) => found.index === index);
    if (ready === undefined) return;
    const { replaced } = this.#paths;
    // What it forgot, the tables say when they are loaded.
    await this.#tables.install({ index, forgottenIndex: 0, ready: ready.path, replaced });
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
    // The worker has one of them open at a time.
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
      // Whatever it was, the leader sends it again; and the disk may be full.
      await this.#jobs.run("drop", { path }).catch(() => {});
      throw toRefusal(error);
    }
  }

  #becameReady(arrival: Arrival, loaded: LoadedStore): void {
    arrival.loaded = loaded;
    // It was discarded meanwhile.
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

/** What is wrong with the file is its sender's fault; that it cannot be read is this node's. */
function toRefusal(error: unknown): unknown {
  if (!(error instanceof CorruptionError)) return error;
  return new InputError(`Cannot use snapshot: ${error.damage}`, { cause: error });
}
