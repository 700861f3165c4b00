/**
 * The state machine's tables, as the loop sees them: it writes batches, and learns later that they are durable.
 * The store itself is in the loop's memory, and the tables follow it.
 *
 * @module
 */

import { setImmediate } from "node:timers";
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

/** The receiver of failures of the tables. */
export interface TablesUser {
  /** The disk failed, or its data are damaged: the node must stop. Called once. */
  readonly failed: (error: EnvironmentError) => void;
}

/** A snapshot that replaces the tables. */
export interface Installation {
  /** Its applied index. */
  readonly index: LogIndex;
  /** Writes up to this index are forgotten in it. */
  readonly forgottenIndex: number;
  /** The path of the new file. */
  readonly ready: string;
  /** A second path for the replaced file. */
  readonly replaced: string;
}

/**
 * The tables of one node. Only a worker has them open, and this class sends it the work. Everything is done
 * in the order of the calls, and no call waits for the disk.
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
  /** Resolves when all requested work is done. Never rejects. */
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

  /** Sets the receiver of failures. */
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
   * Writes a batch; only one at a time. Everything in it is durable in the log, so the tables are never
   * ahead of the log. Its bytes must not change until `written` is called. From then on no crash undoes the
   * batch. `written` is called as a separate event, and never after a snapshot has replaced the tables.
   *
   * @throws {EnvironmentError} when the disk has failed; the node must then stop.
   */
  write(batch: TableBatch, written: () => void): void {
    this.#checkUsable();
    assert(!this.#isWriting, "One batch at a time");
    this.#isWriting = true;
    const replacements = this.#replacements;
    this.#after(async () => {
      // A snapshot has replaced the tables, so the store of the batch no longer exists.
      if (replacements !== this.#replacements) return;
      await this.#write(batch);
      if (replacements !== this.#replacements) return;
      this.#isWriting = false;
      this.#appliedIndex = batch.appliedIndex;
      written();
    });
  }

  /**
   * Copies the tables after the last written batch, while later batches follow.
   *
   * @returns the applied index of the copy.
   * @throws {EnvironmentError} when the disk fails, or the tables are replaced in the meantime.
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
   * Replaces the tables by a snapshot, in the background. If the process dies in the meantime, the tables
   * are either the old or the new ones. While they are the old ones, the snapshot's file stays ready.
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
   * Closes the tables after all requested work. Without this call nothing is lost, but the next start takes
   * longer. After a failure the worker is not ended: SQLite would then move its log, and it is unknown
   * which part of the log has reached the disk. The worker ends with the process.
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

  /** Does work after all earlier work. */
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

/** A store that was loaded from tables. */
export interface LoadedStore {
  /** The store with everything in the tables. */
  readonly store: Store;
  /** Writes up to this index are forgotten. */
  readonly forgottenIndex: number;
}

/**
 * Reads the rows of the file that a worker has open into a store, in slices that do not block the loop.
 *
 * @throws {InputError} when the rows do not fit together.
 * @throws {CorruptionError} when a row is damaged.
 */
export async function loadStore(jobs: JobQueue, limits: StoreLimits): Promise<LoadedStore> {
  const loader = new RowLoader(limits);
  // The worker reads the next rows while the loop loads these. It may fail before the loop asks for them.
  const readNext = () => {
    const rows = jobs.run("read", null);
    rows.catch(() => {});
    return rows;
  };
  let next = readNext();
  for (let rows = await next; rows !== null; rows = await next) {
    next = readNext();
    await inSlices(loader.add(rows));
  }
  return { store: await inSlices(loader.finish()), forgottenIndex: loader.state.forgottenIndex };
}

/** Does work slice by slice, with a round of the event loop after each. */
async function inSlices<Result>(work: Generator<void, Result>): Promise<Result> {
  for (let slice = work.next();; slice = work.next()) {
    if (slice.done) return slice.value;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
