/**
 * The writes that are remembered for their retries, in `kv.db`.
 *
 * @module
 */

import type { StatementSync } from "node:sqlite";
import { decodeUtf8, encodeUtf8 } from "../bytes.ts";
import {
  decodeResult,
  encodeResult,
  type RememberedWrite,
  type RememberedWrites,
} from "../kv/mod.ts";
import { type LogIndex, toLogIndex } from "../types.ts";
import { bytesIn, type Database, type Row } from "./database.ts";
import { checkDigest, digestRememberedWrite } from "./row_digest.ts";

/** Makes the table. Its rows lie in the order of the log, so that what is forgotten is its first. */
export const REMEMBERED_SCHEMA = `
  CREATE TABLE remembered (
    revision INTEGER PRIMARY KEY,
    idempotency_key BLOB NOT NULL UNIQUE,
    command_sha256 BLOB NOT NULL,
    result BLOB NOT NULL,
    sha256 BLOB NOT NULL
  ) STRICT;
`;

/**
 * {@linkcode RememberedWrites} on SQLite. Each row carries a SHA-256 that is checked whenever the
 * row is read, so a damaged answer is never given.
 */
export class RememberedTable implements RememberedWrites {
  readonly #database: Database;
  readonly #get: StatementSync;
  readonly #add: StatementSync;
  readonly #delete: StatementSync;
  readonly #rows: StatementSync;

  /** Uses the table in an opened database. */
  constructor(database: Database) {
    this.#database = database;
    this.#get = database.prepare("SELECT * FROM remembered WHERE idempotency_key = ?");
    this.#add = database.prepare("INSERT INTO remembered VALUES (?, ?, ?, ?, ?)");
    this.#delete = database.prepare("DELETE FROM remembered WHERE revision = ?");
    this.#rows = database.prepare(
      "SELECT * FROM remembered WHERE revision > ? ORDER BY revision LIMIT ?",
    );
  }

  /**
   * The write that this idempotency key stands for, or null.
   *
   * @throws {CorruptionError} when its row is damaged.
   */
  get(idempotencyKey: string): RememberedWrite | null {
    const row = this.#database.get(this.#get, encodeUtf8(idempotencyKey));
    return row === undefined ? null : this.#read(row);
  }

  /** Adds a write under a key and a revision that are not there yet. */
  add(write: RememberedWrite): void {
    const { commandDigest, result } = write;
    const idempotencyKey = encodeUtf8(write.idempotencyKey);
    const encoded = encodeResult(result);
    const digest = digestRememberedWrite(write, { idempotencyKey, result: encoded });
    this.#database.run(
      this.#add,
      result.revision,
      idempotencyKey,
      commandDigest,
      encoded,
      digest,
    );
  }

  /** Forgets the write of this revision, if it is there. */
  delete(revision: LogIndex): void {
    this.#database.run(this.#delete, revision);
  }

  /**
   * Every remembered write, by rising revision.
   *
   * @throws {CorruptionError} at the first damaged row.
   */
  *rows(): Iterable<RememberedWrite> {
    const all = { column: "revision", above: 0 };
    for (const row of this.#database.iterate(this.#rows, all)) yield this.#read(row);
  }

  #read(row: Row): RememberedWrite {
    const what = () => `the row of the remembered write ${row["revision"]}`;
    return this.#database.readRow(what, () => toRememberedWrite(row));
  }
}

function toRememberedWrite(row: Row): RememberedWrite {
  const idempotencyKey = bytesIn(row, "idempotency_key");
  const result = bytesIn(row, "result");
  const write: RememberedWrite = {
    idempotencyKey: decodeUtf8(idempotencyKey),
    commandDigest: bytesIn(row, "command_sha256"),
    result: decodeResult(result, toLogIndex(row["revision"])),
  };
  checkDigest(row, digestRememberedWrite(write, { idempotencyKey, result }));
  return write;
}
