import assert from "node:assert/strict";
import { join } from "node:path";
import { encodeCommand } from "../../lib/kv/command_codec.ts";
import { StateMachine } from "../../lib/kv/state_machine.ts";
import type { Entry } from "../../lib/raft/entry.ts";
import type { StoreOptions } from "../../lib/storage/open_database.ts";
import { CorruptionError } from "../../lib/storage/storage_error.ts";
import { openStores, type Stores } from "../../lib/storage/stores.ts";
import { toLogIndex, toTerm } from "../../lib/types.ts";
import { batch, entry, hardState, tamper, withFolder } from "./support.ts";

function putEntry(index: number): Entry {
  const data = encodeCommand({ kind: "put", key: `key ${index}`, value: Uint8Array.of(index) });
  return { ...entry(index), data };
}

/** Opens both stores for one look. */
function withStores<Result>(options: StoreOptions, work: (stores: Stores) => Result): Result {
  const stores = openStores(options);
  try {
    return work(stores);
  } finally {
    stores.raft.close();
    stores.keyValues.close();
  }
}

/** Persists and applies entries 1 to 3. */
function fill(options: StoreOptions): void {
  withStores(options, ({ raft, keyValues }) => {
    const log = [1, 2, 3].map(putEntry);
    raft.persist(batch(1, { hardState: hardState(1), entries: log }));
    new StateMachine(keyValues).apply(log);
  });
}

function removeFiles(folder: string, prefix: string): void {
  for (const { name } of Deno.readDirSync(folder)) {
    if (name.startsWith(prefix)) Deno.removeSync(join(folder, name));
  }
}

Deno.test("openStores() creates the data folder, for this user only", () =>
  withFolder((options) => {
    const folder = join(options.folder, "above", "node");
    withStores({ ...options, folder }, () => {});
    assert.equal((Deno.statSync(folder).mode ?? 0) & 0o777, 0o700);
  }));

Deno.test("openStores() gives back what both stores held", () =>
  withFolder((options) => {
    fill(options);
    withStores(options, ({ raft, keyValues }) => {
      assert.equal(raft.load().entries.length, 3);
      assert.equal(keyValues.appliedIndex, 3);
      assert.deepEqual(keyValues.get("key 2")?.value, Uint8Array.of(2));
    });
  }));

Deno.test("openStores() refuses a log that ends before what kv.db has applied", () =>
  withFolder((options) => {
    fill(options);
    removeFiles(options.folder, "raft.db");
    withFolder((older) => {
      withStores(
        older,
        ({ raft }) => raft.persist(batch(1, { hardState: hardState(1), entries: [putEntry(1)] })),
      );
      for (const file of ["raft.db", "raft.db.guard"]) {
        Deno.copyFileSync(join(older.folder, file), join(options.folder, file));
      }
    });
    assert.throws(() => openStores(options), {
      name: "CorruptionError",
      message: /its log ends at entry 1, but kv\.db has applied entry 3.*cannot be made again/,
    });
  }));

Deno.test("openStores() refuses a missing raft.db beside kv.db, though its guard is gone too", () =>
  withFolder((options) => {
    fill(options);
    removeFiles(options.folder, "raft.db");
    assert.throws(() => openStores(options), {
      name: "CorruptionError",
      message: /raft\.db: the file is missing, though kv\.db is there/,
    });
  }));

Deno.test("openStores() refuses a missing kv.db, and rebuilds it once it was moved away whole", () =>
  withFolder((options) => {
    fill(options);
    Deno.removeSync(join(options.folder, "kv.db"));
    assert.throws(() => openStores(options), {
      name: "CorruptionError",
      message: /kv\.db: the file is missing.*rebuilds kv\.db from its own log/,
    });
    removeFiles(options.folder, "kv.db");
    withStores(options, ({ raft, keyValues }) => {
      assert.equal(keyValues.appliedIndex, 0);
      new StateMachine(keyValues).apply(raft.load().entries);
      assert.deepEqual(keyValues.get("key 2")?.value, Uint8Array.of(2));
    });
  }));

Deno.test("openStores() makes kv.db anew where the log no longer reaches back, and says that it lacks the state", () =>
  withFolder((options) => {
    fill(options);
    withStores(options, ({ raft, lacksState }) => {
      assert.equal(lacksState, false);
      const logStart = { position: { index: toLogIndex(2), term: toTerm(1) }, keepsRest: true };
      raft.persist(batch(9, { logStart }));
    });
    removeFiles(options.folder, "kv.db");
    for (let start = 0; start < 2; start++) {
      withStores(options, ({ raft, keyValues, lacksState }) => {
        assert.equal(lacksState, true);
        assert.equal(keyValues.appliedIndex, 0);
        assert.deepEqual(raft.load().entries.map(({ index }) => index), [3]);
      });
    }
  }));

Deno.test("openStores() refuses a kv.db with a damaged row, and lets go of both", () =>
  withFolder((options) => {
    fill(options);
    const database = { folder: options.folder, file: "kv.db" };
    tamper(database, "UPDATE kv SET version = 7 WHERE mod_revision = 2");
    const message = /kv\.db: the row of key "key 2" is damaged.*rebuilds kv\.db/;
    assert.throws(() => openStores(options), { name: "CorruptionError", message });
    tamper(database, "UPDATE kv SET version = 1 WHERE mod_revision = 2");
    withStores(options, ({ keyValues }) => assert.equal(keyValues.appliedIndex, toLogIndex(3)));
  }));

Deno.test("openStores() leaves the rows of a large kv.db to whoever reads them", () =>
  withFolder((options) => {
    fill(options);
    const sql = `UPDATE kv SET value = zeroblob(${17 * 1024 * 1024}) WHERE mod_revision = 2`;
    tamper({ folder: options.folder, file: "kv.db" }, sql);
    withStores(options, ({ keyValues }) => {
      assert.throws(() => keyValues.get("key 2"), CorruptionError);
      assert.deepEqual(keyValues.get("key 3")?.value, Uint8Array.of(3));
    });
  }));

Deno.test("openStores() lets go of raft.db when kv.db is refused", () =>
  withFolder((options) => {
    fill(options);
    const path = join(options.folder, "kv.db");
    const whole = Deno.readFileSync(path);
    Deno.writeFileSync(path, whole.subarray(100));
    assert.throws(() => openStores(options), CorruptionError);
    Deno.writeFileSync(path, whole);
    withStores(options, ({ keyValues }) => assert.equal(keyValues.appliedIndex, toLogIndex(3)));
  }));
