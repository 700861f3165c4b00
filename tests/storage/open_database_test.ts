import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { EnvironmentError, InputError } from "../../lib/errors.ts";
import { WAL_PAGES_MAX } from "../../lib/storage/database.ts";
import type { StoreOptions } from "../../lib/storage/open_database.ts";
import { openKeyValueStore, type SqliteKeyValueStore } from "../../lib/storage/key_value_store.ts";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { checkRows } from "../../lib/storage/row_digest.ts";
import { CorruptionError } from "../../lib/storage/storage_error.ts";
import { toClusterName, toLogIndex, toNodeId } from "../../lib/types.ts";
import { copyAsIfKilled, findText, flipBit, tamper, withFolder } from "./support.ts";

/** A store with keys 1 to 3, one transaction each. */
function openWithRows(options: StoreOptions): SqliteKeyValueStore {
  const store = openKeyValueStore(options);
  for (const index of [1, 2, 3]) writeRow(store, index, encodeUtf8(`value ${index} of 3`));
  return store;
}

function writeRow(store: SqliteKeyValueStore, index: number, value: Uint8Array): void {
  const revision = toLogIndex(index);
  const row = { value, createRevision: revision, modRevision: revision, version: 1 };
  store.transaction(revision, () => store.put({ ...row, key: `key ${index}` }));
}

/** What a killed process leaves, with its write-ahead log; and what a stopped one leaves. */
function leave(options: StoreOptions, how: "killed" | "closed"): StoreOptions {
  const store = openWithRows(options);
  const left = how === "killed" ? copyAsIfKilled(options) : options;
  store.close();
  return left;
}

function refusesAsCorrupt(options: StoreOptions, message: RegExp): void {
  const open = () => {
    const store = openKeyValueStore(options);
    try {
      checkRows(store);
    } finally {
      store.close();
    }
  };
  assert.throws(open, (error: unknown) => {
    assert.ok(error instanceof CorruptionError, `${error}`);
    assert.match(error.message, message);
    assert.match(error.message, /kv\.db holds nothing that the cluster does not also hold/);
    return true;
  });
  // Refusing must not have changed what there is to see.
  assert.throws(open, CorruptionError);
}

Deno.test("openDatabase() lets no commit wait for the disk", () =>
  withFolder((options) => {
    const { database } = openKeyValueStore(options);
    const row = database.get(database.prepare("PRAGMA synchronous"));
    database.close();
    assert.equal(row?.["synchronous"], 1, "NORMAL");
  }));

Deno.test("openDatabase() refuses a folder that another store of this process uses", () =>
  withFolder((options) => {
    const store = openWithRows(options);
    const message = /data folder .* another process is using it .*Stop that node first/;
    assert.throws(() => openKeyValueStore(options), { name: "EnvironmentError", message });
    assert.equal(store.appliedIndex, 3);
    store.close();
    openKeyValueStore(options).close();
  }));

Deno.test("openDatabase() refuses a database that another program has open", () =>
  withFolder((options) => {
    openWithRows(options).close();
    const other = new DatabaseSync(join(options.folder, "kv.db"));
    other.exec("BEGIN; SELECT count(*) FROM kv");
    const message = /kv\.db: another program has it open/;
    assert.throws(() => openKeyValueStore(options), { name: "EnvironmentError", message });
    other.close();
    openKeyValueStore(options).close();
  }));

for (
  const [what, other] of [
    ["node", { node: toNodeId("server_2") }],
    ["cluster", { cluster: toClusterName("another") }],
  ] as const
) {
  Deno.test(`openDatabase() refuses the folder of another ${what}, and leaves it as it was`, () =>
    withFolder((options) => {
      openWithRows(options).close();
      assert.throws(() => openKeyValueStore({ ...options, ...other }), (error: unknown) => {
        assert.ok(error instanceof InputError);
        assert.match(error.message, /belongs to node server_1 of cluster floe-test, not to node/);
        return true;
      });
      const store = openKeyValueStore(options);
      assert.equal(store.appliedIndex, 3);
      store.close();
    }));
}

Deno.test("openDatabase() refuses a format that it does not know", () =>
  withFolder((options) => {
    openWithRows(options).close();
    const database = { folder: options.folder, file: "kv.db" };
    tamper(database, "UPDATE meta SET value = '4' WHERE name = 'format'");
    assert.throws(() => openKeyValueStore(options), {
      name: "EnvironmentError",
      message: /its format is 4, and this version of Floe knows only 3/,
    });
  }));

Deno.test("openDatabase() refuses a folder that is not there", () =>
  withFolder((options) => {
    const missing = { ...options, folder: join(options.folder, "missing") };
    assert.throws(() => openKeyValueStore(missing), EnvironmentError);
  }));

