/**
 * Writes what the store holds to its tables, behind it, so that the log can be cut and a start is short.
 * The simulator runs it as it is.
 *
 * @module
 */

import { BATCH_LIMITS, type Store, type TableBatch, TableWriter } from "../kv/mod.ts";
import type { Input } from "../raft/mod.ts";
import type { LogIndex } from "../types.ts";

/** After so many changes a batch is begun at once; fewer wait, for one transaction is cheaper than two. */
const CHANGES_MIN = BATCH_LIMITS.changesMax;
/** After so many ticks a batch is begun with whatever there is. */
const INTERVAL_TICKS = 200;

/** What a keeper works with. */
interface TableKeeperOptions {
  /** As its tables are: new, or just loaded. */
  readonly store: Store;
  /** Writes a batch in one transaction, and calls `written` once no crash undoes it. */
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
  /** Settled once everything is written; null while nobody waits for that. */
  #flushed: PromiseWithResolvers<void> | null = null;
  /** Those who wait until the tables have everything up to an index. */
  #waiters: readonly Waiter[] = [];
  #ticks = 0;

  /** Nothing is to be written yet. */
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

  /** A snapshot took the place of the store and its tables; what was on its way is part of neither. */
  replace(store: Store): void {
    this.#writer = new TableWriter(store);
    this.#isWriting = false;
    this.#tellWaiters();
  }

  /** Settles once the tables have everything that is applied by now. Rejects when they fail. */
  catchUp(index: LogIndex): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#waiters = [...this.#waiters, { index, done }];
    this.#tellWaiters();
    if (!this.#isWriting) this.#write();
    return done.promise;
  }

  /**
   * Writes everything that is left, so that the next start is short. Nothing is applied any more.
   *
   * @throws what {@linkcode TableKeeper.failed} is told of.
   */
  flush(): Promise<void> {
    this.#flushed = Promise.withResolvers();
    const { promise } = this.#flushed;
    if (!this.#isWriting) this.#write();
    return promise;
  }

  /** The tables failed: nothing more is written. */
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
      // The core forgets entries up to there once its log is long.
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
