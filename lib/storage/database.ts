/**
 * An open SQLite database that stops at the first failed write.
 *
 * @module
 */

import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";
import { assert, assertDefined } from "../assert.ts";
import { catching, EnvironmentError, InputError } from "../errors.ts";
import type { Guard } from "./folder.ts";
import { CorruptionError, toStorageError } from "./storage_error.ts";
import { checkpoint, listWalPages } from "./wal_file.ts";

/** One row as SQLite returns it. */
export type Row = Record<string, SQLOutputValue>;

/** The byte string in a column of a row. @throws {InputError} when something else is there. */
export function bytesIn(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (value instanceof Uint8Array) return value;
  throw new InputError(`its ${column} is not a byte string`);
}

/**
 * How many pages of 4 KiB the write-ahead log holds before a commit moves them into the database
 * file. Below this, a commit costs one fsync; at it, two more and the writing of each changed page,
 * while the node stands still: at 2,000 writes a second on a busy machine, a commit in a hundred took
 * 26 ms or more, against 48 ms with four times as many pages. A write cost the same with both.
 */
export const WAL_PAGES_MAX = 500;

/** How many rows {@linkcode Database.iterate} holds in memory at once: 32 MiB with the largest values. */
const ROWS_PER_READ = 64;

/**
 * Connections that failed, kept from being collected as garbage: SQLite would close them, and
 * on closing copy a log of unknown state into the database. They end with the process.
 */
const abandoned = new Set<DatabaseSync>();

/**
 * One connection, alone on its database. All of a store's writes go through
 * {@linkcode Database.transaction}. After any error of SQLite's the database refuses every further
 * use: what a failed fsync has left on disk is unknown, asking again can succeed without the
 * data being there, and only a restart reads what is.
 */
export class Database {
  /** Path of the database file. */
  readonly path: string;
  readonly #connection: DatabaseSync;
  readonly #guard: Guard | null;
  readonly #wayBack: string;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #walPages: StatementSync;
  #inTransaction = false;
  #changedPages: Set<number> | null = null;
  #holdsFile = false;
  #failure: Error | null = null;
  #closed = false;

  /**
   * Takes over an opened and checked connection and its guard: see `open_database.ts`. A file that
   * nobody else knows of has no guard.
   */
  constructor(
    { path, connection, guard, wayBack }: {
      readonly path: string;
      readonly connection: DatabaseSync;
      readonly guard: Guard | null;
      readonly wayBack: string;
    },
  ) {
    this.path = path;
    this.#connection = connection;
    this.#guard = guard;
    this.#wayBack = wayBack;
    this.#begin = connection.prepare("BEGIN IMMEDIATE");
    this.#commit = connection.prepare("COMMIT");
    this.#rollback = connection.prepare("ROLLBACK");
    this.#walPages = connection.prepare("PRAGMA wal_checkpoint(NOOP)");
  }

  /** Whether {@linkcode close} was called. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** Prepares a statement for {@linkcode run}, {@linkcode get} and {@linkcode all}. */
  prepare(sql: string): StatementSync {
    return this.#attempt("prepare a statement", () => this.#connection.prepare(sql));
  }

