/**
 * Opening a database so that nothing that was ever durable can be missing unnoticed.
 *
 * @module
 */

import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { EnvironmentError, InputError } from "../errors.ts";
import type { ClusterName, NodeId } from "../types.ts";
import { Database } from "./database.ts";
import { fileError, Guard } from "./folder.ts";
import {
  CorruptionError,
  isSqliteError,
  OTHER_FORMAT_WAY_ON,
  toStorageError,
} from "./storage_error.ts";
import { checkpoint, isWalUsable, isWhole, META_SCHEMA, readMeta, runAll } from "./wal_file.ts";

/** Whose data, and where. */
export interface StoreOptions {
  /** The node's data folder; it must exist. */
  readonly folder: string;
  /** The cluster that the node belongs to. */
  readonly cluster: ClusterName;
  /** Whose data it is: a folder of another node is refused. */
  readonly node: NodeId;
}

/** What is particular to a database. */
interface DatabaseOptions extends StoreOptions {
  /** Its file's name in the folder. */
  readonly file: string;
  /** SQL that makes its tables and their first rows. */
  readonly schema: string;
  /** Whether its structure was checked already, so that opening it takes but milliseconds. */
  readonly isChecked: boolean;
  /** What the operator is to do when the database is damaged. */
  readonly wayBack: string;
}

/** The layout of the database; `meta` says it. */
export const FORMAT_VERSION = "6";

const FILE_HEAD = "SQLite format 3\0";

/** Up to this size SQLite checks structure and indexes at start: at most 6 ms for each MiB. */
const INDEX_CHECK_BYTES_MAX = 64 * 1024 * 1024;

/** Up to this size SQLite checks the structure alone at start: about 1 ms for each MiB. */
const STRUCTURE_CHECK_BYTES_MAX = 512 * 1024 * 1024;

/**
 * Opens a database, or makes it when this folder never had it, and checks it: the files on their
 * own, whose it is, and its structure. On return the file alone no longer passes for the whole.
 *
 * @throws {EnvironmentError} when another process uses it, or the disk fails.
 * @throws {InputError} when it belongs to another cluster or node.
 * @throws {CorruptionError} when something is damaged or missing.
 */
export function openDatabase(options: DatabaseOptions): Database {
  const path = join(options.folder, options.file);
  const guard = Guard.take(`${path}.guard`);
  let connection: DatabaseSync | null = null;
  try {
    checkFiles(options, { path, wasMade: guard.databaseWasMade });
    // Before SQLite opens it, and makes one.
    const hasWal = isWalUsable(`${path}-wal`);
    connection = new DatabaseSync(path, { timeout: 0 });
    prepareDatabase(options, { path, connection, guard, hasWal });
    return new Database({ path, connection, guard, wayBack: options.wayBack });
  } catch (error) {
    connection?.close();
    guard.release();
    throw toKnownError(error, options, path);
  }
}

/** What can be told before SQLite opens the files; SQLite itself would make an absent one anew. */
function checkFiles(
  options: DatabaseOptions,
  { path, wasMade }: { readonly path: string; readonly wasMade: boolean },
): void {
  const head = readHead(path);
  if (head === null && wasMade) throw corruption(options, path, "the file is missing");
  // Empty and never marked as made: the node stopped in the first moment of its life.
  const isUnfinished = head === "" && !wasMade;
  if (head !== null && head !== FILE_HEAD && !isUnfinished) {
    throw corruption(options, path, "it does not begin as a SQLite database does");
  }
}

function prepareDatabase(
  options: DatabaseOptions,
  { path, connection, guard, hasWal }: {
    readonly path: string;
    readonly connection: DatabaseSync;
    readonly guard: Guard;
    readonly hasWal: boolean;
  },
): void {
  configure(connection);
  if (isEmpty(connection)) {
    if (guard.databaseWasMade) throw corruption(options, path, "its tables are missing");
    createTables(options, connection);
  } else {
    checkOwner(options, connection, path);
    checkWalIsThere(options, { path, connection, hasWal });
    if (!options.isChecked) checkStructure(options, connection, path);
    // A log that was found is emptied, so that nothing of a transaction that was cut short stays
    // behind the end of what follows.
    runAll(connection, ["PRAGMA wal_checkpoint(PASSIVE)"]);
  }
  checkpoint(connection);
  if (!guard.databaseWasMade) {
    guard.markDatabaseMade(
      `${options.file} was made for node ${options.node} of cluster ${options.cluster}. While ` +
        `this file is here, Floe will not take its absence for a new node.\n`,
    );
  }
}

