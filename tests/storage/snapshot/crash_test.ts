import assert from "node:assert/strict";
import { join } from "node:path";
import type { StoreOptions } from "../../../lib/storage/open_database.ts";
import type { SnapshotFile } from "../../../lib/storage/snapshot/snapshot_file.ts";
import { openStores, type Stores } from "../../../lib/storage/stores.ts";
import { batch, copyAsIfKilled, entries, hardState } from "../support.ts";
import {
  type Made,
  send,
  settled,
  snapshotFiles,
  startAfter,
  stateOf,
  withMade,
  withStores,
  write,
} from "./support.ts";

/** A process that dies anywhere between a snapshot's first chunk and its place as kv.db. */

const COUNT = 30;

/** A receiver that holds entries of its own, which the snapshot is to replace. */
function withOldReceiver(work: (parts: Made) => Promise<void>): Promise<void> {
  return withMade(COUNT, (parts) => {
    write(parts.stores, 3);
    return work(parts);
  });
}

async function arrive({ made, stores, snapshot }: Made): Promise<void> {
  send(snapshot, { from: made, to: stores });
  await stores.snapshots.finish(snapshot);
}

function persistStart(stores: Stores, snapshot: SnapshotFile): void {
  const sequence = 1_000_000;
  stores.raft.persist(batch(sequence, { hardState: hardState(1), logStart: startAfter(snapshot) }));
}

/** A next start must find the snapshot in the place of kv.db, and nothing left over. */
async function findsInstalled(left: StoreOptions, { made, snapshot }: Made): Promise<void> {
  await withStores(left, (stores) => {
    assert.equal(stores.keyValues.appliedIndex, snapshot.index);
    assert.equal(stateOf(stores), stateOf(made));
    assert.deepEqual(stores.raft.load().entries, []);
    assert.deepEqual(stores.raft.logStart, startAfter(snapshot).position);
    write(stores, 1);
  });
  // Once more: the first start must have left it durable and whole.
  await withStores(left, ({ keyValues }) => assert.equal(keyValues.appliedIndex, COUNT + 1));
  assert.deepEqual(snapshotFiles(left), []);
}

/** A next start must find what was before, from where the snapshot can come again. */
async function findsOld(left: StoreOptions, parts: Made, files: readonly string[]): Promise<void> {
  await withStores(left, async (stores) => {
    assert.equal(stores.keyValues.appliedIndex, 3);
    assert.equal(stores.raft.load().entries.length, 3);
    assert.deepEqual(snapshotFiles(left), files);
    await arrive({ ...parts, stores });
    persistStart(stores, parts.snapshot);
    stores.installSnapshot(parts.snapshot);
    assert.equal(stateOf(stores), stateOf(parts.made));
  });
}

Deno.test("a start goes on with a snapshot of which a part has arrived", () =>
  withOldReceiver(async (parts) => {
    const { made, receiver, stores, snapshot } = parts;
    send(snapshot, { from: made, to: stores, until: 20_000 });
    const left = copyAsIfKilled(receiver);
    await withStores(left, ({ snapshots }) => {
      const next = snapshots.store({ snapshot, offset: 0, data: new Uint8Array(0) });
      assert.equal(next, 20_000);
    });
    await findsOld(left, parts, ["incoming", "incoming.name"]);
  }));

Deno.test("a start removes a snapshot that was being checked", () =>
  withOldReceiver(async (parts) => {
    const { made, receiver, stores, snapshot } = parts;
    send(snapshot, { from: made, to: stores });
    const finished = stores.snapshots.finish(snapshot);
    const left = copyAsIfKilled(receiver);
    assert.deepEqual(snapshotFiles(left), ["checking-1"]);
    await finished;
    await findsOld(left, parts, []);
  }));

Deno.test("a start removes a snapshot that was made this node's own, but not named so", () =>
  withOldReceiver(async (parts) => {
    await arrive(parts);
    const left = copyAsIfKilled(parts.receiver);
    const folder = join(left.folder, "snapshots");
    Deno.renameSync(join(folder, `ready-${COUNT}`), join(folder, "checking-1"));
    await findsOld(left, parts, []);
  }));

Deno.test("a start removes a ready snapshot of which the log does not know", () =>
  withOldReceiver(async (parts) => {
    await arrive(parts);
    const left = copyAsIfKilled(parts.receiver);
    assert.deepEqual(snapshotFiles(left), [`ready-${COUNT}`]);
    await findsOld(left, parts, []);
  }));

