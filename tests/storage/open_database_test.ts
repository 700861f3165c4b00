import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { EnvironmentError, InputError } from "../../lib/errors.ts";
import { WAL_PAGES_MAX } from "../../lib/storage/database.ts";
import { openDatabase, type StoreOptions } from "../../lib/storage/open_database.ts";
import { openRaftStore, type RaftStore } from "../../lib/storage/raft_store.ts";
import { CorruptionError } from "../../lib/storage/storage_error.ts";
import { toClusterName, toNodeId } from "../../lib/types.ts";
import {
  batch,
  copyAsIfKilled,
  entries,
  findText,
  flipBit,
  hardState,
  tamper,
  withFolder,
} from "./support.ts";

/** A store with entries 1 to 3, one batch each. */
function openWithEntries(options: StoreOptions): RaftStore {
  const store = openRaftStore(options);
  for (const index of [1, 2, 3]) {
    store.persist(batch(index, { hardState: hardState(1), entries: entries(index, index) }));
  }
  return store;
}

/** What a killed process leaves, with its write-ahead log; and what a stopped one leaves. */
function leave(options: StoreOptions, how: "killed" | "closed"): StoreOptions {
  const store = openWithEntries(options);
  const left = how === "killed" ? copyAsIfKilled(options) : options;
  store.close();
  return left;
}

function refusesAsCorrupt(options: StoreOptions, message: RegExp): void {
  const open = () => {
    const store = openRaftStore(options);
    try {
      store.load();
    } finally {
      store.close();
    }
  };
  assert.throws(open, (error: unknown) => {
    assert.ok(error instanceof CorruptionError, `${error}`);
    assert.match(error.message, message);
    assert.match(error.message, /old key share.*cannot be made again/);
    return true;
  });
  // Refusing must not have changed what there is to see.
  assert.throws(open, CorruptionError);
}

/** How SQLite numbers these settings. */
const SYNCHRONOUS = { NORMAL: 1, FULL: 2 } as const;

for (const synchronous of ["FULL", "NORMAL"] as const) {
  Deno.test(`openDatabase() has SQLite sync as it is told: ${synchronous}`, () =>
    withFolder((options) => {
      const database = openDatabase({
        ...options,
        file: "test.db",
        schema: "",
        synchronous,
        companion: null,
        isChecked: false,
        wayBack: "",
      });
      const row = database.get(database.prepare("PRAGMA synchronous"));
      database.close();
      assert.equal(row?.["synchronous"], SYNCHRONOUS[synchronous]);
    }));
}

Deno.test("openDatabase() refuses a folder that another store of this process uses", () =>
  withFolder((options) => {
    const store = openWithEntries(options);
    const message = /data folder .* another process is using it .*Stop that node first/;
    assert.throws(() => openRaftStore(options), { name: "EnvironmentError", message });
    assert.equal(store.load().entries.length, 3);
    store.close();
    openRaftStore(options).close();
  }));

Deno.test("openDatabase() refuses a database that another program has open", () =>
  withFolder((options) => {
    openWithEntries(options).close();
    const other = new DatabaseSync(join(options.folder, "raft.db"));
    other.exec("BEGIN; SELECT count(*) FROM entries");
    const message = /raft\.db: another program has it open/;
    assert.throws(() => openRaftStore(options), { name: "EnvironmentError", message });
    other.close();
    openRaftStore(options).close();
  }));

for (
  const [what, other] of [
    ["node", { node: toNodeId("server_2") }],
    ["cluster", { cluster: toClusterName("another") }],
  ] as const
) {
  Deno.test(`openDatabase() refuses the folder of another ${what}, and leaves it as it was`, () =>
    withFolder((options) => {
      openWithEntries(options).close();
      assert.throws(() => openRaftStore({ ...options, ...other }), (error: unknown) => {
        assert.ok(error instanceof InputError);
        assert.match(error.message, /belongs to node server_1 of cluster floe-test, not to node/);
        return true;
      });
      const store = openRaftStore(options);
      assert.equal(store.load().entries.length, 3);
      store.close();
    }));
}

Deno.test("openDatabase() refuses a format that it does not know", () =>
  withFolder((options) => {
    openWithEntries(options).close();
    const database = { folder: options.folder, file: "raft.db" };
    tamper(database, "UPDATE meta SET value = '4' WHERE name = 'format'");
    assert.throws(() => openRaftStore(options), {
      name: "EnvironmentError",
      message: /its format is 4, and this version of Floe knows only 3/,
    });
  }));

Deno.test("openDatabase() refuses a folder that is not there", () =>
  withFolder((options) => {
    const missing = { ...options, folder: join(options.folder, "missing") };
    assert.throws(() => openRaftStore(missing), EnvironmentError);
  }));

