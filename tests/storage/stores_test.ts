import assert from "node:assert/strict";
import { join } from "node:path";
import { encodeCommand } from "../../lib/kv/command_codec.ts";
import { StateMachine } from "../../lib/kv/state_machine.ts";
import type { Entry } from "../../lib/raft/entry.ts";
import type { StoreOptions } from "../../lib/storage/open_database.ts";
import { CorruptionError } from "../../lib/storage/storage_error.ts";
import { openStores, type Stores } from "../../lib/storage/stores.ts";
import { toLogIndex, toTerm } from "../../lib/types.ts";
import { batch, entry, hardState, persist, tamper, withFolder } from "./support.ts";

function putEntry(index: number): Entry {
  const data = encodeCommand({ kind: "put", key: `key ${index}`, value: Uint8Array.of(index) });
  return { ...entry(index), data };
}

/** Opens both stores for one look. */
async function withStores<Result>(
  options: StoreOptions,
  work: (stores: Stores) => Result | Promise<Result>,
): Promise<Result> {
  const stores = openStores(options);
  try {
    return await work(stores);
  } finally {
    await stores.close();
  }
}

/** Persists and applies entries 1 to 3. */
function fill(options: StoreOptions): Promise<void> {
  return withStores(options, async ({ raft, keyValues }) => {
    const log = [1, 2, 3].map(putEntry);
    await persist(raft, batch(1, { hardState: hardState(1), entries: log }));
    new StateMachine(keyValues).apply(log);
  });
}

function removeFiles(folder: string, prefix: string): void {
  for (const { name } of Deno.readDirSync(folder)) {
    if (name.startsWith(prefix)) Deno.removeSync(join(folder, name), { recursive: true });
  }
}

Deno.test("openStores() creates the data folder, for this user only", () =>
  withFolder(async (options) => {
    const folder = join(options.folder, "above", "node");
    await withStores({ ...options, folder }, () => {});
    assert.equal((Deno.statSync(folder).mode ?? 0) & 0o777, 0o700);
  }));

Deno.test("openStores() gives back what both stores held", () =>
  withFolder(async (options) => {
    await fill(options);
    await withStores(options, ({ raft, keyValues }) => {
      assert.equal(raft.load().entries.length, 3);
      assert.equal(keyValues.appliedIndex, 3);
      assert.deepEqual(keyValues.get("key 2")?.value, Uint8Array.of(2));
    });
  }));

Deno.test("openStores() refuses a log that ends before what kv.db has applied", () =>
  withFolder(async (options) => {
    await fill(options);
    removeFiles(options.folder, "raft");
    await withFolder(async (older) => {
      await withStores(
        older,
        ({ raft }) => persist(raft, batch(1, { hardState: hardState(1), entries: [putEntry(1)] })),
      );
      Deno.renameSync(join(older.folder, "raft"), join(options.folder, "raft"));
      Deno.renameSync(join(older.folder, "raft.guard"), join(options.folder, "raft.guard"));
    });
    assert.throws(() => openStores(options), {
      name: "CorruptionError",
      message: /its log ends at entry 1, but kv\.db has applied entry 3.*cannot be made again/,
    });
  }));

Deno.test("openStores() refuses a missing log beside kv.db, though its guard is gone too", () =>
  withFolder(async (options) => {
    await fill(options);
    removeFiles(options.folder, "raft");
    assert.throws(() => openStores(options), {
      name: "CorruptionError",
      message: /raft: the log is missing, though kv\.db is there/,
    });
  }));

Deno.test("openStores() refuses a missing kv.db, and rebuilds it once it was moved away whole", () =>
  withFolder(async (options) => {
    await fill(options);
    Deno.removeSync(join(options.folder, "kv.db"));
    assert.throws(() => openStores(options), {
      name: "CorruptionError",
      message: /kv\.db: the file is missing.*rebuilds kv\.db from its own log/,
    });
    removeFiles(options.folder, "kv.db");
    await withStores(options, ({ raft, keyValues }) => {
      assert.equal(keyValues.appliedIndex, 0);
      new StateMachine(keyValues).apply(raft.load().entries);
      assert.deepEqual(keyValues.get("key 2")?.value, Uint8Array.of(2));
    });
  }));

Deno.test("openStores() makes kv.db anew where the log no longer reaches back, and says that it lacks the state", () =>
  withFolder(async (options) => {
    await fill(options);
    await withStores(options, ({ raft, lacksState }) => {
      assert.equal(lacksState, false);
      const logStart = {
        position: { index: toLogIndex(2), term: toTerm(1) },
        keepsRest: true,
        members: null,
      };
      return persist(raft, batch(9, { logStart }));
    });
    removeFiles(options.folder, "kv.db");
    for (let start = 0; start < 2; start++) {
      await withStores(options, ({ raft, keyValues, lacksState }) => {
        assert.equal(lacksState, true);
        assert.equal(keyValues.appliedIndex, 0);
        assert.deepEqual(raft.load().entries.map(({ index }) => index), [3]);
      });
    }
  }));

Deno.test("openStores() refuses a kv.db with a damaged row, and lets go of both", () =>
  withFolder(async (options) => {
    await fill(options);
    const database = { folder: options.folder, file: "kv.db" };
    tamper(database, "UPDATE kv SET version = 7 WHERE mod_revision = 2");
    const message = /kv\.db: the row of key "key 2" is damaged.*rebuilds kv\.db/;
    assert.throws(() => openStores(options), { name: "CorruptionError", message });
    tamper(database, "UPDATE kv SET version = 1 WHERE mod_revision = 2");
    await withStores(
      options,
      ({ keyValues }) => assert.equal(keyValues.appliedIndex, toLogIndex(3)),
    );
  }));

Deno.test("openStores() leaves the rows of a large kv.db to whoever reads them", () =>
  withFolder(async (options) => {
    await fill(options);
    const sql = `UPDATE kv SET value = zeroblob(${17 * 1024 * 1024}) WHERE mod_revision = 2`;
    tamper({ folder: options.folder, file: "kv.db" }, sql);
    await withStores(options, ({ keyValues }) => {
      assert.throws(() => keyValues.get("key 2"), CorruptionError);
      assert.deepEqual(keyValues.get("key 3")?.value, Uint8Array.of(3));
    });
  }));

Deno.test("openStores() lets go of the log when kv.db is refused", () =>
  withFolder(async (options) => {
    await fill(options);
    const path = join(options.folder, "kv.db");
    const whole = Deno.readFileSync(path);
    Deno.writeFileSync(path, whole.subarray(100));
    assert.throws(() => openStores(options), CorruptionError);
    Deno.writeFileSync(path, whole);
    await withStores(
      options,
      ({ keyValues }) => assert.equal(keyValues.appliedIndex, toLogIndex(3)),
    );
  }));
