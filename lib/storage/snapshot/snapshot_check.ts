/**
 * Whether a file is a snapshot of a cluster's key-value data, and making it a node's own.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { EnvironmentError, InputError, messageOf } from "../../errors.ts";
import type { ClusterName, LogIndex, NodeId } from "../../types.ts";
import { META_SCHEMA, readMeta, runAll } from "../checkpoint.ts";
import { CorruptionError, KEY_VALUE_WAY_BACK } from "../corruption_error.ts";
import { Database } from "../database.ts";
import { SqliteKeyValueStore } from "../key_value_store.ts";
import { KEY_VALUE_SCHEMA } from "../key_value_tables.ts";
import { FORMAT_VERSION } from "../open_database.ts";
import { checkRows } from "../row_check.ts";
import { isSqliteError, toStorageError } from "../sqlite_error.ts";

/** A row holds a value and little else; a hostile file must not make this node read a larger one. */
const ROW_BYTES_MAX = 1024 * 1024;

/** Not "readOnly", which leaves files of SQLite's behind. Deno's types do not know of `limits` yet. */
const OPTIONS = { timeout: 0, limits: { length: ROW_BYTES_MAX } };

/**
 * Reads all of a file that nobody writes to: whether it is SQLite's, has kv.db's tables and nothing
 * else, belongs to `cluster`, and has no row that differs from its SHA-256.
 *
 * @returns its applied index.
 * @throws {InputError} when it is not what it should be.
 * @throws {EnvironmentError} when it cannot be read.
 */
export function checkSnapshot(path: string, cluster: ClusterName): LogIndex {
  let connection: DatabaseSync | null = null;
  try {
    connection = new DatabaseSync(path, OPTIONS);
    runAll(connection, [
      "PRAGMA locking_mode = EXCLUSIVE",
      "PRAGMA query_only = ON",
      "PRAGMA trusted_schema = OFF",
      "PRAGMA cell_size_check = ON",
    ]);
    checkTables(connection);
    checkMeta(connection, cluster);
    checkStructure(connection);
    return checkContent(connection, path);
  } catch (error) {
    throw toKnownError(error, path);
  } finally {
    if (connection?.isOpen) connection.close();
  }
}

/**
 * Makes a checked snapshot the given node's own, and whole without a write-ahead log; durable on
 * return.
 *
 * @throws {EnvironmentError} when the disk fails.
 */
export function adoptSnapshot(path: string, node: NodeId): void {
  const connection = new DatabaseSync(path, { timeout: 0 });
  try {
    runAll(connection, ["PRAGMA locking_mode = EXCLUSIVE", "PRAGMA synchronous = FULL"]);
    connection.prepare("UPDATE meta SET value = ? WHERE name = 'node'").run(node);
    runAll(connection, ["UPDATE meta SET value = 'yes' WHERE name = 'whole'"]);
  } catch (cause) {
    throw new EnvironmentError(`Cannot change the snapshot ${path}: ${messageOf(cause)}`, {
      cause,
    });
  } finally {
    connection.close();
  }
  using file = Deno.openSync(path, { write: true });
  file.syncSync();
}

/** Views and triggers would run what the file's author wrote; an index could lie. */
function checkTables(connection: DatabaseSync): void {
  const own = new DatabaseSync(":memory:");
  try {
    own.exec(`${META_SCHEMA} ${KEY_VALUE_SCHEMA}`);
    if (listTables(own) === listTables(connection)) return;
  } finally {
    own.close();
  }
  throw new InputError("it has other tables than kv.db");
}

function listTables(connection: DatabaseSync): string {
  const query = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";
  return JSON.stringify(connection.prepare(query).all());
}

function checkMeta(connection: DatabaseSync, cluster: ClusterName): void {
  const format = readMeta(connection, "format");
  if (format !== FORMAT_VERSION) {
    throw new InputError(
      `its format is ${format}, and this version of Floe knows ${FORMAT_VERSION}`,
    );
  }
  const owner = readMeta(connection, "cluster");
  if (owner !== cluster) throw new InputError(`it belongs to cluster ${owner}, not to ${cluster}`);
}

/** All of it, indexes included: one that lies would hide a remembered write from its retry. */
function checkStructure(connection: DatabaseSync): void {
  const found = connection.prepare("PRAGMA integrity_check(1)").get()?.["integrity_check"];
  if (found !== "ok") throw new InputError(`SQLite's check says: ${found}`);
}

/** Reads all rows, as the store itself reads them. */
function checkContent(connection: DatabaseSync, path: string): LogIndex {
  const wayBack = KEY_VALUE_WAY_BACK;
  const store = new SqliteKeyValueStore(() =>
    new Database({ path, connection, guard: null, wayBack })
  );
  checkRows(store);
  return store.appliedIndex;
}

/** What is wrong with the file is its sender's fault; that it cannot be read is this node's. */
function toKnownError(error: unknown, path: string): unknown {
  const what = "read a snapshot";
  const known = isSqliteError(error)
    ? toStorageError(error, { path, what, wayBack: KEY_VALUE_WAY_BACK })
    : error;
  if (known instanceof CorruptionError) return inputError(known.damage, error);
  if (known instanceof InputError) return inputError(known.message, error);
  if (!(known instanceof EnvironmentError)) return known;
  return new EnvironmentError(`Cannot ${what} at ${path}: ${messageOf(known.cause)}`, {
    cause: error,
  });
}

function inputError(reason: string, cause: unknown): InputError {
  return new InputError(`Cannot use snapshot: ${reason}`, { cause });
}