for (const how of ["killed", "closed"] as const) {
  Deno.test(`openDatabase() opens again what a ${how} process left`, () =>
    withFolder((options) => {
      const store = openRaftStore(leave(options, how));
      assert.equal(store.load().entries.length, 3);
      store.close();
    }));

  Deno.test(`openDatabase() refuses a deleted database that a ${how} process left`, () =>
    withFolder((options) => {
      const left = leave(options, how);
      Deno.removeSync(join(left.folder, "raft.db"));
      refusesAsCorrupt(left, /raft\.db: the file is missing/);
    }));

  Deno.test(`openDatabase() refuses an emptied database that a ${how} process left`, () =>
    withFolder((options) => {
      const left = leave(options, how);
      Deno.truncateSync(join(left.folder, "raft.db"), 0);
      refusesAsCorrupt(left, /raft\.db: it does not begin as a SQLite database does/);
    }));

  Deno.test(`openDatabase() refuses a database with a damaged head that a ${how} process left`, () =>
    withFolder((options) => {
      const left = leave(options, how);
      flipBit(join(left.folder, "raft.db"), 0);
      refusesAsCorrupt(left, /raft\.db: it does not begin as a SQLite database does/);
    }));
}

Deno.test("openDatabase() refuses a database that is cut off", () =>
  withFolder((options) => {
    const left = leave(options, "closed");
    const path = join(left.folder, "raft.db");
    Deno.truncateSync(path, Deno.statSync(path).size - 4096);
    refusesAsCorrupt(left, /raft\.db/);
  }));

Deno.test("openDatabase() refuses a database with every table gone", () =>
  withFolder((options) => {
    const left = leave(options, "closed");
    tamper(
      { folder: left.folder, file: "raft.db" },
      "DROP TABLE meta; DROP TABLE entries; DROP TABLE hard_state; DROP TABLE certificates",
    );
    refusesAsCorrupt(left, /its tables are missing/);
  }));

Deno.test("openDatabase() refuses a flipped bit in an entry in the database file", () =>
  withFolder((options) => {
    const left = leave(options, "closed");
    const path = join(left.folder, "raft.db");
    flipBit(path, findText(path, "command 2 of term 1"));
    refusesAsCorrupt(left, /entry 2 is damaged/);
  }));

Deno.test("openDatabase() refuses a flipped bit in the write-ahead log", () =>
  withFolder((options) => {
    const left = leave(options, "killed");
    const path = join(left.folder, "raft.db-wal");
    flipBit(path, findText(path, "command 1 of term 1"));
    refusesAsCorrupt(left, /raft\.db-wal: frame \d+ is damaged, and transactions .* follow it/);
  }));

Deno.test("openDatabase() refuses a write-ahead log that was deleted", () =>
  withFolder((options) => {
    const left = leave(options, "killed");
    Deno.removeSync(join(left.folder, "raft.db-wal"));
    refusesAsCorrupt(left, /raft\.db-wal: it is missing or its head is damaged/);
  }));

Deno.test("openDatabase() needs the write-ahead log after a checkpoint as before it", () =>
  withFolder((options) => {
    const store = openRaftStore(options);
    const data = new Uint8Array(WAL_PAGES_MAX * 1024);
    for (let index = 1; index <= 6; index++) {
      const [small] = entries(index, index);
      const large = small === undefined ? [] : [{ ...small, data }];
      store.persist(batch(index, { hardState: hardState(1), entries: large }));
    }
    const left = copyAsIfKilled(options);
    store.close();
    assert.ok(Deno.statSync(join(left.folder, "raft.db")).size > 4 * data.length, "checkpointed");
    const again = openRaftStore(copyAsIfKilled(left));
    assert.equal(again.load().entries.length, 6);
    again.close();
    Deno.removeSync(join(left.folder, "raft.db-wal"));
    refusesAsCorrupt(left, /raft\.db-wal: it is missing or its head is damaged/);
  }));

Deno.test("openDatabase() refuses a write-ahead log that was emptied", () =>
  withFolder((options) => {
    const left = leave(options, "killed");
    Deno.truncateSync(join(left.folder, "raft.db-wal"), 0);
    refusesAsCorrupt(left, /raft\.db-wal: it is missing or its head is damaged/);
  }));

Deno.test("openDatabase() refuses a write-ahead log with a damaged head", () =>
  withFolder((options) => {
    const left = leave(options, "killed");
    flipBit(join(left.folder, "raft.db-wal"), 20);
    refusesAsCorrupt(left, /raft\.db-wal: it is missing or its head is damaged/);
  }));

Deno.test("openDatabase() opens a log whose last write was cut short", () =>
  withFolder((options) => {
    const left = leave(options, "killed");
    const path = join(left.folder, "raft.db-wal");
    Deno.truncateSync(path, Deno.statSync(path).size - 1);
    const store = openRaftStore(left);
    assert.equal(store.load().entries.length, 2);
    store.close();
  }));

Deno.test("openDatabase() makes a database again whose making was interrupted", () =>
  withFolder((options) => {
    for (const file of ["raft.db", "raft.db.guard"]) {
      Deno.writeFileSync(join(options.folder, file), new Uint8Array(0));
    }
    const store = openWithEntries(options);
    assert.equal(store.load().entries.length, 3);
    store.close();
  }));

Deno.test("openDatabase() marks a database as made when only the mark is missing", () =>
  withFolder((options) => {
    openWithEntries(options).close();
    Deno.removeSync(join(options.folder, "raft.db.guard"));
    openRaftStore(options).close();
    Deno.removeSync(join(options.folder, "raft.db"));
    refusesAsCorrupt(options, /raft\.db: the file is missing/);
  }));
