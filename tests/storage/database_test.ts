import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { InvariantError } from "../../lib/assert.ts";
import { InputError } from "../../lib/errors.ts";
import { bytesIn, Database, WAL_PAGES_MAX } from "../../lib/storage/database.ts";
import { CorruptionError } from "../../lib/storage/storage_error.ts";
import { META_SCHEMA } from "../../lib/storage/wal_file.ts";
import { withFolder } from "./support.ts";

/** A database with one table of numbered blobs, as `openDatabase` would set it up. */
function withDatabase(
  work: (parts: { database: Database; put: (id: number, bytes: number) => void }) => void,
): Promise<void> {
  return withFolder(({ folder }) => {
    const path = join(folder, "test.db");
    const connection = new DatabaseSync(path, { timeout: 0 });
    connection.exec(
      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;" +
        `${META_SCHEMA} CREATE TABLE blobs (id INTEGER PRIMARY KEY, data BLOB) STRICT`,
    );
    const database = new Database({ path, connection, guard: null, wayBack: "" });
    const insert = database.prepare("INSERT OR REPLACE INTO blobs VALUES (?, randomblob(?))");
    const put = (id: number, bytes: number) => {
      database.begin();
      database.run(insert, id, bytes);
      database.commit();
    };
    try {
      work({ database, put });
    } finally {
      database.close();
    }
  });
}

const TRANSACTION_BYTES = WAL_PAGES_MAX * 200;

Deno.test("readRow() tells a damaged row as corruption, and any other error as it is", () =>
  withDatabase(({ database, put }) => {
    put(7, 1);
    const row = database.get(database.prepare("SELECT * FROM blobs")) ?? {};
    assert.equal(database.readRow(() => assert.fail("no damage"), () => row["id"]), 7);
    assert.throws(
      () => database.readRow(() => "blob 7", () => bytesIn(row, "id")),
      (error: unknown) =>
        error instanceof CorruptionError && error.file === database.path &&
        error.damage === "blob 7 is damaged: its id is not a byte string" &&
        error.cause instanceof InputError,
    );
    const bug = new TypeError("a bug");
    const fail = () => {
      throw bug;
    };
    assert.throws(() => database.readRow(() => "blob 7", fail), (error) => error === bug);
  }));

Deno.test("commit() moves the write-ahead log into the file once it is long", () =>
  withDatabase(({ database, put }) => {
    const before = Deno.readFileSync(database.path);
    put(1, TRANSACTION_BYTES);
    assert.deepEqual(Deno.readFileSync(database.path), before);
    for (let id = 2; id <= 30; id++) put(id, TRANSACTION_BYTES);
    assert.ok(Deno.statSync(database.path).size > 20 * TRANSACTION_BYTES);
  }));

Deno.test("hold() keeps the file as it is until release(), with everything in it", () =>
  withDatabase(({ database, put }) => {
    put(1, TRANSACTION_BYTES);
    database.hold();
    const held = Deno.readFileSync(database.path);
    assert.ok(held.length > TRANSACTION_BYTES);
    for (let id = 2; id <= 30; id++) put(id, TRANSACTION_BYTES);
    assert.deepEqual(Deno.readFileSync(database.path), held);
    database.release();
    put(31, 1);
    assert.ok(Deno.statSync(database.path).size > 20 * TRANSACTION_BYTES);
  }));

Deno.test("a write stands in one transaction", () =>
  withDatabase(({ database }) => {
    const insert = database.prepare("INSERT INTO blobs VALUES (1, NULL)");
    assert.throws(() => database.run(insert), InvariantError);
    assert.throws(() => database.commit(), InvariantError);
    database.begin();
    assert.throws(() => database.begin(), InvariantError);
    assert.throws(() => database.hold(), InvariantError);
    database.commit();
  }));

Deno.test("after an error of SQLite's nothing is done any more, and the error is said again", () =>
  withDatabase(({ database, put }) => {
    put(1, 1);
    const wrong = database.prepare("SELECT json_extract('{', '$')");
    assert.throws(() => database.get(wrong), { name: "CorruptionError" });
    assert.throws(() => put(2, 1), {
      name: "EnvironmentError",
      message: /it failed before and is not used again until the node is restarted\. The first/,
    });
  }));
