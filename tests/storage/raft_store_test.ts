import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { InvariantError } from "../../lib/assert.ts";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { EnvironmentError, InputError } from "../../lib/errors.ts";
import type { PersistBatch } from "../../lib/raft/mod.ts";
import type { LogFile, LogFiles } from "../../lib/storage/log/files.ts";
import type { StoreOptions } from "../../lib/storage/open_database.ts";
import { hasRaftStore, openRaftStore, type RaftStore } from "../../lib/storage/raft_store.ts";
import { toClusterName, toEpoch, toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import {
  batch,
  certificate,
  copyAsIfKilled,
  entries,
  entry,
  findIn,
  grants,
  hardState,
  persist,
  withFolder,
} from "./support.ts";

/** Runs `work` with a store of its own. */
function withStore(
  work: (store: RaftStore, options: StoreOptions) => void | Promise<void>,
): Promise<void> {
  return withFolder(async (options) => {
    const store = openRaftStore(options);
    try {
      await work(store, options);
    } finally {
      await store.close();
    }
  });
}

/** What a start finds after these batches, and a normal end. */
async function findAfter(
  options: StoreOptions,
  ...batches: readonly PersistBatch[]
): Promise<ReturnType<typeof findIn>> {
  const store = openRaftStore(options);
  await persist(store, ...batches);
  await store.close();
  return findIn(options);
}

Deno.test("RaftStore is empty at first: term 0, no vote, no entries, no certificates", () =>
  withStore((store) => {
    assert.deepEqual(store.load(), {
      hardState: { currentTerm: 0, votedFor: null },
      logStart: { index: 0, term: 0 },
      members: null,
      entries: [],
      currentTermNote: null,
      grants: null,
    });
    assert.equal(store.lastIndex, 0);
    assert.deepEqual(store.elections({ limit: 10 }), []);
    assert.equal(store.election(toTerm(1)), null);
  }));

Deno.test("load() gives back after a restart exactly what was persisted", () =>
  withFolder(async (options) => {
    const log = [{ ...entry(1), kind: "certificate" as const }, ...entries(2, 5)];
    const written = {
      hardState: hardState(1, "server_2"),
      entries: log,
      certificates: [certificate(1)],
    };
    assert.deepEqual(await findAfter(options, batch(1, written)), {
      hardState: written.hardState,
      logStart: { index: 0, term: 0 },
      members: null,
      entries: log,
      currentTermNote: certificate(1).note,
      grants: null,
    });
  }));

Deno.test("load() gives back the grants of a term that has no certificate", () =>
  withFolder(async (options) => {
    const found = await findAfter(options, batch(1, { hardState: hardState(7) }));
    assert.deepEqual(found.grants, grants(7));
  }));

Deno.test("load() gives back the membership that grants are of, and what is known of the members", () =>
  withFolder(async (options) => {
    const membership = { byOld: "by 3\n\u2014 a b\n", byNew: "by 4\n" };
    const proof = { ...grants(7), epoch: toEpoch(4), membership };
    const position = { index: toLogIndex(1), term: toTerm(1) };
    const found = await findAfter(
      options,
      batch(1, { hardState: hardState(1), entries: entries(1, 2) }),
      batch(2, { hardState: hardState(7), grants: proof }),
      batch(3, { logStart: { position, keepsRest: true, members: '{"index":1}' } }),
    );
    assert.deepEqual(found.grants, proof);
    assert.equal(found.members, '{"index":1}');
    const amended = { ...proof, membership: { ...membership, byNew: null } };
    const later = batch(1, { hardState: hardState(8), grants: { ...amended, term: toTerm(8) } });
    assert.deepEqual((await findAfter(options, later)).grants, { ...amended, term: toTerm(8) });
  }));

Deno.test("RaftStore keeps entries of every kind", () =>
  withFolder(async (options) => {
    const kinds = ["certificate", "command", "configuration", "resharing"] as const;
    const log = kinds.map((kind, at) => ({ ...entry(at + 1), kind }));
    const found = await findAfter(options, batch(1, { hardState: hardState(1), entries: log }));
    assert.deepEqual(found.entries, log);
  }));

Deno.test("RaftStore refuses a term that nothing proves", () =>
  withFolder(async (options) => {
    const batches = [
      batch(1, { hardState: hardState(1) }),
      batch(2, { hardState: hardState(2), grants: null }),
    ];
    await assert.rejects(findAfter(options, ...batches), /nothing in it proves its term 2/);
  }));

Deno.test("load() gives back every batch when the process was killed, not closed", () =>
  withStore(async (store, options) => {
    for (let sequence = 1; sequence <= 10; sequence++) {
      const written = { hardState: hardState(sequence), entries: [entry(sequence, sequence)] };
      await persist(store, batch(sequence, written));
    }
    const found = findIn(copyAsIfKilled(options));
    assert.deepEqual(found.hardState, hardState(10));
    assert.deepEqual(found.entries.map(({ index, term }) => [index, term]).at(-1), [10, 10]);
    assert.equal(found.entries.length, 10);
  }));

Deno.test("load() may be asked once: what a start found is not kept", () =>
  withStore((store) => {
    store.load();
    assert.throws(() => store.load(), InvariantError);
  }));

Deno.test("load() has the current term's note only, not that of a term before", () =>
  withFolder(async (options) => {
    const found = await findAfter(
      options,
      batch(1, { hardState: hardState(1), certificates: [certificate(1)] }),
      batch(2, { hardState: hardState(2) }),
    );
    assert.equal(found.currentTermNote, null);
  }));

Deno.test("persist() replaces everything at or above the first new entry's index", () =>
  withFolder(async (options) => {
    const { entries: found } = await findAfter(
      options,
      batch(1, { hardState: hardState(1), entries: entries(1, 9) }),
      batch(2, { hardState: hardState(2), entries: entries(4, 5, 2) }),
    );
    assert.deepEqual(found, [...entries(1, 3), ...entries(4, 5, 2)]);
  }));

Deno.test("persist() keeps the hard state of a batch that has none", () =>
  withFolder(async (options) => {
    const found = await findAfter(
      options,
      batch(1, { hardState: hardState(3, "server_2") }),
      batch(2, { entries: entries(1, 1, 3) }),
    );
    assert.deepEqual(found.hardState, hardState(3, "server_2"));
  }));

Deno.test("persist() keeps a term's first certificate", () =>
  withStore(async (store) => {
    await persist(
      store,
      batch(1, { hardState: hardState(1), certificates: [certificate(1)] }),
      batch(2, { certificates: [{ ...certificate(1), note: "another signature\n" }] }),
    );
    assert.equal(store.election(toTerm(1)), certificate(1).note);
  }));

Deno.test("elections() lists notes by falling term, below a term, up to a limit", () =>
  withStore(async (store) => {
    const certificates = [2, 1, 8, 5].map(certificate);
    await persist(store, batch(1, { hardState: hardState(8), certificates }));
    const note = (term: number) => certificate(term).note;
    assert.deepEqual(store.elections({ limit: 10 }), [8, 5, 2, 1].map(note));
    assert.deepEqual(store.elections({ limit: 2 }), [8, 5].map(note));
    assert.deepEqual(store.elections({ limit: 2, before: toTerm(5) }), [2, 1].map(note));
    assert.deepEqual(store.elections({ limit: 2, before: toTerm(4) }), [2, 1].map(note));
    assert.equal(store.election(toTerm(3)), null);
  }));

for (
  const [what, parts] of [
    ["a gap in the log", { entries: [entry(4)] }],
    ["a gap in the batch", { entries: [entry(3), entry(5)] }],
    ["entries that are not in order", { entries: [entry(3), entry(2)] }],
    ["terms that fall", { hardState: hardState(3), entries: [entry(3, 3), entry(4, 2)] }],
    ["an entry of a term above the current one", { entries: [entry(3, 2)] }],
    ["a term that goes backward", { hardState: hardState(0) }],
    ["a second vote in one term", { hardState: hardState(1, "server_3") }],
    ["a vote that is taken back", { hardState: hardState(1, null) }],
    ["a sequence that was persisted already", { sequence: 1 }],
  ] as const
) {
  Deno.test(`persist() asserts that there is no ${what}, and writes nothing`, () =>
    withFolder(async (options) => {
      const store = openRaftStore(options);
      const first = { hardState: hardState(1, "server_2"), entries: entries(1, 2) };
      await persist(store, batch(1, first));
      const wrong = { ...batch(2, { certificates: [certificate(1)] }), ...parts };
      assert.throws(() => store.persist(wrong), InvariantError);
      assert.equal(store.election(toTerm(1)), null);
      await store.close();
      assert.deepEqual(findIn(options), {
        ...first,
        logStart: { index: 0, term: 0 },
        members: null,
        currentTermNote: null,
        grants: grants(1),
      });
    }));
}

/** Files whose syncs end when the test says so. */
class HeldFiles implements LogFiles {
  readonly #files: LogFiles;
  readonly syncs: { readonly succeed: () => void; readonly fail: (error: Error) => void }[] = [];
  writes = 0;

  constructor(files: LogFiles) {
    this.#files = files;
  }

  list(): readonly string[] {
    return this.#files.list();
  }

  read(name: string): Uint8Array {
    return this.#files.read(name);
  }

  create(name: string, bytes: Uint8Array): void {
    this.#files.create(name, bytes);
  }

  remove(name: string): void {
    this.#files.remove(name);
  }

  sync(): Promise<void> {
    return this.#files.sync();
  }

  open(name: string): LogFile {
    const file = this.#files.open(name);
    return {
      write: (bytes, offset) => {
        this.writes += 1;
        return file.write(bytes, offset);
      },
      sync: () => new Promise((succeed, fail) => this.syncs.push({ succeed, fail })),
      cut: (offset) => file.cut(offset),
      close: () => file.close(),
    };
  }
}

/** A store on held files, and what it says of its batches. */
function openHeld(options: StoreOptions) {
  const held: HeldFiles[] = [];
  const store = openRaftStore(options, (files) => {
    const wrapped = new HeldFiles(files);
    held.push(wrapped);
    return wrapped;
  });
  const [files] = held;
  assert.ok(files);
  const said: string[] = [];
  store.use({
    persisted: (sequence) => said.push(`persisted ${sequence}`),
    failed: ({ message }) => said.push(`failed ${message}`),
  });
  return { store, files, said };
}

/** Lets every promise that can settle do so. */
const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

Deno.test("persist() returns at once, and a batch counts when its sync has ended, not before", () =>
  withFolder(async (options) => {
    const { store, files, said } = openHeld(options);
    store.persist(batch(1, { hardState: hardState(1) }));
    await settle();
    assert.deepEqual([files.writes, said], [1, []]);
    files.syncs[0]?.succeed();
    await settle();
    assert.deepEqual(said, ["persisted 1"]);
    store.abandon();
  }));

Deno.test("persist() collects batches while one is synced, and writes them as one record", () =>
  withFolder(async (options) => {
    const { store, files, said } = openHeld(options);
    for (const sequence of [1, 2, 3]) {
      store.persist(batch(sequence, { hardState: hardState(sequence) }));
    }
    await settle();
    assert.equal(files.writes, 1, "one record at a time is on its way");
    files.syncs[0]?.succeed();
    await settle();
    assert.deepEqual([files.writes, said], [2, ["persisted 1"]]);
    files.syncs[1]?.succeed();
    await settle();
    assert.deepEqual(said, ["persisted 1", "persisted 3"]);
    store.abandon();
    assert.deepEqual(findIn(options).hardState, hardState(3));
  }));

Deno.test("a failed sync is the last use of a store, and no sync is tried again", () =>
  withFolder(async (options) => {
    const { store, files, said } = openHeld(options);
    store.persist(batch(1, { hardState: hardState(1) }));
    store.persist(batch(2, { hardState: hardState(2) }));
    await settle();
    files.syncs[0]?.fail(new Error("the disk is gone"));
    await settle();
    assert.equal(said.length, 1);
    assert.match(said[0] ?? "", /failed Cannot write in .*raft: the disk is gone.*must stop/);
    assert.throws(() => store.persist(batch(3, {})), (error: unknown) => {
      assert.ok(error instanceof EnvironmentError);
      assert.match(error.message, /it failed before .* The first failure: .*the disk is gone/);
      return true;
    });
    await settle();
    assert.deepEqual([files.writes, files.syncs.length, said.length], [1, 1, 1]);
    await store.close();
    assert.equal(files.writes, 1);
  }));

Deno.test("close() waits for what is on its way, and makes it durable", () =>
  withFolder(async (options) => {
    const { store, files, said } = openHeld(options);
    store.persist(batch(1, { hardState: hardState(1) }));
    store.persist(batch(2, { hardState: hardState(2) }));
    const closed = store.close();
    for (let sync = 0; sync < 3; sync++) {
      await settle();
      files.syncs[sync]?.succeed();
    }
    await closed;
    assert.deepEqual(said, ["persisted 1", "persisted 2"]);
    assert.throws(() => store.persist(batch(3, {})), /it is closed/);
    await store.close();
  }));

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
      message: /its format is 2, which this version of Floe does not know. Start the node with/,
    });
  }));

Deno.test("openRaftStore() refuses a folder that an earlier version of Floe wrote", () =>
  withFolder(({ folder, ...options }) => {
    Deno.writeTextFileSync(join(folder, "raft.db"), "SQLite format 3");
    const message = /an earlier version of Floe wrote it, which kept the log in raft\.db/;
    assert.throws(() => openRaftStore({ ...options, folder }), {
      name: "EnvironmentError",
      message,
    });
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
      "raft.db",
      "raft.guard",
    ]);
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
