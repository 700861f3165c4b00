/**
 * The name of a snapshot, the paths of snapshot files, and the check of a received file.
 *
 * @module
 */

import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { equalBytes } from "../../bytes.ts";
import { EnvironmentError, InputError, messageOf } from "../../errors.ts";
import { type ClusterName, type LogIndex, type NodeId, toLogIndex } from "../../types.ts";
import { Database } from "../database.ts";
import { FORMAT_VERSION } from "../open_database.ts";
import {
  CorruptionError,
  isSqliteError,
  KEY_VALUE_WAY_BACK,
  toStorageError,
} from "../storage_error.ts";
import { TABLE_SCHEMA, TableFile } from "../tables/table_file.ts";
import { META_SCHEMA, readMeta, runAll } from "../wal_file.ts";

/** The name of a snapshot. Two snapshots with the same name have the same bytes. */
export interface SnapshotFile {
  /** Index of the last log entry whose effects it contains. */
  readonly index: LogIndex;
  /** Its length. */
  readonly bytes: number;
  /** SHA-256 over the whole file: 32 bytes. */
  readonly sha256: Uint8Array;
}

/** Most bytes of a snapshot that a node makes or accepts. */
export const SNAPSHOT_BYTES_MAX: number = 16 * 1024 ** 3;

const DIGEST_BYTES = 32;

/** Checks a name from outside. @throws {InputError} when no snapshot can have it. */
export function checkSnapshotFile({ index, bytes, sha256 }: SnapshotFile): void {
  if (!(Number.isSafeInteger(index) && index >= 1)) {
    throw new InputError(`Cannot use snapshot: its index ${index} is not a whole number from 1 on`);
  }
  if (!(Number.isSafeInteger(bytes) && bytes >= 1 && bytes <= SNAPSHOT_BYTES_MAX)) {
    throw new InputError(
      `Cannot use snapshot: its length ${bytes} is not from 1 to ${SNAPSHOT_BYTES_MAX}`,
    );
  }
  if (sha256.length !== DIGEST_BYTES) {
    throw new InputError(
      `Cannot use snapshot: its SHA-256 has ${sha256.length} bytes, not ${DIGEST_BYTES}`,
    );
  }
}

/** Whether two names are the same. */
export function isSameSnapshot(left: SnapshotFile, right: SnapshotFile): boolean {
  return left.index === right.index && left.bytes === right.bytes &&
    equalBytes(left.sha256, right.sha256);
}

/** The names that {@linkcode SnapshotPaths} gives, but those of a snapshot that is arriving. */
const LEFTOVER =
  /^(copy|outgoing|replaced|(checking|saving|removing)-\d+|ready-\d+-\d+)(-wal|-shm|-journal)?$/;

/** The paths of snapshot files in one data folder. They are all in one folder. */
export class SnapshotPaths {
  readonly folder: string;
  /** A copy of kv.db that is being made. */
  readonly copy: string;
  /** The newest snapshot that this node has made. */
  readonly outgoing: string;
  /** The part of a snapshot that has arrived. */
  readonly incoming: string;
  /** The name of the snapshot that is arriving. */
  readonly incomingName: string;
  /** The kv.db that a snapshot has replaced. */
  readonly replaced: string;

  /** The files in the data folder `dataFolder`. */
  constructor(dataFolder: string) {
    this.folder = join(dataFolder, "snapshots");
    this.copy = join(this.folder, "copy");
    this.outgoing = join(this.folder, "outgoing");
    this.incoming = join(this.folder, "incoming");
    this.incomingName = join(this.folder, "incoming.name");
    this.replaced = join(this.folder, "replaced");
  }

  /** The `number`th snapshot of this process that has arrived completely and is being checked. */
  checking(number: number): string {
    return join(this.folder, `checking-${number}`);
  }

  /** The `number`th copy of this process that is being sent to a client that saves it. */
  saving(number: number): string {
    return join(this.folder, `saving-${number}`);
  }

  /** The `number`th file of this process that is being removed. */
  removing(number: number): string {
    return join(this.folder, `removing-${number}`);
  }

