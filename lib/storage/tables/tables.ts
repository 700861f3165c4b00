/**
 * The state machine's tables, as the loop sees them: batches go in, and later it is said that they are
 * durable. The store itself is in the loop's memory; the tables follow it.
 *
 * @module
 */

import { assert } from "../../assert.ts";
import { EnvironmentError, InputError } from "../../errors.ts";
import type { Store, StoreLimits, TableBatch } from "../../kv/mod.ts";
import type { LogIndex } from "../../types.ts";
import { JobQueue } from "../job_queue.ts";
import type { StoreOptions } from "../open_database.ts";
import { CorruptionError, KEY_VALUE_WAY_BACK } from "../storage_error.ts";
import { COPY_BYTES } from "../storage_jobs.ts";
import { encodeBatch } from "./batch_codec.ts";
import { RowLoader } from "./rows.ts";

/** Who hears that the tables cannot go on. */
export interface TablesUser {
  /** The disk failed, or what is on it is damaged: the node must stop. Called once. */
  readonly failed: (error: EnvironmentError) => void;
}

/** A snapshot that is to take the tables' place. */
export interface Installation {
  /** Up to which entry it has everything. */
  readonly index: LogIndex;
  /** Writes up to this index are forgotten in it. */
  readonly forgottenIndex: number;
  /** What takes the tables' place. */
  readonly ready: string;
  /** A second name for what is replaced. */
  readonly replaced: string;
}

/**
 * The tables of one node. A worker alone has them open; here is its near end. Everything happens in the
 * order in which it was asked for, and nothing waits for a disk.
 */
export class Tables {
  /** Path of the file. */
  readonly path: string;
  readonly #jobs: JobQueue;
  #appliedIndex: LogIndex;
  #forgottenIndex = 0;
  #user: TablesUser | null = null;
  #isWriting = false;
  /** How often the tables were replaced. */
  #replacements = 0;
  /** Settles when all that was asked for is done; never rejected. */
  #done: Promise<void> = Promise.resolve();
  #failure: EnvironmentError | null = null;
  #isClosed = false;

  private constructor(path: string, jobs: JobQueue, appliedIndex: LogIndex) {
    this.path = path;
    this.#jobs = jobs;
    this.#appliedIndex = appliedIndex;
  }

  /**
   * Opens the tables at `path` in a worker, or makes them when the folder never had them.
   *
   * @throws {EnvironmentError} when another process uses the folder, or the disk fails.
   * @throws {InputError} when the folder belongs to another cluster or node.
   * @throws {CorruptionError} when something is damaged or missing.
   */
  static async open(path: string, { folder, cluster, node }: StoreOptions): Promise<Tables> {
    const jobs = new JobQueue();
    try {
      return new Tables(path, jobs, await jobs.run("open", { folder, cluster, node }));
    } catch (error) {
      jobs.close();
      throw error;
    }
  }

  /** Index of the last log entry whose effects are durable in the tables; 0 in new ones. */
  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** Who hears of a failure, from now on. */
  use(user: TablesUser): void {
    this.#user = user;
  }

