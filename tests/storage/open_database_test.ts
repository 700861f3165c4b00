import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { EnvironmentError, InputError } from "../../lib/errors.ts";
import { WAL_PAGES_MAX } from "../../lib/storage/database.ts";
import { openDatabase, type StoreOptions } from "../../lib/storage/open_database.ts";
import { CorruptionError } from "../../lib/storage/storage_error.ts";
import { TABLES } from "../../lib/storage/tables/rows.ts";
import { openTableFile } from "../../lib/storage/tables/table_file.ts";
import { toClusterName, toNodeId } from "../../lib/types.ts";
import {
  copyAsIfKilled,
  findText,
  flipBit,
  tamper,
  TestTables,
  withFolder,
  withTables,
} from "./support.ts";

/** Tables with keys 1 to 3, one transaction each. */
function openWithRows(options: StoreOptions): TestTables {
  const tables = new TestTables(options);
  for (const index of [1, 2, 3]) tables.put(`key ${index}`, `value ${index} of 3`);
  return tables;
}

/** What a killed process leaves, with its write-ahead log; and what a stopped one leaves. */
function leave(options: StoreOptions, how: "killed" | "closed"): StoreOptions {
  const tables = openWithRows(options);
  const left = how === "killed" ? copyAsIfKilled(options) : options;
  tables.close();
  return left;
}

/** The applied index that a start finds. */
function indexIn(options: StoreOptions): number {
  return withTables(options, ({ file }) => file.appliedIndex);
}

function refusesAsCorrupt(options: StoreOptions, message: RegExp): void {
  const open = () => {
    withTables(options, (tables) => tables.load());
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

Deno.test("openDatabase() has every commit synced", () =>
  withFolder((options) => {
    const database = openDatabase({
      ...options,
      file: "some.db",
      schema: "",
      isChecked: false,
      wayBack: "",
    });
    const row = database.get(database.prepare("PRAGMA synchronous"));
    database.close();
    assert.equal(row?.["synchronous"], 2, "FULL");
  }));

Deno.test("openDatabase() refuses a folder that another store of this process uses", () =>
  withFolder((options) => {
    const tables = openWithRows(options);
    const message = /data folder .* another process is using it .*Stop that node first/;
    assert.throws(() => openTableFile(options), { name: "EnvironmentError", message });
    assert.equal(tables.file.appliedIndex, 3);
    tables.close();
    openTableFile(options).close();
  }));

Deno.test("openDatabase() refuses a database that another program has open", () =>
  withFolder((options) => {
    openWithRows(options).close();
    const other = new DatabaseSync(join(options.folder, "kv.db"));
    other.exec("BEGIN; SELECT count(*) FROM keys");
    const message = /kv\.db: another program has it open/;
    assert.throws(() => openTableFile(options), { name: "EnvironmentError", message });
    other.close();
    openTableFile(options).close();
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
      assert.throws(() => openTableFile({ ...options, ...other }), (error: unknown) => {
        assert.ok(error instanceof InputError);
        assert.match(error.message, /belongs to node server_1 of cluster floe-test, not to node/);
        return true;
      });
      assert.equal(indexIn(options), 3);
    }));
}

for (const format of ["5", "7"]) {
  Deno.test(`openDatabase() refuses format ${format}, says how to move, and changes nothing`, () =>
    withFolder((options) => {
      openWithRows(options).close();
      const database = { folder: options.folder, file: "kv.db" };
      tamper(database, `UPDATE meta SET value = '${format}' WHERE name = 'format'`);
      assert.throws(() => openTableFile(options), (error: unknown) => {
        assert.ok(error instanceof EnvironmentError);
        assert.match(error.message, new RegExp(`its format is ${format}, .* knows only 6\\. `));
        assert.match(error.message, /with that version and run its `floe export > kv\.jsonl`/);
        assert.match(error.message, /a new cluster with this version.* `floe import kv\.jsonl`/);
        return true;
      });
      tamper(database, "UPDATE meta SET value = '6' WHERE name = 'format'");
      assert.equal(indexIn(options), 3);
    }));
}

Deno.test("openDatabase() refuses a folder that is not there", () =>
  withFolder((options) => {
    const missing = { ...options, folder: join(options.folder, "missing") };
    assert.throws(() => openTableFile(missing), EnvironmentError);
  }));

for (const how of ["killed", "closed"] as const) {
  Deno.test(`openDatabase() opens again what a ${how} process left`, () =>
    withFolder((options) => {
      assert.equal(indexIn(leave(options, how)), 3);
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
      ["meta", ...TABLES].map((table) => `DROP TABLE ${table}`).join(";"),
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
    withTables(left, (tables) => assert.equal(tables.load().appliedIndex, 1));
  }));

Deno.test("openDatabase() refuses a write-ahead log that was deleted", () =>
  withFolder((options) => {
    const left = leave(options, "killed");
    Deno.removeSync(join(left.folder, "kv.db-wal"));
    refusesAsCorrupt(left, /kv\.db-wal: it is missing or its head is damaged/);
  }));

Deno.test("openDatabase() needs the write-ahead log after a checkpoint as before it", () =>
  withFolder((options) => {
    const tables = new TestTables(options);
    const bytes = 400_000;
    const count = Math.ceil(1.5 * WAL_PAGES_MAX * 4096 / bytes);
    for (let number = 1; number <= count; number++) {
      tables.put(`key ${number}`, new Uint8Array(bytes));
    }
    const left = copyAsIfKilled(options);
    tables.close();
    assert.ok(Deno.statSync(join(left.folder, "kv.db")).size > count / 2 * bytes, "checkpointed");
    assert.equal(indexIn(copyAsIfKilled(left)), count);
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
    assert.equal(indexIn(left), 2);
  }));

Deno.test("openDatabase() makes a database again whose making was interrupted", () =>
  withFolder((options) => {
    for (const file of ["kv.db", "kv.db.guard"]) {
      Deno.writeFileSync(join(options.folder, file), new Uint8Array(0));
    }
    openWithRows(options).close();
    assert.equal(indexIn(options), 3);
  }));

Deno.test("openDatabase() marks a database as made when only the mark is missing", () =>
  withFolder((options) => {
    openWithRows(options).close();
    Deno.removeSync(join(options.folder, "kv.db.guard"));
    openTableFile(options).close();
    Deno.removeSync(join(options.folder, "kv.db"));
    refusesAsCorrupt(options, /kv\.db: the file is missing/);
  }));