for (const how of ["killed", "closed"] as const) {
  Deno.test(`openDatabase() opens again what a ${how} process left`, () =>
    withFolder((options) => {
      const store = openKeyValueStore(leave(options, how));
      assert.equal(store.appliedIndex, 3);
      store.close();
    }));

  Deno.test(`openDatabase() refuses a deleted database that a ${how} process left`, () =>
    withFolder((options) => {
      const left = leave(options, how);
      Deno.removeSync(join(left.folder, "kv.db"));
      refusesAsCorrupt(left, /kv\.db: the file is missing/);
    }));

  Deno.test(`openDatabase() refuses an emptied database that a ${how} process left`, () =>
    withFolder((options) => {
      const left = leave(options, how);
      Deno.truncateSync(join(left.folder, "kv.db"), 0);
      refusesAsCorrupt(left, /kv\.db: it does not begin as a SQLite database does/);
    }));

  Deno.test(`openDatabase() refuses a database with a damaged head that a ${how} process left`, () =>
    withFolder((options) => {
      const left = leave(options, how);
      flipBit(join(left.folder, "kv.db"), 0);
      refusesAsCorrupt(left, /kv\.db: it does not begin as a SQLite database does/);
    }));
}

Deno.test("openDatabase() refuses a database that is cut off", () =>
  withFolder((options) => {
    const left = leave(options, "closed");
    const path = join(left.folder, "kv.db");
    Deno.truncateSync(path, Deno.statSync(path).size - 4096);
    refusesAsCorrupt(left, /kv\.db/);
  }));

Deno.test("openDatabase() refuses a database with every table gone", () =>
  withFolder((options) => {
    const left = leave(options, "closed");
    tamper(
      { folder: left.folder, file: "kv.db" },
      "DROP TABLE meta; DROP TABLE applied; DROP TABLE kv; DROP TABLE remembered; DROP TABLE tokens",
    );
    refusesAsCorrupt(left, /its tables are missing/);
  }));

Deno.test("openDatabase() refuses a flipped bit in a row in the database file", () =>
  withFolder((options) => {
    const left = leave(options, "closed");
    const path = join(left.folder, "kv.db");
    flipBit(path, findText(path, "value 2 of 3"));
    refusesAsCorrupt(left, /the row of key "key 2" is damaged/);
  }));

Deno.test("openDatabase() goes back to before a flipped bit in the write-ahead log", () =>
  withFolder((options) => {
    const left = leave(options, "killed");
    const path = join(left.folder, "kv.db-wal");
    flipBit(path, findText(path, "value 2 of 3"));
    const store = openKeyValueStore(left);
    assert.equal(store.appliedIndex, 1);
    checkRows(store);
    store.close();
  }));

Deno.test("openDatabase() refuses a write-ahead log that was deleted", () =>
  withFolder((options) => {
    const left = leave(options, "killed");
    Deno.removeSync(join(left.folder, "kv.db-wal"));
    refusesAsCorrupt(left, /kv\.db-wal: it is missing or its head is damaged/);
  }));

Deno.test("openDatabase() needs the write-ahead log after a checkpoint as before it", () =>
  withFolder((options) => {
    const store = openKeyValueStore(options);
    const data = new Uint8Array(WAL_PAGES_MAX * 1024);
    for (let index = 1; index <= 6; index++) writeRow(store, index, data);
    const left = copyAsIfKilled(options);
    store.close();
    assert.ok(Deno.statSync(join(left.folder, "kv.db")).size > 4 * data.length, "checkpointed");
    const again = openKeyValueStore(copyAsIfKilled(left));
    assert.equal(again.appliedIndex, 6);
    again.close();
    Deno.removeSync(join(left.folder, "kv.db-wal"));
    refusesAsCorrupt(left, /kv\.db-wal: it is missing or its head is damaged/);
  }));

Deno.test("openDatabase() refuses a write-ahead log that was emptied", () =>
  withFolder((options) => {
    const left = leave(options, "killed");
    Deno.truncateSync(join(left.folder, "kv.db-wal"), 0);
    refusesAsCorrupt(left, /kv\.db-wal: it is missing or its head is damaged/);
  }));

Deno.test("openDatabase() refuses a write-ahead log with a damaged head", () =>
  withFolder((options) => {
    const left = leave(options, "killed");
    flipBit(join(left.folder, "kv.db-wal"), 20);
    refusesAsCorrupt(left, /kv\.db-wal: it is missing or its head is damaged/);
  }));

Deno.test("openDatabase() opens a log whose last write was cut short", () =>
  withFolder((options) => {
    const left = leave(options, "killed");
    const path = join(left.folder, "kv.db-wal");
    Deno.truncateSync(path, findText(path, "value 3 of 3"));
    const store = openKeyValueStore(left);
    assert.equal(store.appliedIndex, 2);
    store.close();
  }));

Deno.test("openDatabase() makes a database again whose making was interrupted", () =>
  withFolder((options) => {
    for (const file of ["kv.db", "kv.db.guard"]) {
      Deno.writeFileSync(join(options.folder, file), new Uint8Array(0));
    }
    const store = openWithRows(options);
    assert.equal(store.appliedIndex, 3);
    store.close();
  }));

Deno.test("openDatabase() marks a database as made when only the mark is missing", () =>
  withFolder((options) => {
    openWithRows(options).close();
    Deno.removeSync(join(options.folder, "kv.db.guard"));
    openKeyValueStore(options).close();
    Deno.removeSync(join(options.folder, "kv.db"));
    refusesAsCorrupt(options, /kv\.db: the file is missing/);
  }));