  /** Runs a statement that writes. @throws {EnvironmentError} when it fails, now and ever after. */
  run(statement: StatementSync, ...values: readonly SQLInputValue[]): void {
    assert(this.#inTransaction, "A write outside a transaction");
    this.#attempt("write", () => statement.run(...values));
  }

  /** The first row that a statement finds. @throws {EnvironmentError} when it cannot be read. */
  get(statement: StatementSync, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.#attempt("read", () => statement.get(...values));
  }

  /** All rows that a statement finds. @throws {EnvironmentError} when they cannot be read. */
  all(statement: StatementSync, ...values: readonly SQLInputValue[]): readonly Row[] {
    return this.#attempt("read", () => statement.all(...values));
  }

  /**
   * All rows that a statement finds, a few at a time. The statement has two parameters: it finds rows
   * whose `column` is above the first one, in that order, and as many of them as the second one says.
   *
   * (Statements have an iterator of their own. In Deno 2.9.6 it ends at an error as it does at the
   * last row, so what a damaged page holds would be missing without a word.)
   *
   * @throws {EnvironmentError} when they cannot be read.
   */
  *iterate(
    statement: StatementSync,
    { column, above }: { readonly column: string; readonly above: SQLInputValue },
  ): Iterable<Row> {
    for (let last: SQLInputValue | undefined = above; last !== undefined;) {
      const rows = this.all(statement, last, ROWS_PER_READ);
      yield* rows;
      last = rows.length < ROWS_PER_READ ? undefined : rows.at(-1)?.[column];
    }
  }

  /**
   * Runs `work` in one transaction: all of its writes, or none. On return it is committed, and
   * survives the death of the process.
   *
   * @throws whatever `work` throws, after undoing it.
   * @throws {EnvironmentError} when the disk fails, now and at every further use.
   */
  transaction<Result>(work: () => Result): Result {
    assert(!this.#inTransaction, "A transaction inside a transaction");
    this.#attempt("begin a transaction", () => this.#begin.run());
    this.#inTransaction = true;
    let result: Result;
    try {
      result = work();
    } catch (error) {
      this.#rollBack();
      throw error;
    } finally {
      this.#inTransaction = false;
    }
    this.#attempt("commit", () => this.#commit.run());
    this.#checkpointWhenFull();
    return result;
  }

  /**
   * Moves the write-ahead log into the database file: everything committed so far is durable then,
   * whatever `synchronous` says, and in that one file.
   *
   * @returns false when the file is being held as it is: see {@linkcode holdFile}.
   * @throws {EnvironmentError} when the disk fails, now and at every further use.
   */
  checkpoint(): boolean {
    assert(!this.#inTransaction, "A checkpoint inside a transaction");
    if (this.#holdsFile) return false;
    this.#attempt("checkpoint", () => checkpoint(this.#connection, () => this.#noteChanges()));
    return true;
  }

  /**
   * Begins a copy of the database file, which only checkpoints change: from now on they note which
   * pages they write, so that these can be copied again. One copy at a time.
   */
  beginCopy(): void {
    assert(this.#changedPages === null, `${this.path} is being copied already`);
    this.checkpoint();
    this.#changedPages = new Set();
  }

  /** Makes a checkpoint and hands over the pages that changed since the copy began or this was asked. */
  takeChangedPages(): ReadonlySet<number> {
    this.checkpoint();
    const changed = assertDefined(this.#changedPages, `${this.path} is not being copied`);
    this.#changedPages = new Set();
    return changed;
  }

  /** Lets no checkpoint change the file until {@linkcode endCopy}, while its log grows. */
  holdFile(): void {
    this.#holdsFile = true;
  }

  /** Ends a copy, complete or not. */
  endCopy(): void {
    this.#changedPages = null;
    this.#holdsFile = false;
  }

  /** The error for damage that was found in this database. */
  corruption(damage: string, cause?: unknown): CorruptionError {
    return new CorruptionError({ file: this.path, damage, wayBack: this.#wayBack, cause });
  }

  /**
   * Reads what a row says, by `read`, which throws an {@linkcode InputError} where it cannot; `what`
   * names the row for the operator.
   *
   * @throws {CorruptionError} when the row is damaged.
   */
  readRow<Result>(what: () => string, read: () => Result): Result {
    return catching(InputError, read, (cause) => {
      throw this.corruption(`${what()} is damaged: ${cause.message}`, cause);
    });
  }

  /** Moves the write-ahead log into the database file and closes it; after a failure, abandons it. */
  close(): void {
    if (this.#closed) return;
    if (this.#failure !== null) return this.#abandon();
    this.#closed = true;
    this.#connection.close();
    this.#guard?.release();
  }

  /**
   * SQLite would do this by itself, but it does not report when that fails, and tries again at a
   * later commit; an fsync that is tried again can succeed without the data.
   */
  #checkpointWhenFull(): void {
    if (this.#countWalPages() >= WAL_PAGES_MAX) this.checkpoint();
  }

  #countWalPages(): number {
    return Number(this.get(this.#walPages)?.["log"] ?? 0);
  }

  #noteChanges(): void {
    if (this.#changedPages === null) return;
    for (const page of listWalPages(`${this.path}-wal`, this.#countWalPages())) {
      this.#changedPages.add(page);
    }
  }

  #abandon(): void {
    this.#closed = true;
    abandoned.add(this.#connection);
    this.#guard?.release();
  }

  #rollBack(): void {
    // After a failure SQLite has mostly rolled back by itself, and nothing is used any more.
    if (this.#failure === null) this.#attempt("roll back", () => this.#rollback.run());
  }

  #attempt<Result>(what: string, action: () => Result): Result {
    assert(!this.#closed, `Cannot ${what}: ${this.path} is closed`);
    if (this.#failure !== null) {
      throw new EnvironmentError(
        `Cannot ${what} in ${this.path}: it failed before and is not used again until the node ` +
          `is restarted. The first failure: ${this.#failure.message}`,
        { cause: this.#failure },
      );
    }
    try {
      return action();
    } catch (cause) {
      this.#failure = toStorageError(cause, { path: this.path, what, wayBack: this.#wayBack });
      throw this.#failure;
    }
  }
}