  /** The `number`th snapshot of this process, of this index, that is ready to replace kv.db. */
  ready(index: LogIndex, number: number): string {
    return join(this.folder, `ready-${index}-${number}`);
  }

  /** All snapshots that are ready. */
  listReady(): readonly { readonly index: LogIndex; readonly path: string }[] {
    const names = [...Deno.readDirSync(this.folder)].map(({ name }) => name);
    return names.flatMap((name) => {
      const match = /^ready-(\d+)-\d+$/.exec(name);
      return match === null
        ? []
        : [{ index: toLogIndex(Number(match[1])), path: join(this.folder, name) }];
    });
  }

  /**
   * Every file of an earlier process that a start does not need, after it has completed an unfinished
   * installation. Files of other names are not Floe's.
   */
  listLeftovers(): readonly string[] {
    return [...Deno.readDirSync(this.folder)]
      .filter(({ name }) => LEFTOVER.test(name))
      .map(({ name }) => join(this.folder, name));
  }
}

/** Most bytes in a row: a value and a little more. A hostile file must not cause a larger allocation. */
const ROW_BYTES_MAX = 1024 * 1024;

/** Without "readOnly", which would leave files of SQLite. Deno's types do not have `limits` yet. */
const OPTIONS = { timeout: 0, limits: { length: ROW_BYTES_MAX } };

/**
 * Opens a file that no process writes to. Checks that it is a SQLite file with a sound structure, has
 * exactly the tables of kv.db, and belongs to `cluster`. Its rows are checked when they are read.
 *
 * @throws {InputError} when a check fails.
 * @throws {EnvironmentError} when it cannot be read.
 */
export function openSnapshot(path: string, cluster: ClusterName): TableFile {
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
    const wayBack = KEY_VALUE_WAY_BACK;
    return new TableFile(new Database({ path, connection, guard: null, wayBack }));
  } catch (error) {
    if (connection?.isOpen) connection.close();
    throw toKnownError(error, path);
  }
}

/** The last entry of a snapshot, and the store's revision after it. */
type SnapshotPlace = Pick<TableFile, "appliedIndex" | "revision">;

/**
 * Reads and checks a whole snapshot.
 *
 * @throws {InputError} when a check fails.
 * @throws {EnvironmentError} when it cannot be read.
 */
export function checkSnapshot(path: string, cluster: ClusterName): SnapshotPlace {
  const tables = openSnapshot(path, cluster);
  try {
    while (tables.read() !== null);
    const { appliedIndex, revision } = tables;
    return { appliedIndex, revision };
  } catch (error) {
    throw toKnownError(error, path);
  } finally {
    tables.close();
  }
}

/**
 * Makes a checked snapshot this node's own, complete without a write-ahead log. It is durable on return.
 *
 * @throws {EnvironmentError} when the disk fails.
 */
export function adoptSnapshot(
  path: string,
  { cluster, node }: { readonly cluster: ClusterName; readonly node: NodeId },
): void {
  const connection = new DatabaseSync(path, { timeout: 0 });
  try {
    runAll(connection, ["PRAGMA locking_mode = EXCLUSIVE", "PRAGMA synchronous = FULL"]);
    const own = connection.prepare("UPDATE meta SET value = ? WHERE name = ?");
    own.run(cluster, "cluster");
    own.run(node, "node");
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

/** Views and triggers would run statements of the file's author, and an index could be false. */
function checkTables(connection: DatabaseSync): void {
  const own = new DatabaseSync(":memory:");
  try {
    own.exec(`${META_SCHEMA} ${TABLE_SCHEMA}`);
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

/** Checks the whole structure, including indexes: with a false index, a key could be written twice. */
function checkStructure(connection: DatabaseSync): void {
  const found = connection.prepare("PRAGMA integrity_check(1)").get()?.["integrity_check"];
  if (found !== "ok") throw new InputError(`SQLite's check says: ${found}`);
}

/** A fault in the file is the sender's. A file that cannot be read is this node's fault. */
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
