import fc from "fast-check";
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { InvariantError } from "../../lib/assert.ts";
import { InputError } from "../../lib/errors.ts";
import { bytesIn, Database, WAL_PAGES_MAX } from "../../lib/storage/database.ts";
import { PageCopier } from "../../lib/storage/snapshot/jobs.ts";
import { CorruptionError } from "../../lib/storage/storage_error.ts";
import { META_SCHEMA } from "../../lib/storage/wal_file.ts";
import { withFolder } from "./support.ts";

/** A database with one table of numbered blobs, as `openDatabase` would set it up. */
function withDatabase(
  work: (
    parts: { database: Database; folder: string; put: (id: number, bytes: number) => void },
  ) => void,
): Promise<void> {
  return withFolder(({ folder }) => {
    const path = join(folder, "test.db");
    // Deno's types do not know of `limits` yet.
    const options = { timeout: 0, limits: { length: 1_000_000 } };
    const connection = new DatabaseSync(path, options);
    connection.exec(
      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;" +
        `${META_SCHEMA} CREATE TABLE blobs (id INTEGER PRIMARY KEY, data BLOB) STRICT`,
    );
    const database = new Database({ path, connection, guard: null, wayBack: "" });
    const insert = database.prepare("INSERT OR REPLACE INTO blobs VALUES (?, randomblob(?))");
    const put = (id: number, bytes: number) =>
      database.transaction(() => database.run(insert, id, bytes));
    try {
      work({ database, folder, put });
    } finally {
      database.close();
    }
  });
}

Deno.test("iterate() finds every row, however many", () =>
  withDatabase(({ database, put }) => {
    const statement = database.prepare("SELECT * FROM blobs WHERE id > ? ORDER BY id LIMIT ?");
    for (let count = 0; count <= 200; count++) {
      if (count > 0) put(count, 10);
      const ids = [...database.iterate(statement, { column: "id", above: 0 })]
        .map(({ id }) => id);
      assert.deepEqual(ids, Array.from({ length: count }, (_, position) => position + 1));
    }
  }));

Deno.test("iterate() does not take a row that cannot be read for the end", () =>
  withDatabase(({ database, put }) => {
    for (const id of [1, 2, 3]) put(id, 10);
    // SQLite refuses to read what is above its limit, as it refuses a damaged page.
    database.transaction(() =>
      database.run(database.prepare("UPDATE blobs SET data = zeroblob(999990) WHERE id = 2"))
    );
    const statement = database.prepare(
      "SELECT *, data || data FROM blobs WHERE id > ? ORDER BY id LIMIT ?",
    );
    assert.throws(() => [...database.iterate(statement, { column: "id", above: 0 })], {
      name: "CorruptionError",
      message: /too big/,
    });
  }));

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

Deno.test("a copy is what the file is, once the pages that changed are copied again", () =>
  withDatabase(({ database, folder, put }) => {
    const copier = new PageCopier();
    const to = join(folder, "copy");
    const writes = fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.nat(20_000)), {
      maxLength: 30,
    });
    const property = fc.property(fc.array(writes, { maxLength: 4 }), (rounds) => {
      database.beginCopy();
      copier.copy({ from: database.path, to, pages: null });
      for (const round of rounds) {
        for (const [id, bytes] of round) put(id, bytes);
        if (round.length % 2 === 0) database.checkpoint();
        copier.copy({ from: database.path, to, pages: [...database.takeChangedPages()] });
      }
      database.endCopy();
      assert.deepEqual(Deno.readFileSync(to), Deno.readFileSync(database.path));
    });
    fc.assert(property, { numRuns: 20 });
  }));

Deno.test("takeChangedPages() notes checkpoints that come by themselves", () =>
  withDatabase(({ database, folder, put }) => {
    const copier = new PageCopier();
    const to = join(folder, "copy");
    database.beginCopy();
    copier.copy({ from: database.path, to, pages: null });
    for (let id = 1; id <= 30; id++) put(id, WAL_PAGES_MAX * 200);
    const changed = database.takeChangedPages();
    assert.ok(changed.size > WAL_PAGES_MAX);
    copier.copy({ from: database.path, to, pages: [...changed] });
    assert.deepEqual(Deno.readFileSync(to), Deno.readFileSync(database.path));
    assert.equal(database.takeChangedPages().size < 10, true, "handed over once");
    database.endCopy();
  }));

Deno.test("holdFile() keeps the file as it is until endCopy()", () =>
  withDatabase(({ database, put }) => {
    database.beginCopy();
    database.holdFile();
    const held = Deno.readFileSync(database.path);
    for (let id = 1; id <= 30; id++) put(id, WAL_PAGES_MAX * 200);
    assert.equal(database.checkpoint(), false);
    assert.deepEqual(Deno.readFileSync(database.path), held);
    database.endCopy();
    assert.equal(database.checkpoint(), true);
    assert.notDeepEqual(Deno.readFileSync(database.path), held);
  }));

Deno.test("beginCopy() begins one copy at a time", () =>
  withDatabase(({ database }) => {
    database.beginCopy();
    assert.throws(() => database.beginCopy(), InvariantError);
    database.endCopy();
    assert.throws(() => database.takeChangedPages(), InvariantError);
    database.beginCopy();
    database.endCopy();
  }));