  /**
   * Reads everything, each row against its checksum, into a store of these limits.
   *
   * @throws {CorruptionError} when something is damaged or missing.
   * @throws {EnvironmentError} when the disk fails.
   */
  async load(limits: StoreLimits): Promise<Store> {
    try {
      const { store, forgottenIndex } = await loadStore(this.#jobs, limits);
      this.#forgottenIndex = forgottenIndex;
      return store;
    } catch (cause) {
      if (!(cause instanceof InputError)) throw cause;
      const damage = cause.message;
      throw new CorruptionError({ file: this.path, damage, wayBack: KEY_VALUE_WAY_BACK, cause });
    }
  }

  /**
   * Hands over a batch, one at a time. All that it brings is durable in the log, so the tables are never
   * ahead of it. What the batch shows must stay as it is until `written` is called: then no crash undoes
   * it any more. It is called as an event of its own; never, once a snapshot has taken the tables' place.
   *
   * @throws {EnvironmentError} when the disk has failed; the node must then stop.
   */
  write(batch: TableBatch, written: () => void): void {
    this.#checkUsable();
    assert(!this.#isWriting, "One batch at a time");
    this.#isWriting = true;
    const replacements = this.#replacements;
    this.#after(async () => {
      // Of what a snapshot has replaced, the store is gone, and with it what the batch shows.
      if (replacements !== this.#replacements) return;
      await this.#write(batch);
      if (replacements !== this.#replacements) return;
      this.#isWriting = false;
      this.#appliedIndex = batch.appliedIndex;
      written();
    });
  }

  /**
   * Copies the tables as they are after the last batch that was handed over, while later ones follow.
   *
   * @returns up to which entry the copy has everything.
   * @throws {EnvironmentError} when the disk fails, or the tables are replaced meanwhile.
   */
  async copy(to: string): Promise<LogIndex> {
    this.#checkUsable();
    const replacements = this.#replacements;
    const index = await this.#after(() => this.#jobs.run("hold", null));
    try {
      for (let offset = 0, isMore = true; isMore; offset += COPY_BYTES) {
        if (replacements !== this.#replacements) throw this.#replacedError();
        isMore = await this.#jobs.run("copy", { to, offset });
      }
    } finally {
      if (replacements === this.#replacements) {
        await this.#after(() => this.#jobs.run("release", null));
      }
    }
    if (replacements !== this.#replacements) throw this.#replacedError();
    return index;
  }

  /**
   * Puts a snapshot in the place of the tables, in the background. When the process dies
   * meanwhile they are either of the two; and the snapshot ready as long as they are the old ones.
   */
  install({ index, forgottenIndex, ready, replaced }: Installation): Promise<void> {
    this.#replacements++;
    this.#isWriting = false;
    return this.#after(async () => {
      const appliedIndex = await this.#jobs.run("install", { ready, replaced });
      this.#forgottenIndex = forgottenIndex;
      assert(appliedIndex === index, `The snapshot of ${index} is another one`);
      this.#appliedIndex = appliedIndex;
    });
  }

  /**
   * Closes the tables once all that was asked for is done. Without it nothing is lost; with it the next
   * start is shorter. After a failure the worker is left alone: to end it would make SQLite move its log,
   * of which nobody knows what has reached the disk. It ends with the process.
   */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#done;
    if (this.#failure !== null) return;
    await this.#jobs.run("close", null);
    this.#jobs.close();
  }

  async #write(batch: TableBatch): Promise<void> {
    for (const part of encodeBatch(batch, this.#forgottenIndex)) {
      await this.#jobs.run("write", { part }, [part.buffer]);
    }
    await this.#jobs.run("commit", null);
    this.#forgottenIndex = Math.max(this.#forgottenIndex, batch.forgottenIndex);
  }

  /** Does something after all that was asked for before. */
  #after<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#done.then(() => {
      this.#checkUsable();
      return work();
    });
    this.#done = result.then(() => {}, (error) => this.#fail(error));
    return result;
  }

  #fail(cause: unknown): void {
    if (this.#failure !== null || this.#isClosed) return;
    this.#failure = cause instanceof EnvironmentError
      ? cause
      : new EnvironmentError(`Cannot write in ${this.path}: ${cause}`, { cause });
    this.#user?.failed(this.#failure);
  }

  #checkUsable(): void {
    if (this.#failure === null) return;
    throw new EnvironmentError(
      `Cannot use ${this.path}: it failed before and is not used again until the node is restarted. ` +
        `The first failure: ${this.#failure.message}`,
      { cause: this.#failure },
    );
  }

  #replacedError(): EnvironmentError {
    return new EnvironmentError(`Cannot copy ${this.path}: a snapshot has taken its place`);
  }
}

/** A store as it was read from tables. */
export interface LoadedStore {
  /** With everything that the tables have. */
  readonly store: Store;
  /** Writes up to this index are forgotten. */
  readonly forgottenIndex: number;
}

/**
 * Reads the rows that a worker has open into a store, in slices that do not hold the loop.
 *
 * @throws {InputError} when they do not fit together.
 * @throws {CorruptionError} when one is damaged.
 */
export async function loadStore(jobs: JobQueue, limits: StoreLimits): Promise<LoadedStore> {
  const loader = new RowLoader(limits);
  let next = jobs.run("read", null);
  try {
    for (let rows = await next; rows !== null; rows = await next) {
      // The worker reads these while the loop takes the others.
      next = jobs.run("read", null);
      loader.add(rows);
    }
  } catch (error) {
    next.catch(() => {});
    throw error;
  }
  return { store: loader.finish(), forgottenIndex: loader.state.forgottenIndex };
}
