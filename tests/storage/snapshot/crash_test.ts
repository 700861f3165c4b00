import assert from "node:assert/strict";
import { join } from "node:path";
import type { StoreOptions } from "../../../lib/storage/open_database.ts";
import type { SnapshotFile } from "../../../lib/storage/snapshot/snapshot_file.ts";
import { openStores } from "../../../lib/storage/stores.ts";
import { batch, copyAsIfKilled, hardState, persist, type TestNode, withNode } from "../support.ts";
import { type Made, send, snapshotFiles, startAfter, withMade, write } from "./support.ts";

/** A process that dies anywhere between a snapshot's first chunk and its place as kv.db. */

const COUNT = 30;

/** A receiver that holds entries of its own, which the snapshot is to replace. */
function withOldReceiver(work: (parts: Made) => Promise<void>): Promise<void> {
  return withMade(COUNT, async (parts) => {
    await write(parts.node, 3);
    await work(parts);
  });
}

async function arrive({ made, node, snapshot }: Made): Promise<void> {
  send(snapshot, { from: made, to: node });
  await node.snapshots.finish(snapshot);
}

/** Settles when the log says durably that it starts at the snapshot. */
function persistStart({ raft }: TestNode, snapshot: SnapshotFile): Promise<void> {
  const logStart = startAfter(snapshot);
  return persist(raft, batch(1_000_000, { hardState: hardState(1), logStart }));
}

/** A next start must find the snapshot in the place of kv.db, and nothing left over. */
async function findsInstalled(left: StoreOptions, { made, snapshot }: Made): Promise<void> {
  await withNode(left, async (node) => {
    assert.equal(node.writtenIndex, snapshot.index);
    assert.equal(node.digest, made.digest);
    assert.deepEqual(node.raft.load().entries, []);
    assert.deepEqual(node.raft.logStart, startAfter(snapshot).position);
    await write(node, 1);
  });
  // Once more: the first start must have left it durable and whole.
  await withNode(left, ({ writtenIndex }) => assert.equal(writtenIndex, COUNT + 1));
  assert.deepEqual(snapshotFiles(left), []);
}

/** A next start must find what was before, from where the snapshot can come again. */
async function findsOld(left: StoreOptions, parts: Made, files: readonly string[]): Promise<void> {
  await withNode(left, async (node) => {
    assert.equal(node.writtenIndex, 3);
    assert.equal(node.raft.load().entries.length, 3);
    assert.deepEqual(snapshotFiles(left), files);
    await arrive({ ...parts, node });
    await persistStart(node, parts.snapshot);
    node.install(parts.snapshot);
    assert.equal(node.digest, parts.made.digest);
  });
}

Deno.test("a start goes on with a snapshot of which a part has arrived", () =>
  withOldReceiver(async (parts) => {
    const { made, receiver, node, snapshot } = parts;
    send(snapshot, { from: made, to: node, until: 20_000 });
    const left = copyAsIfKilled(receiver);
    await withNode(left, ({ snapshots }) => {
      const next = snapshots.store({ snapshot, offset: 0, data: new Uint8Array(0) });
      assert.equal(next, 20_000);
    });
    await findsOld(left, parts, ["incoming", "incoming.name"]);
  }));

Deno.test("a start removes a snapshot that was being checked", () =>
  withOldReceiver(async (parts) => {
    const { made, receiver, node, snapshot } = parts;
    send(snapshot, { from: made, to: node });
    const finished = node.snapshots.finish(snapshot);
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
    Deno.renameSync(join(folder, `ready-${COUNT}-1`), join(folder, "checking-1"));
    await findsOld(left, parts, []);
  }));

Deno.test("a start removes a ready snapshot of which the log does not know", () =>
  withOldReceiver(async (parts) => {
    await arrive(parts);
    const left = copyAsIfKilled(parts.receiver);
    assert.deepEqual(snapshotFiles(left), [`ready-${COUNT}-1`]);
    await findsOld(left, parts, []);
  }));

Deno.test("a start installs a snapshot once it says that the log starts there", () =>
  withOldReceiver(async (parts) => {
    await arrive(parts);
    await persistStart(parts.node, parts.snapshot);
    await findsInstalled(copyAsIfKilled(parts.receiver), parts);
  }));