Deno.test("a start installs a snapshot once it says that the log starts there", () =>
  withOldReceiver(async (parts) => {
    await arrive(parts);
    persistStart(parts.stores, parts.snapshot);
    await findsInstalled(copyAsIfKilled(parts.receiver), parts);
  }));

Deno.test("a start installs a snapshot when kv.db was closed and linked, but not yet replaced", () =>
  withOldReceiver(async (parts) => {
    const { receiver, stores, snapshot } = parts;
    await arrive(parts);
    persistStart(stores, snapshot);
    // What install() does up to its rename.
    stores.keyValues.close();
    const left = copyAsIfKilled(receiver);
    Deno.linkSync(join(left.folder, "kv.db"), join(left.folder, "snapshots", "replaced"));
    await findsInstalled(left, parts);
  }));

Deno.test("a start installs a snapshot again when it dies in doing so", () =>
  withOldReceiver(async (parts) => {
    await arrive(parts);
    persistStart(parts.stores, parts.snapshot);
    const left = copyAsIfKilled(parts.receiver);
    const ready = join(left.folder, "snapshots", `ready-${COUNT}`);
    const whole = Deno.readFileSync(ready);
    Deno.removeSync(ready);
    Deno.mkdirSync(ready);
    assert.throws(() => openStores(left), { name: "EnvironmentError", message: /in the place of/ });
    Deno.removeSync(ready);
    Deno.writeFileSync(ready, whole);
    await findsInstalled(left, parts);
  }));

Deno.test("a start takes a snapshot that is in the place of kv.db, and removes what it replaced", () =>
  withOldReceiver(async (parts) => {
    const { receiver, stores, snapshot } = parts;
    await arrive(parts);
    persistStart(stores, snapshot);
    stores.installSnapshot(snapshot);
    const left = copyAsIfKilled(receiver);
    Deno.writeTextFileSync(join(left.folder, "snapshots", "replaced"), "the old kv.db");
    Deno.writeTextFileSync(join(left.folder, "snapshots", "ready-7"), "an older snapshot");
    await findsInstalled(left, parts);
  }));

Deno.test("a start refuses a kv.db that is behind the log's start when there is no snapshot", () =>
  withOldReceiver(async (parts) => {
    await arrive(parts);
    persistStart(parts.stores, parts.snapshot);
    const left = copyAsIfKilled(parts.receiver);
    const ready = join(left.folder, "snapshots", `ready-${COUNT}`);
    for (const lose of [() => Deno.renameSync(ready, `${ready}9`), () => {}]) {
      lose();
      assert.throws(() => openStores(left), {
        name: "CorruptionError",
        message:
          /kv\.db: it has applied entry 3, but the log starts after entry 30.*a snapshot that the leader/,
      });
    }
  }));

Deno.test("a start keeps a kv.db that is ahead of a ready snapshot at the log's start", () =>
  withOldReceiver(async (parts) => {
    const { receiver, stores, snapshot } = parts;
    await arrive(parts);
    const older = join(receiver.folder, "snapshots", `ready-${COUNT}`);
    const whole = Deno.readFileSync(older);
    persistStart(stores, snapshot);
    stores.installSnapshot(snapshot);
    const following = entries(COUNT + 1, COUNT + 5);
    stores.raft.persist(batch(1_000_001, { entries: following }));
    stores.keyValues.transaction(following.at(-1)?.index ?? snapshot.index, () => {});
    await settled(stores, 1_000_002);
    Deno.writeFileSync(older, whole);
    await withStores(copyAsIfKilled(receiver), ({ keyValues }) => {
      assert.equal(keyValues.appliedIndex, COUNT + 5);
    });
  }));

Deno.test("a compacted log and its kv.db are found again, and kv.db may not be older", () =>
  withMade(COUNT, async ({ maker, made }) => {
    const older = Deno.readFileSync(join(copyAsIfKilled(maker).folder, "kv.db"));
    write(made, 10);
    const position = {
      ...startAfter({ index: made.keyValues.checkpoint() } as SnapshotFile).position,
    };
    made.raft.persist(batch(COUNT + 2, { logStart: { position, keepsRest: true, members: null } }));
    write(made, 1);
    await settled(made, COUNT + 100);
    const left = copyAsIfKilled(maker);
    await withStores(left, (stores) => {
      assert.equal(stores.keyValues.appliedIndex, COUNT + 11);
      assert.equal(stores.raft.load().entries.length, 1);
      assert.equal(stateOf(stores), stateOf(made));
    });
    Deno.writeFileSync(join(left.folder, "kv.db"), older);
    assert.throws(() => openStores(left), { name: "CorruptionError" });
  }));
