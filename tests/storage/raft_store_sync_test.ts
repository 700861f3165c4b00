import assert, { deepEqual, equal } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { EnvironmentError } from "../../lib/errors.ts";
import type { LogFile, LogFiles } from "../../lib/storage/log/files.ts";
import type { StoreOptions } from "../../lib/storage/open_database.ts";
import { openRaftStore } from "../../lib/storage/raft_store.ts";
import { batch, findIn, hardState, withFolder } from "./support.ts";
import { settle } from "../support/settle.ts";

/** Files whose syncs end when the test says so. */
class HeldFiles implements LogFiles {
  readonly #files: LogFiles;
  readonly syncs: { readonly succeed: () => void; readonly fail: (error: Error) => void }[] = [];
  writes = 0;
  folderSyncs = 0;
  readonly #written = Promise.withResolvers<void>();
  /** Once anything was written. */
  readonly written: Promise<void> = this.#written.promise;

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
    this.folderSyncs += 1;
    return this.#files.sync();
  }

  open(name: string): LogFile {
    const file = this.#files.open(name);
    return {
      write: (bytes, offset) => {
        this.writes += 1;
        this.#written.resolve();
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

Deno.test("a file that was removed at the start is durably gone before the log goes on", () =>
  withFolder(async (options) => {
    openRaftStore(options).abandon();
    // A process ended when it had begun a second segment, and not yet said so in the first.
    const second = join(options.folder, "raft", "segment-0000000002");
    Deno.writeFileSync(second, new Uint8Array(0));
    const { store, files } = openHeld(options);
    deepEqual([existsSync(second), files.folderSyncs], [false, 0]);
    store.persist(batch(1, { hardState: hardState(1) }));
    deepEqual([files.folderSyncs, files.writes], [1, 0]);
    await files.written;
    files.syncs[0]?.succeed();
    await settle();
    store.persist(batch(2, { hardState: hardState(2) }));
    await settle();
    equal(files.folderSyncs, 1);
    store.abandon();
  }));