Deno.test("a start installs a snapshot when kv.db was closed and linked, but not yet replaced", () =>
  withOldReceiver(async (parts) => {
    const { receiver, node, snapshot } = parts;
    await arrive(parts);
    await persistStart(node, snapshot);
    // What install() does up to its rename.
    await node.stores.tables.close();
    const left = copyAsIfKilled(receiver);
    Deno.linkSync(join(left.folder, "kv.db"), join(left.folder, "snapshots", "replaced"));
    await findsInstalled(left, parts);
  }));

Deno.test("a start installs a snapshot again when it dies in doing so", () =>
  withOldReceiver(async (parts) => {
    await arrive(parts);
    await persistStart(parts.node, parts.snapshot);
    const left = copyAsIfKilled(parts.receiver);
    const ready = join(left.folder, "snapshots", `ready-${COUNT}-1`);
    const whole = Deno.readFileSync(ready);
    Deno.removeSync(ready);
    Deno.mkdirSync(ready);
    await assert.rejects(openStores(left), { name: "EnvironmentError" });
    Deno.removeSync(ready);
    Deno.writeFileSync(ready, whole);
    await findsInstalled(left, parts);
  }));

Deno.test("a start takes a snapshot that is in the place of kv.db, and removes what it replaced", () =>
  withOldReceiver(async (parts) => {
    const { receiver, node, snapshot } = parts;
    await arrive(parts);
    await persistStart(node, snapshot);
    node.install(snapshot);
    await node.stores.tables.close();
    const left = copyAsIfKilled(receiver);
    Deno.writeTextFileSync(join(left.folder, "snapshots", "replaced"), "the old kv.db");
    Deno.writeTextFileSync(join(left.folder, "snapshots", "ready-7-1"), "an older snapshot");
    await findsInstalled(left, parts);
  }));

Deno.test("a start refuses a kv.db that is behind the log's start when there is no snapshot", () =>
  withOldReceiver(async (parts) => {
    await arrive(parts);
    await persistStart(parts.node, parts.snapshot);
    const left = copyAsIfKilled(parts.receiver);
    const ready = join(left.folder, "snapshots", `ready-${COUNT}-1`);
    for (const lose of [() => Deno.renameSync(ready, `${ready.slice(0, -2)}9-1`), () => {}]) {
      lose();
      await assert.rejects(openStores(left), {
        name: "CorruptionError",
        message:
          /kv\.db: it has applied entry 3, but the log starts after entry 30.*a snapshot that the leader/,
      });
    }
  }));

Deno.test("a start keeps a kv.db that is ahead of a ready snapshot at the log's start", () =>
  withOldReceiver(async (parts) => {
    const { receiver, node, snapshot } = parts;
    await arrive(parts);
    const older = join(receiver.folder, "snapshots", `ready-${COUNT}-1`);
    const whole = Deno.readFileSync(older);
    await persistStart(node, snapshot);
    node.install(snapshot);
    await node.stores.close();
    await withNode(receiver, (again) => write(again, 5));
    Deno.writeFileSync(older, whole);
    await withNode(copyAsIfKilled(receiver), ({ writtenIndex }) => {
      assert.equal(writtenIndex, COUNT + 5);
    });
  }));

Deno.test("a compacted log and its kv.db are found again, and kv.db may not be older", () =>
  withMade(COUNT, async ({ maker, made }) => {
    const older = Deno.readFileSync(join(copyAsIfKilled(maker).folder, "kv.db"));
    await write(made, 10);
    const { position } = startAfter({ index: made.store.appliedIndex } as SnapshotFile);
    made.raft.persist(batch(COUNT + 2, { logStart: { position, keepsRest: true, members: null } }));
    await write(made, 1);
    await persist(made.raft, batch(COUNT + 100, {}));
    const left = copyAsIfKilled(maker);
    await withNode(left, (node) => {
      assert.equal(node.writtenIndex, COUNT + 11);
      assert.equal(node.raft.load().entries.length, 1);
      assert.equal(node.digest, made.digest);
    });
    Deno.writeFileSync(join(left.folder, "kv.db"), older);
    await assert.rejects(openStores(left), { name: "CorruptionError" });
  }));
