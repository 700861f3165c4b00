/**
 * An open SQLite database that stops at the first failed write.
 *
 * @module
 */

import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";
import { assert } from "../assert.ts";
import { catching, EnvironmentError, InputError } from "../errors.ts";
import type { Guard } from "./folder.ts";
import { CorruptionError, toStorageError } from "./storage_error.ts";
import { checkpoint } from "./wal_file.ts";

/** One row as SQLite returns it. */
export type Row = Record<string, SQLOutputValue>;

/** The byte string in a column of a row. @throws {InputError} when something else is there. */
export function bytesIn(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (value instanceof Uint8Array) return value;
  throw new InputError(`its ${column} is not a byte string`);
}

/**
 * How many pages of 4 KiB the write-ahead log holds before a commit moves them into the database file.
 * The more, the fewer are written twice; the fewer, the shorter the log's own syncs have to wait for
 * this one's.
 */
export const WAL_PAGES_MAX = 1_000;

/**
 * Connections that failed, kept from being collected as garbage: SQLite would close them, and
 * on closing copy a log of unknown state into the database. They end with the process.
 */
const abandoned = new Set<DatabaseSync>();

/**
 * One connection, alone on its database. All writes stand between {@linkcode Database.begin} and
 * `commit`. After any error of SQLite's the database refuses every further
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
  readonly #walPages: StatementSync;
  #inTransaction = false;
  #isHeld = false;
  #failure: Error | null = null;
  #closed = false;

  /**
   * Takes over an opened and checked connection and its guard: see `open_database.ts`. A file that no other node
   * knows of has no guard.
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
    this.#walPages = connection.prepare("PRAGMA wal_checkpoint(NOOP)");
  }

  /** Whether a transaction was begun and not yet committed. */
  get isInTransaction(): boolean {
    return this.#inTransaction;
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

  /** Begins a transaction. @throws {EnvironmentError} when the disk fails, now and ever after. */
  begin(): void {
    assert(!this.#inTransaction, "A transaction inside a transaction");
    this.#attempt("begin a transaction", () => this.#begin.run());
    this.#inTransaction = true;
  }

  /**
   * Ends the transaction: everything in it is durable. What was not committed when the process ends was
   * never there.
   *
   * @throws {EnvironmentError} when the disk fails, now and at every further use.
   */
  commit(): void {
    assert(this.#inTransaction, "No transaction to commit");
    this.#attempt("commit", () => this.#commit.run());
    this.#inTransaction = false;
    // SQLite would do this by itself, but it does not report when that fails, and tries again at a later
    // commit; an fsync that is tried again can succeed without the data.
    if (!this.#isHeld && this.#countWalPages() >= WAL_PAGES_MAX) this.checkpoint();
  }

  /**
   * Moves the write-ahead log into the database file: everything committed is in that one file then.
   *
   * @throws {EnvironmentError} when the disk fails, now and at every further use.
   */
  checkpoint(): void {
    assert(!this.#inTransaction, "A checkpoint inside a transaction");
    this.#attempt("checkpoint", () => checkpoint(this.#connection));
  }

  /** Moves everything into the database file, and lets nothing change that until {@linkcode release}. */
  hold(): void {
    this.checkpoint();
    this.#isHeld = true;
  }

  /** Lets checkpoints change the file again. */
  release(): void {
    this.#isHeld = false;
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

  /**
   * Moves the write-ahead log into the database file and closes it. After a failure it abandons it, unless no
   * other node knows of the file.
   */
  close(): void {
    if (this.#closed) return;
    if (this.#failure !== null && this.#guard !== null) return this.#abandon(this.#guard);
    this.#closed = true;
    this.#connection.close();
    this.#guard?.release();
  }

  #countWalPages(): number {
    return Number(this.get(this.#walPages)?.["log"] ?? 0);
  }

  #abandon(guard: Guard): void {
    this.#closed = true;
    abandoned.add(this.#connection);
    guard.release();
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
