/**
 * Writes the store's contents to its tables, in the background, so that the log can be cut and a start is
 * short. The simulator runs this same code.
 *
 * @module
 */

import { BATCH_LIMITS, type Store, type TableBatch, TableWriter } from "../kv/mod.ts";
import type { Input } from "../raft/mod.ts";
import type { LogIndex } from "../types.ts";

/** With so many changes a batch begins at once. Fewer wait, because one transaction is cheaper than two. */
const CHANGES_MIN = BATCH_LIMITS.changesMax;
/** After so many ticks a batch begins with the changes that there are. */
const INTERVAL_TICKS = 200;

/** The parts of the node that a keeper uses. */
interface TableKeeperOptions {
  /** The store as the tables have it: new, or just loaded. */
  readonly store: Store;
  /** Writes a batch in one transaction, and calls `written` once it is durable. */
  readonly write: (batch: TableBatch, written: () => void) => void;
  /** Hands an input to the core. */
  readonly submit: (input: Input) => void;
}

interface Waiter {
  readonly index: number;
  readonly done: PromiseWithResolvers<void>;
}

/** See the module. One batch at a time. */
export class TableKeeper {
  readonly #options: TableKeeperOptions;
  #writer: TableWriter;
  #isWriting = false;
  /** Settled once everything is written; null while no caller waits for that. */
  #flushed: PromiseWithResolvers<void> | null = null;
  /** The callers that wait until the tables have everything up to an index. */
  #waiters: readonly Waiter[] = [];
  #ticks = 0;

  /** Begins with nothing to write. */
  constructor(options: TableKeeperOptions) {
    this.#options = options;
    this.#writer = new TableWriter(options.store);
  }

  /** How many changes wait. */
  get waiting(): number {
    return this.#writer.waiting;
  }

  /** Entries were applied. */
  applied(): void {
    if (!this.#isWriting && this.#writer.waiting >= CHANGES_MIN) this.#write();
  }

  /** Counts a tick. */
  tick(): void {
    if (++this.#ticks >= INTERVAL_TICKS && !this.#isWriting) this.#write();
  }

  /** A snapshot has replaced the store and its tables; a batch that is being written belongs to neither. */
  replace(store: Store): void {
    this.#writer = new TableWriter(store);
    this.#isWriting = false;
    this.#tellWaiters();
  }

  /** Resolves once the tables have everything applied so far. Rejects when they fail. */
  catchUp(index: LogIndex): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#waiters = [...this.#waiters, { index, done }];
    this.#tellWaiters();
    if (!this.#isWriting) this.#write();
    return done.promise;
  }

  /**
   * Writes everything that is left, so that the next start is short. The node applies nothing any more.
   *
   * @throws the error given to {@linkcode TableKeeper.failed}.
   */
  flush(): Promise<void> {
    this.#flushed = Promise.withResolvers();
    const { promise } = this.#flushed;
    if (!this.#isWriting) this.#write();
    return promise;
  }

  /** The tables have failed: writes nothing more. */
  failed(error: unknown): void {
    this.#flushed?.reject(error);
    for (const { done } of this.#waiters) done.reject(error);
    this.#waiters = [];
  }

  #write(): void {
    this.#ticks = 0;
    const writer = this.#writer;
    const batch = writer.next();
    if (batch === null) return this.#flushed?.resolve();
    this.#isWriting = true;
    this.#options.write(batch, () => {
      if (writer !== this.#writer) return;
      writer.confirm();
      this.#isWriting = false;
      // The core can forget entries up to this index once its log is long.
      this.#options.submit({ kind: "checkpointed", index: writer.writtenIndex });
      this.#tellWaiters();
      if (this.#flushed === null && this.#waiters.length === 0) this.applied();
      else this.#write();
    });
  }

  #tellWaiters(): void {
    const { writtenIndex } = this.#writer;
    for (const { index, done } of this.#waiters) if (index <= writtenIndex) done.resolve();
    this.#waiters = this.#waiters.filter(({ index }) => index > writtenIndex);
  }
}
