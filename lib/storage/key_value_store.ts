/**
 * The state machine's data on SQLite.
 *
 * @module
 */

import type { StatementSync } from "node:sqlite";
import { assert } from "../assert.ts";
import { decodeUtf8, encodeHex, encodeUtf8 } from "../bytes.ts";
import { InputError } from "../errors.ts";
import type { KeyValue } from "../kv/command.ts";
import type { KeyValueStore } from "../kv/store.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import { KEY_VALUE_WAY_BACK } from "./corruption_error.ts";
import type { Database, Row } from "./database.ts";
import { openDatabase, type StoreOptions } from "./open_database.ts";
import { REMEMBERED_SCHEMA, RememberedTable } from "./remembered_table.ts";
import { checkDigest, digestAppliedIndex, digestKeyValue } from "./row_digest.ts";

/** The database of a {@linkcode SqliteKeyValueStore} in the data folder. */
export const KEY_VALUE_FILE = "kv.db";

/**
 * Keys are byte strings: SQLite then orders them as everything else does, by their UTF-8, and a
 * key that contains U+0000 is not cut off there.
 */
const SCHEMA = `
  CREATE TABLE applied (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    applied_index INTEGER NOT NULL,
    sha256 BLOB NOT NULL
  ) STRICT;
  INSERT INTO applied VALUES (1, 0, x'${encodeHex(digestAppliedIndex(toLogIndex(0)))}');
  CREATE TABLE kv (
    key BLOB PRIMARY KEY,
    value BLOB NOT NULL,
    create_revision INTEGER NOT NULL,
    mod_revision INTEGER NOT NULL,
    version INTEGER NOT NULL,
    sha256 BLOB NOT NULL
  ) STRICT;
  ${REMEMBERED_SCHEMA}
`;

/** The prepared statements. */
interface Statements {
  readonly get: StatementSync;
  readonly put: StatementSync;
  readonly delete: StatementSync;
  readonly rows: StatementSync;
  readonly writeApplied: StatementSync;
}

/**
 * Opens the key-value data of one node, or makes it when its folder never had it.
 *
 * @throws {EnvironmentError} when another process uses the folder, or the disk fails.
 * @throws {InputError} when the folder belongs to another cluster or node.
 * @throws {CorruptionError} when something is damaged or missing.
 */
