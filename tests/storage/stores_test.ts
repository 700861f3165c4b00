import assert from "node:assert/strict";
import { join } from "node:path";
import { encodeUtf8 } from "../../lib/bytes.ts";
import type { Entry } from "../../lib/raft/entry.ts";
import type { StoreOptions } from "../../lib/storage/open_database.ts";
import { CorruptionError } from "../../lib/storage/storage_error.ts";
import { openStores } from "../../lib/storage/stores.ts";
import { toLogIndex, toTerm } from "../../lib/types.ts";
import { entryOf, putCommand } from "../kv/support.ts";
import {
  batch,
  hardState,
  persist,
  tamper,
  type TestNode,
  withFolder,
  withNode,
} from "./support.ts";

function putEntry(index: number): Entry {
  return entryOf(index, putCommand(`key ${index}`, Uint8Array.of(index)));
}

function valueOf({ store: { keys } }: TestNode, key: string): Uint8Array | null {
  const handle = keys.get(encodeUtf8(key));
  return handle === 0 ? null : keys.records.copy(handle).value;
}

/** Persists and applies entries 1 to 3. */
function fill(options: StoreOptions): Promise<void> {
  return withNode(options, async (node) => {
    const log = [1, 2, 3].map(putEntry);
    await persist(node.raft, batch(1, { hardState: hardState(1), entries: log }));
    await node.apply(log);
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
    await withNode({ ...options, folder }, () => {});
    assert.equal((Deno.statSync(folder).mode ?? 0) & 0o777, 0o700);
  }));

Deno.test("openStores() gives back what both stores held", () =>
  withFolder(async (options) => {
    await fill(options);
    await withNode(options, (node) => {
      assert.equal(node.raft.load().entries.length, 3);
      assert.equal(node.writtenIndex, 3);
      assert.deepEqual(valueOf(node, "key 2"), Uint8Array.of(2));
    });
  }));

Deno.test("openStores() refuses a log that ends before what kv.db has applied", () =>
  withFolder(async (options) => {
    await fill(options);
    removeFiles(options.folder, "raft");
    await withFolder(async (older) => {
      await withNode(
        older,
        ({ raft }) => persist(raft, batch(1, { hardState: hardState(1), entries: [putEntry(1)] })),
      );
      Deno.renameSync(join(older.folder, "raft"), join(options.folder, "raft"));
      Deno.renameSync(join(older.folder, "raft.guard"), join(options.folder, "raft.guard"));
    });
    await assert.rejects(openStores(options), {
      name: "CorruptionError",
      message: /its log ends at entry 1, but kv\.db has applied entry 3.*cannot be made again/,
    });
  }));

Deno.test("openStores() refuses a missing log beside kv.db, though its guard is gone too", () =>
  withFolder(async (options) => {
    await fill(options);
    removeFiles(options.folder, "raft");
    await assert.rejects(openStores(options), {
      name: "CorruptionError",
      message: /raft: the log is missing, though kv\.db is there/,
    });
  }));

Deno.test("openStores() refuses a missing kv.db, and rebuilds it once it was moved away whole", () =>
  withFolder(async (options) => {
    await fill(options);
    Deno.removeSync(join(options.folder, "kv.db"));
    await assert.rejects(openStores(options), {
      name: "CorruptionError",
      message: /kv\.db: the file is missing.*rebuilds kv\.db from its own log/,
    });
    removeFiles(options.folder, "kv.db");
    await withNode(options, async (node) => {
      assert.equal(node.writtenIndex, 0);
      await node.apply(node.raft.load().entries);
      assert.deepEqual(valueOf(node, "key 2"), Uint8Array.of(2));
    });
  }));

Deno.test("openStores() makes kv.db anew where the log no longer reaches back, and says that it lacks the state", () =>
  withFolder(async (options) => {
    await fill(options);
    await withNode(options, ({ raft, stores }) => {
      assert.equal(stores.lacksState, false);
      const position = { index: toLogIndex(2), term: toTerm(1) };
      const logStart = { position, keepsRest: true, members: null };
      return persist(raft, batch(9, { logStart }));
    });
    removeFiles(options.folder, "kv.db");
    for (let start = 0; start < 2; start++) {
      await withNode(options, ({ raft, stores, writtenIndex }) => {
        assert.equal(stores.lacksState, true);
        assert.equal(writtenIndex, 0);
        assert.deepEqual(raft.load().entries.map(({ index }) => index), [3]);
      });
    }
  }));

Deno.test("openStores() refuses a kv.db with a damaged row, and lets go of both", () =>
  withFolder(async (options) => {
    await fill(options);
    const path = join(options.folder, "kv.db");
    const whole = Deno.readFileSync(path);
    tamper(
      { folder: options.folder, file: "kv.db" },
      "UPDATE keys SET row = zeroblob(50) WHERE rowid = 2",
    );
    const message = /kv\.db: the row of key "key 2" is damaged.*rebuilds kv\.db/;
    await assert.rejects(openStores(options), { name: "CorruptionError", message });
    removeFiles(options.folder, "kv.db-");
    Deno.writeFileSync(path, whole);
    await withNode(options, ({ writtenIndex }) => assert.equal(writtenIndex, 3));
  }));

Deno.test("openStores() checks every row of a kv.db of any size", () =>
  withFolder(async (options) => {
    await fill(options);
    const database = { folder: options.folder, file: "kv.db" };
    tamper(database, "CREATE TABLE large (id); INSERT INTO large VALUES (zeroblob(70000000))");
    tamper(database, "UPDATE keys SET row = zeroblob(50) WHERE rowid = 2");
    await assert.rejects(openStores(options), { message: /the row of key "key 2" is damaged/ });
  }));

Deno.test("a store that is behind its tables' log catches up from the log alone", () =>
  withFolder(async (options) => {
    await fill(options);
    const last = putEntry(4);
    await withNode(
      options,
      ({ raft }) => persist(raft, batch(1, { hardState: hardState(1), entries: [last] })),
    );
    await withNode(options, async (node) => {
      assert.equal(node.store.appliedIndex, 3);
      await node.apply([last]);
      assert.equal(node.writtenIndex, 4);
    });
  }));

Deno.test("openStores() lets go of the log when kv.db is refused", () =>
  withFolder(async (options) => {
    await fill(options);
    const path = join(options.folder, "kv.db");
    const whole = Deno.readFileSync(path);
    Deno.writeFileSync(path, whole.subarray(100));
    await assert.rejects(openStores(options), CorruptionError);
    Deno.writeFileSync(path, whole);
    await withNode(options, ({ writtenIndex }) => assert.equal(writtenIndex, 3));
  }));
