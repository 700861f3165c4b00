/**
 * `kv.db`: the state machine's tables in SQLite. It is synchronous, and a worker runs it.
 *
 * @module
 */

import type { StatementSync } from "node:sqlite";
import { assert, assertDefined } from "../../assert.ts";
import { encodeHex } from "../../bytes.ts";
import type { LogIndex } from "../../types.ts";
import { bytesIn, type Database, type Row } from "../database.ts";
import { openDatabase, type StoreOptions } from "../open_database.ts";
import { KEY_VALUE_WAY_BACK } from "../storage_error.ts";
import { decodePart, encodeFirstState, type RowChange, RowWriter } from "./batch_codec.ts";
import { decodeState, type TableName, TABLES, type TableState } from "./rows.ts";

/** The file in the data folder. */
export const KEY_VALUE_FILE = "kv.db";

/**
 * Makes the tables, all alike. They have row ids: measured with values of 256 bytes, `WITHOUT ROWID`
 * doubled the time of a put. Keys are byte strings, because Deno cuts SQLite text at U+0000.
 */
export const TABLE_SCHEMA: string =
  TABLES.map((table) => `CREATE TABLE ${table} (key BLOB PRIMARY KEY, row BLOB NOT NULL) STRICT;`)
    .join("\n") + insertFirstState();

function insertFirstState(): string {
  const { key, row } = encodeFirstState();
  return `INSERT INTO state VALUES (x'${encodeHex(key)}', x'${encodeHex(row)}');`;
}

/** How many rows are read by one statement: 32 MiB with the largest values. */
const ROWS_PER_READ = 64;

/** Rows are returned in chunks of about this many bytes. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Opens the tables of one node, or makes them when its folder never had them. `isChecked` says that the
 * structure of the file need not be checked.
 *
 * @throws {EnvironmentError} when another process uses the folder, or the disk fails.
 * @throws {InputError} when the folder belongs to another cluster or node.
 * @throws {CorruptionError} when something is damaged or missing.
 */