export function openKeyValueStore(options: StoreOptions): SqliteKeyValueStore {
  const database = openDatabase({
    ...options,
    file: KEY_VALUE_FILE,
    schema: SCHEMA,
    // The log replays what a power failure undoes, so a write here need not wait for the disk.
    synchronous: "NORMAL",
    companion: null,
    wayBack: KEY_VALUE_WAY_BACK,
  });
  try {
    return new SqliteKeyValueStore(database);
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * A {@linkcode KeyValueStore} in `kv.db`. Each row carries a SHA-256 that is checked whenever the
 * row is read, so a damaged value is never served.
 */
export class SqliteKeyValueStore implements KeyValueStore {
  /** The writes that are remembered for their retries. */
  readonly remembered: RememberedTable;
  readonly #database: Database;
  readonly #statements: Statements;
  #appliedIndex: LogIndex;

  /** Takes over an opened database; see {@linkcode openKeyValueStore}. */
  constructor(database: Database) {
    this.#database = database;
    this.#statements = prepareStatements(database);
    this.remembered = new RememberedTable(database);
    this.#appliedIndex = readAppliedIndex(database);
  }

  /** Path of the database file. */
  get path(): string {
    return this.#database.path;
  }

  /** Index of the last log entry whose effects are in the store; 0 in a new one. */
  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /**
   * The key's current value, or null. Inside a transaction it sees that transaction's writes.
   *
   * @throws {CorruptionError} when its row is damaged.
   */
  get(key: string): KeyValue | null {
    const row = this.#database.get(this.#statements.get, encodeUtf8(key));
    return row === undefined ? null : toKeyValue(this.#database, row);
  }

  /** Sets a key. @throws {InvariantError} outside a transaction. */
  put(row: KeyValue): void {
    const { value, createRevision, modRevision, version } = row;
    const key = encodeUtf8(row.key);
    const digest = digestKeyValue(row, key);
    this.#database.run(
      this.#statements.put,
      key,
      value,
      createRevision,
      modRevision,
      version,
      digest,
    );
  }

  /** Removes a key. @throws {InvariantError} outside a transaction. */
  delete(key: string): void {
    this.#database.run(this.#statements.delete, encodeUtf8(key));
  }

  /**
   * Every key with its value, in the order of the keys' UTF-8 bytes.
   *
   * @throws {CorruptionError} at the first damaged row.
   */
  *rows(): Iterable<KeyValue> {
    for (const row of this.#database.iterate(this.#statements.rows)) {
      yield toKeyValue(this.#database, row);
    }
  }

  /**
   * Runs `work` and moves the applied index to `appliedIndex`, both or neither. Survives the death
   * of the process at once, and a power failure from the next checkpoint on.
   *
   * @throws whatever `work` throws, after undoing it.
   * @throws {EnvironmentError} when the disk fails; the store is then unusable for good.
   */
  transaction<Result>(appliedIndex: LogIndex, work: () => Result): Result {
    assert(appliedIndex >= this.#appliedIndex, "The applied index would go backward");
    const result = this.#database.transaction(() => {
      const result = work();
      const digest = digestAppliedIndex(appliedIndex);
      this.#database.run(this.#statements.writeApplied, appliedIndex, digest);
      return result;
    });
    this.#appliedIndex = appliedIndex;
    return result;
  }

  /**
   * Makes everything applied so far durable: no power failure undoes it any more, so the log need
   * not be kept for it. Blocks for as long as any full write-ahead log does: 20 ms were measured.
   *
   * @returns the applied index that is durable.
   * @throws {EnvironmentError} when the disk fails; the store is then unusable for good.
   */
  checkpoint(): LogIndex {
    this.#database.checkpoint();
    return this.#appliedIndex;
  }

  /** Closes the store. Without it nothing is lost; with it the next start is shorter. */
  close(): void {
    this.#database.close();
  }
}

function prepareStatements(database: Database): Statements {
  return {
    get: database.prepare("SELECT * FROM kv WHERE key = ?"),
    put: database.prepare(
      "INSERT INTO kv (key, value, create_revision, mod_revision, version, sha256) " +
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, " +
        "create_revision = excluded.create_revision, mod_revision = excluded.mod_revision, " +
        "version = excluded.version, sha256 = excluded.sha256",
    ),
    delete: database.prepare("DELETE FROM kv WHERE key = ?"),
    rows: database.prepare("SELECT * FROM kv ORDER BY key"),
    writeApplied: database.prepare(
      "UPDATE applied SET applied_index = ?, sha256 = ? WHERE id = 1",
    ),
  };
}

function readAppliedIndex(database: Database): LogIndex {
  const row = database.get(database.prepare("SELECT * FROM applied WHERE id = 1"));
  if (row === undefined) throw database.corruption("its applied index is missing");
  try {
    const appliedIndex = toLogIndex(row["applied_index"]);
    checkDigest(row, digestAppliedIndex(appliedIndex));
    return appliedIndex;
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw database.corruption(`its applied index is damaged: ${cause.message}`, cause);
  }
}

function toKeyValue(database: Database, row: Row): KeyValue {
  const { key, value } = row;
  try {
    if (!(key instanceof Uint8Array)) throw new InputError("its key is not a byte string");
    if (!(value instanceof Uint8Array)) throw new InputError("its value is not a byte string");
    const keyValue: KeyValue = {
      key: decodeUtf8(key),
      value,
      createRevision: toLogIndex(row["create_revision"]),
      modRevision: toLogIndex(row["mod_revision"]),
      version: toLogIndex(row["version"]),
    };
    checkDigest(row, digestKeyValue(keyValue, key));
    return keyValue;
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw database.corruption(`the row of ${describeKey(key)} is damaged: ${cause.message}`, cause);
  }
}

const SHOWN_KEY_LENGTH_MAX = 80;

function describeKey(key: unknown): string {
  if (!(key instanceof Uint8Array)) return "a key";
  return `key ${JSON.stringify(new TextDecoder().decode(key)).slice(0, SHOWN_KEY_LENGTH_MAX)}`;
}