/** Takes the database for this process alone; `Database` sees to checkpoints itself. */
function configure(connection: DatabaseSync): void {
  runAll(connection, [
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = WAL",
    // What a commit has written, the log may forget.
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 0",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
  ]);
}

function isEmpty(connection: DatabaseSync): boolean {
  return connection.prepare("SELECT 1 FROM sqlite_schema LIMIT 1").get() === undefined;
}

function createTables(options: DatabaseOptions, connection: DatabaseSync): void {
  connection.exec(`BEGIN IMMEDIATE; ${META_SCHEMA} ${options.schema}`);
  const insert = connection.prepare("INSERT INTO meta (name, value) VALUES (?, ?)");
  insert.run("format", FORMAT_VERSION);
  insert.run("cluster", options.cluster);
  insert.run("node", options.node);
  runAll(connection, ["COMMIT"]);
}

function checkOwner(options: DatabaseOptions, connection: DatabaseSync, path: string): void {
  const [format, cluster, node] = ["format", "cluster", "node"].map((name) =>
    readMeta(connection, name)
  );
  if (!format || !cluster || !node) throw corruption(options, path, "it does not say whose it is");
  if (format !== FORMAT_VERSION) {
    throw new EnvironmentError(
      `Cannot use ${path}: its format is ${format}, and this version of Floe knows only ` +
        `${FORMAT_VERSION}. ${OTHER_FORMAT_WAY_ON}`,
    );
  }
  if (cluster === options.cluster && node === options.node) return;
  throw new InputError(
    `Cannot use data folder ${options.folder}: it belongs to node ${node} of cluster ${cluster}, ` +
      `not to node ${options.node} of cluster ${options.cluster}. Name this node's own folder.`,
  );
}

function checkWalIsThere(
  options: DatabaseOptions,
  { path, connection, hasWal }: {
    readonly path: string;
    readonly connection: DatabaseSync;
    readonly hasWal: boolean;
  },
): void {
  if (hasWal || isWhole(connection)) return;
  throw corruption(
    options,
    `${path}-wal`,
    "it is missing or its head is damaged, and the latest writes were in it",
  );
}

/** A start must not take longer the more a node holds; what is skipped, `mod.ts` says. */
function checkStructure(options: DatabaseOptions, connection: DatabaseSync, path: string): void {
  const { size } = Deno.statSync(path);
  if (size > STRUCTURE_CHECK_BYTES_MAX) return;
  const check = size > INDEX_CHECK_BYTES_MAX ? "quick_check" : "integrity_check";
  const found = connection.prepare(`PRAGMA ${check}(1)`).get()?.[check];
  if (found !== "ok") throw corruption(options, path, `SQLite's check says: ${found}`);
}

/** The first bytes of a file as text, fewer when the file is shorter; null when it is missing. */
function readHead(path: string): string | null {
  if (!exists(path)) return null;
  try {
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(FILE_HEAD.length);
    const length = file.readSync(bytes) ?? 0;
    return String.fromCharCode(...bytes.subarray(0, length));
  } catch (cause) {
    throw fileError(`read ${path}`, { path, cause, whatToDo: "Check its permissions." });
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return false;
    throw fileError(`read ${path}`, { path, cause, whatToDo: "Check its permissions." });
  }
}

function corruption(options: DatabaseOptions, file: string, damage: string): CorruptionError {
  return new CorruptionError({ file, damage, wayBack: options.wayBack });
}

function toKnownError(error: unknown, options: DatabaseOptions, path: string): unknown {
  if (!isSqliteError(error)) return error;
  return toStorageError(error, { path, what: "open the database", wayBack: options.wayBack });
}
