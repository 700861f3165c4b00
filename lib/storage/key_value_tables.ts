/**
 * The tables of `kv.db`, and the statements that touch them.
 *
 * @module
 */

import type { StatementSync } from "node:sqlite";
import { encodeHex } from "../bytes.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import type { Database } from "./database.ts";
import { REMEMBERED_SCHEMA, RememberedTable } from "./remembered_table.ts";
import { checkDigest, digestAppliedIndex } from "./row_digest.ts";
import { TOKEN_SCHEMA, TokenTable } from "./token_table.ts";

/**
 * Makes the tables. Keys are byte strings: SQLite then orders them as everything else does, by
 * their UTF-8, and a key that contains U+0000 is not cut off there.
 */
export const KEY_VALUE_SCHEMA: string = `
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
  ${TOKEN_SCHEMA}
`;

/** An opened database and what is read and written of it. */
export interface KeyValueTables {
  /** The database. */
  readonly database: Database;
  /** The statements. */
  readonly statements: KeyValueStatements;
  /** The table of remembered writes. */
  readonly remembered: RememberedTable;
  /** The table of tokens. */
  readonly tokens: TokenTable;
  /** As it was when the database was opened. */
  readonly appliedIndex: LogIndex;
}

/** The prepared statements. */
export interface KeyValueStatements {
  /** Of one key. */
  readonly get: StatementSync;
  /** key, value, create_revision, mod_revision, version, sha256. */
  readonly put: StatementSync;
  /** Of one key. */
  readonly delete: StatementSync;
  /** Those above a key, in the order of the keys, as many as the second value says. */
  readonly rows: StatementSync;
  /** applied_index, sha256. */
  readonly writeApplied: StatementSync;
}

/** Opens the database of a store; `isChecked` says that its structure need not be checked. */
export type OpenKeyValueDatabase = (how: { readonly isChecked: boolean }) => Database;

/**
 * Opens the database and reads how far it is.
 *
 * @throws whatever `open` throws.
 * @throws {CorruptionError} when a table or the applied index is damaged or missing.
 */
export function openKeyValueTables(
  open: OpenKeyValueDatabase,
  how: { readonly isChecked: boolean },
): KeyValueTables {
  const database = open(how);
  try {
    return {
      database,
      statements: prepareStatements(database),
      remembered: new RememberedTable(database),
      tokens: new TokenTable(database),
      appliedIndex: readAppliedIndex(database),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

function prepareStatements(database: Database): KeyValueStatements {
  return {
    get: database.prepare("SELECT * FROM kv WHERE key = ?"),
    put: database.prepare(
      "INSERT INTO kv (key, value, create_revision, mod_revision, version, sha256) " +
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, " +
        "create_revision = excluded.create_revision, mod_revision = excluded.mod_revision, " +
        "version = excluded.version, sha256 = excluded.sha256",
    ),
    delete: database.prepare("DELETE FROM kv WHERE key = ?"),
    rows: database.prepare("SELECT * FROM kv WHERE key > ? ORDER BY key LIMIT ?"),
    writeApplied: database.prepare(
      "UPDATE applied SET applied_index = ?, sha256 = ? WHERE id = 1",
    ),
  };
}

function readAppliedIndex(database: Database): LogIndex {
  const row = database.get(database.prepare("SELECT * FROM applied WHERE id = 1"));
  if (row === undefined) throw database.corruption("its applied index is missing");
  return database.readRow(() => "its applied index", () => {
    const appliedIndex = toLogIndex(row["applied_index"]);
    checkDigest(row, digestAppliedIndex(appliedIndex));
    return appliedIndex;
  });
}
