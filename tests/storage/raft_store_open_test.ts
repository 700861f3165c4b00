import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { EnvironmentError, InputError } from "../../lib/errors.ts";
import { hasRaftStore, openRaftStore } from "../../lib/storage/raft_store.ts";
import { toClusterName, toNodeId } from "../../lib/types.ts";
import { batch, findAfter, findIn, hardState, persist, withFolder, withStore } from "./support.ts";

Deno.test("openRaftStore() refuses a folder that another store of this process uses", () =>
  withStore(async (store, options) => {
    const message = /data folder .* another process is using it .*Stop that node first/;
    assert.throws(() => openRaftStore(options), { name: "EnvironmentError", message });
    await persist(store, batch(1, { hardState: hardState(1) }));
    await store.close();
    openRaftStore(options).abandon();
  }));

Deno.test("openRaftStore() makes files that only their owner may read", () =>
  withStore((_, { folder }) => {
    const modeOf = (name: string) => (Deno.statSync(join(folder, name)).mode ?? 0) & 0o777;
    assert.equal(modeOf("raft"), 0o700);
    assert.equal(modeOf("raft/segment-0000000001"), 0o600);
    assert.equal(modeOf("raft.guard"), 0o600);
  }));

Deno.test("hasRaftStore() tells whether anything is left of what a node voted", () =>
  withFolder(async (options) => {
    const { folder } = options;
    assert.equal(hasRaftStore(folder), false);
    await openRaftStore(options).close();
    assert.equal(hasRaftStore(folder), true);
    Deno.removeSync(join(folder, "raft.guard"));
    assert.equal(hasRaftStore(folder), true);
    Deno.removeSync(join(folder, "raft"), { recursive: true });
    assert.equal(hasRaftStore(folder), false);
    Deno.writeTextFileSync(join(folder, "raft.db"), "an earlier version's");
    assert.equal(hasRaftStore(folder), true);
  }));

for (
  const [what, other] of [
    ["node", { node: toNodeId("server_2") }],
    ["cluster", { cluster: toClusterName("another") }],
  ] as const
) {
  Deno.test(`openRaftStore() refuses the folder of another ${what}, and leaves it as it was`, () =>
    withFolder(async (options) => {
      await findAfter(options, batch(1, { hardState: hardState(1) }));
      assert.throws(() => openRaftStore({ ...options, ...other }), (error: unknown) => {
        assert.ok(error instanceof InputError);
        assert.match(error.message, /belongs to node server_1 of cluster floe-test, not to node/);
        return true;
      });
      assert.deepEqual(findIn(options).hardState, hardState(1));
    }));
}

Deno.test("openRaftStore() refuses a format that it does not know, and takes no damage for one", () =>
  withFolder(async (options) => {
    await openRaftStore(options).close();
    const path = join(options.folder, "raft", "segment-0000000001");
    const bytes = Deno.readFileSync(path);
    bytes.set(encodeUtf8("floe log 2"));
    Deno.writeFileSync(path, bytes);
    assert.throws(() => openRaftStore(options), { name: "CorruptionError" });
    bytes.set(createHash("sha256").update(bytes.subarray(0, 32)).digest().subarray(0, 16), 32);
    Deno.writeFileSync(path, bytes);
    assert.throws(() => openRaftStore(options), {
      name: "EnvironmentError",
      message:
        /its format is 2, which this version of Floe does not know\. .*floe export > kv\.jsonl/,
    });
  }));

Deno.test("openRaftStore() refuses a folder that an earlier version of Floe wrote", () =>
  withFolder(({ folder, ...options }) => {
    Deno.writeTextFileSync(join(folder, "raft.db"), "SQLite format 3");
    const message =
      /an earlier version of Floe wrote it, which kept the log in raft\.db\. .*floe export > kv\.jsonl/;
    assert.throws(() => openRaftStore({ ...options, folder }), {
      name: "EnvironmentError",
      message,
    });
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["raft.db"]);
  }));

for (
  const [what, damage] of [
    ["whose log is gone", (folder) => Deno.removeSync(join(folder, "raft"), { recursive: true })],
    [
      "whose log is empty",
      (folder) => {
        Deno.removeSync(join(folder, "raft"), { recursive: true });
        Deno.mkdirSync(join(folder, "raft"));
      },
    ],
    [
      "whose log and guard are gone beside kv.db",
      (folder) => {
        Deno.writeTextFileSync(join(folder, "kv.db"), "");
        Deno.removeSync(join(folder, "raft"), { recursive: true });
        Deno.removeSync(join(folder, "raft.guard"));
      },
    ],
    [
      "whose guard is gone and whose log is damaged, beside kv.db",
      (folder) => {
        Deno.writeTextFileSync(join(folder, "kv.db"), "");
        Deno.truncateSync(join(folder, "raft", "segment-0000000001"), 10);
        Deno.removeSync(join(folder, "raft.guard"));
      },
    ],
  ] as readonly [string, (folder: string) => void][]
) {
  Deno.test(`openRaftStore() refuses a folder ${what}`, () =>
    withFolder(async (options) => {
      await findAfter(options, batch(1, { hardState: hardState(1) }));
      damage(options.folder);
      for (let start = 0; start < 2; start++) {
        assert.throws(() => openRaftStore(options), {
          name: "CorruptionError",
          message: /raft.*missing.*cannot be made again/s,
        });
      }
    }));
}

Deno.test("openRaftStore() makes a log again whose making was interrupted", () =>
  withFolder(({ folder, ...options }) => {
    const first = join(folder, "raft", "segment-0000000001");
    Deno.writeFileSync(join(folder, "raft.guard"), new Uint8Array(0));
    for (const left of [null, 0, 30, 100]) {
      if (left === null) Deno.mkdirSync(join(folder, "raft"));
      else Deno.truncateSync(first, left);
      Deno.truncateSync(join(folder, "raft.guard"), 0);
      assert.deepEqual(findIn({ ...options, folder }).entries, [], `${left} bytes`);
    }
  }));

Deno.test("openRaftStore() marks a log as made when only the mark is missing", () =>
  withFolder(async (options) => {
    await findAfter(options, batch(1, { hardState: hardState(4) }));
    Deno.removeSync(join(options.folder, "raft.guard"));
    assert.deepEqual(findIn(options).hardState, hardState(4));
    Deno.removeSync(join(options.folder, "raft"), { recursive: true });
    assert.throws(() => openRaftStore(options), { name: "CorruptionError" });
  }));

Deno.test("openRaftStore() refuses a data folder that is not there", () =>
  withFolder((options) => {
    const missing = { ...options, folder: join(options.folder, "missing") };
    assert.throws(() => openRaftStore(missing), EnvironmentError);
  }));