export function openTableFile(
  options: StoreOptions,
  { isChecked }: { readonly isChecked: boolean } = { isChecked: false },
): TableFile {
  const database = openDatabase({
    ...options,
    file: KEY_VALUE_FILE,
    schema: TABLE_SCHEMA,
    isChecked,
    wayBack: KEY_VALUE_WAY_BACK,
  });
  try {
    return new TableFile(database);
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The prepared statements of one table. */
interface TableStatements {
  readonly put: StatementSync;
  readonly remove: StatementSync;
  readonly removeBelow: StatementSync;
  /** Reads the rows with row ids above the first parameter, in order, at most as many as the second one. */
  readonly read: StatementSync;
  /** How many rows its index has. */
  readonly count: StatementSync;
}

/** The place of a reader of all rows. */
interface Place {
  /** Position in {@linkcode TABLES}. */
  table: number;
  rowId: number;
  /** How many rows of the table were read. */
  count: number;
}

/** The open file with the tables. */
export class TableFile {
  readonly #database: Database;
  readonly #statements: ReadonlyMap<TableName, TableStatements>;
  #appliedIndex: LogIndex;
  #place: Place | null = null;

  /**
   * Takes over an open database.
   *
   * @throws {CorruptionError} when a table or the applied index is damaged or missing.
   */
  constructor(database: Database) {
    this.#database = database;
    this.#statements = new Map(TABLES.map((table) => [table, prepareStatements(database, table)]));
    this.#appliedIndex = this.#readState().appliedIndex;
  }

  /** Index of the last log entry whose effects are in the tables; 0 in new ones. */
  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** The store's revision, as the tables have it. */
  get revision(): LogIndex {
    return this.#readState().revision;
  }

  /** Path of the file. */
  get path(): string {
    return this.#database.path;
  }

  /**
   * Makes the changes of a part of a batch, see `encodeBatch`. They take effect with {@linkcode commit}.
   *
   * @throws {EnvironmentError} when the disk fails. The tables cannot be used afterwards.
   */
  write(part: Uint8Array): void {
    if (!this.#database.isInTransaction) this.#database.begin();
    for (const change of decodePart(part)) this.#change(change);
  }

  /**
   * Ends a batch: the whole batch is durable, and the tables have its applied index.
   *
   * @throws {EnvironmentError} when the disk fails. The tables cannot be used afterwards.
   */
  commit(): void {
    const appliedIndex = this.#readState().appliedIndex;
    assert(appliedIndex >= this.#appliedIndex, "The applied index would go backward");
    this.#database.commit();
    this.#appliedIndex = appliedIndex;
  }

  /**
   * The next rows, checked, for a `RowLoader`; null once all were read. The next call then begins again.
   *
   * @throws {CorruptionError} at the first damaged row, or when an index does not lead to every row.
   */
  read(): Uint8Array<ArrayBuffer> | null {
    const place = this.#place ??= { table: 0, rowId: 0, count: 0 };
    const rows = new RowWriter();
    while (rows.length < CHUNK_BYTES && place.table < TABLES.length) this.#readSome(place, rows);
    if (rows.length > 0) return rows.finish();
    this.#place = null;
    return null;
  }

  /** See {@linkcode Database.hold}. */
  hold(): void {
    this.#database.hold();
  }

  /** See {@linkcode Database.release}. */
  release(): void {
    this.#database.release();
  }

  /** Moves everything into the file, and closes it. Without this call nothing is lost. */
  close(): void {
    this.#database.close();
  }

  #change(change: RowChange): void {
    const { put, remove, removeBelow } = this.#statementsOf(change.table);
    const database = this.#database;
    switch (change.kind) {
      case "put":
        return database.run(put, change.key, change.row);
      case "remove":
        return database.run(remove, change.key);
      case "removeBelow":
        return database.run(removeBelow, change.key);
      default:
        change satisfies never;
    }
  }

  #readSome(place: Place, rows: RowWriter): void {
    const table = assertDefined(TABLES[place.table], "A table");
    const found = this.#database.all(this.#statementsOf(table).read, place.rowId, ROWS_PER_READ);
    for (const row of found) this.#check(table, row, rows);
    place.count += found.length;
    place.rowId = Number(found.at(-1)?.["id"] ?? 0);
    if (found.length === ROWS_PER_READ) return;
    this.#checkCount(table, place.count);
    place.table++;
    place.rowId = 0;
    place.count = 0;
  }

  #check(table: TableName, row: Row, rows: RowWriter): Uint8Array {
    return this.#database.readRow(
      () => describeRow(table, row["key"]),
      () => rows.add(table, bytesIn(row, "key"), bytesIn(row, "row")),
    );
  }

  /** Compares the number of rows with that in the index, because rows are read by row id and found by key. */
  #checkCount(table: TableName, read: number): void {
    const count = this.#database.get(this.#statementsOf(table).count)?.["count"];
    if (count === read) return;
    throw this.#database.corruption(`${table} has ${count} rows, of which ${read} can be read`);
  }

  #readState(): TableState {
    const [row] = this.#database.all(this.#statementsOf("state").read, 0, 1);
    if (row === undefined) throw this.#database.corruption("its applied index is missing");
    const content = this.#check("state", row, new RowWriter());
    return this.#database.readRow(() => "its state", () => decodeState(content));
  }

  #statementsOf(table: TableName): TableStatements {
    return assertDefined(this.#statements.get(table), "Every table has its statements");
  }
}

function prepareStatements(database: Database, table: TableName): TableStatements {
  return {
    put: database.prepare(
      `INSERT INTO ${table} VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET row = excluded.row`,
    ),
    remove: database.prepare(`DELETE FROM ${table} WHERE key = ?`),
    removeBelow: database.prepare(`DELETE FROM ${table} WHERE key < ?`),
    read: database.prepare(
      `SELECT rowid AS id, key, row FROM ${table} WHERE rowid > ? ORDER BY rowid LIMIT ?`,
    ),
    count: database.prepare(
      `SELECT count(*) AS count FROM ${table} INDEXED BY sqlite_autoindex_${table}_1`,
    ),
  };
}

const SHOWN_KEY_LENGTH_MAX = 80;

/** Describes a row for an operator. */
function describeRow(table: TableName, key: unknown): string {
  if (table === "state") return "its applied index";
  if (table !== "keys" || !(key instanceof Uint8Array)) return `a row of ${table}`;
  const text = JSON.stringify(new TextDecoder().decode(key)).slice(0, SHOWN_KEY_LENGTH_MAX);
  return `the row of key ${text}`;
}
