import fc from "fast-check";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { InvariantError } from "../../../lib/assert.ts";
import { encodeHex } from "../../../lib/bytes.ts";
import { Store } from "../../../lib/kv/store.ts";
import { checkStore } from "../../../lib/kv/store_invariants.ts";
import { TableWriter } from "../../../lib/kv/store_tables.ts";
import type { SnapshotFile } from "../../../lib/storage/snapshot/snapshot_file.ts";
import { toLogIndex, toNodeId } from "../../../lib/types.ts";
import { entryOf, putCommand } from "../../kv/support.ts";
import {
  batch,
  copyAsIfKilled,
  findText,
  flipBit,
  hardState,
  persist,
  type TestNode,
  withNode,
} from "../support.ts";
import {
  send,
  snapshotFiles,
  startAfter,
  withArrived,
  withMade,
  withPair,
  write,
} from "./support.ts";

/** What a node does with a snapshot that is all there. */
async function receive(node: TestNode, snapshot: SnapshotFile): Promise<void> {
  await node.snapshots.finish(snapshot);
  const logStart = startAfter(snapshot);
  const sequence = snapshot.index;
  node.raft.persist(batch(sequence, { hardState: hardState(1), logStart }));
  node.install(snapshot);
}

Deno.test("a snapshot gives another node the same state, in chunks of any size", async () => {
  const sizes = fc.record({
    counts: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 3 }),
    chunkBytes: fc.integer({ min: 997, max: 200_000 }),
  });
  const property = fc.asyncProperty(
    sizes,
    ({ counts, chunkBytes }) =>
      withPair(({ maker, receiver }) =>
        withNode(maker, (from) =>
          withNode(receiver, async (to) => {
            for (const count of counts) {
              await write(from, count);
              const snapshot = await from.snapshots.make();
              send(snapshot, { from, to, chunkBytes });
              await receive(to, snapshot);
              assert.equal(to.digest, from.digest);
              assert.equal(to.store.appliedIndex, from.store.appliedIndex);
              checkStore(to.store);
            }
            await write(to, 1);
            await write(from, 1);
            assert.equal(to.digest, from.digest);
          }))
      ),
  );
  await fc.assert(property, { numRuns: 5 });
});

Deno.test("make() names what read() reads", () =>
  withPair(({ maker }) =>
    withNode(maker, async (node) => {
      await write(node, 100);
      const snapshot = await node.snapshots.make();
      const data = node.snapshots.read({ snapshot, offset: 0, bytesMax: 10_000_000 });
      assert.ok(data !== null);
      assert.equal(snapshot.index, 100);
      assert.equal(snapshot.bytes, data.length);
      assert.equal(encodeHex(snapshot.sha256), createHash("sha256").update(data).digest("hex"));
      assert.deepEqual(snapshotFiles(maker), ["outgoing"]);
    })
  ));

Deno.test("make() copies the state of one moment while the store goes on", () =>
  withPair(({ maker, receiver }) =>
    withNode(maker, async (from) => {
      await write(from, 3000);
      const states = new Map<number, string>([[3000, from.digest]]);
      let isMade = false;
      const making = from.snapshots.make().finally(() => isMade = true);
      for (let round = 0; !isMade; round++) {
        // Some by a large transaction, which makes a checkpoint due, and some by small ones.
        await write(from, round % 4 === 0 ? 900 : 10);
        states.set(from.store.appliedIndex, from.digest);
      }
      const snapshot = await making;
      await withNode(receiver, async (to) => {
        send(snapshot, { from, to, chunkBytes: 100_000 });
        await receive(to, snapshot);
        assert.equal(to.digest, states.get(snapshot.index));
      });
      // The file is held no more.
      await write(from, 10);
      await from.snapshots.make();
    })
  ));

Deno.test("make() is asked for one snapshot at a time", () =>
  withPair(({ maker }) =>
    withNode(maker, async (node) => {
      const first = node.snapshots.make();
      await assert.rejects(node.snapshots.make(), InvariantError);
      await first;
      await node.snapshots.make();
    })
  ));

Deno.test("read() reads the newest snapshot and no other, and nothing beyond its end", () =>
  withPair(({ maker }) =>
    withNode(maker, async (node) => {
      const { snapshots } = node;
      await write(node, 10);
      const first = await snapshots.make();
      const at = (snapshot: SnapshotFile, offset: number) =>
        snapshots.read({ snapshot, offset, bytesMax: 100 })?.length;
      assert.equal(at(first, 0), 100);
      assert.equal(at(first, first.bytes - 1), 1);
      assert.equal(at(first, first.bytes), 0);
      assert.equal(at(first, first.bytes + 1000), 0);
      await write(node, 10);
      const second = await snapshots.make();
      assert.equal(at(first, 0), undefined);
      assert.equal(at(second, 0), 100);
    })
  ));

Deno.test("make() sends no damage of this node's disk to others", () =>
  withPair(async ({ maker }) => {
    await withNode(maker, async (node) => {
      await write(node, 100);
      await node.snapshots.make();
      // What is read once is not read again until a start, or a snapshot.
      flipBit(join(maker.folder, "kv.db"), findText(join(maker.folder, "kv.db"), "key 50"));
      const message = /kv\.db: a copy of it is no good/;
      await assert.rejects(node.snapshots.make(), { name: "CorruptionError", message });
    });
  }));

Deno.test("make() fails when the tables are replaced meanwhile, and the node goes on", () =>
  withArrived(50, async ({ node, snapshot }) => {
    await node.snapshots.finish(snapshot);
    node.raft.persist(batch(1, { hardState: hardState(1), logStart: startAfter(snapshot) }));
    const making = assert.rejects(node.snapshots.make(), {
      name: "EnvironmentError",
      message: /a snapshot has taken its place/,
    });
    node.install(snapshot);
    await making;
    await write(node, 1);
    assert.equal((await node.snapshots.make()).index, 51);
  }));

Deno.test("a batch that a snapshot overtakes is not heard of again, and later ones follow it", () =>
  withArrived(50, async ({ receiver, made, node, snapshot }) => {
    await node.snapshots.finish(snapshot);
    node.raft.persist(batch(1, { hardState: hardState(1), logStart: startAfter(snapshot) }));
    const store = new Store();
    const writer = new TableWriter(store);
    store.apply([entryOf(1, putCommand("of before", "1"))]);
    const before = writer.next();
    assert.ok(before !== null);
    node.stores.tables.write(before, () => assert.fail("it is part of neither"));
    node.install(snapshot);
    await write(node, 5);
    await write(made, 5);
    assert.equal(node.digest, made.digest);
    await node.stores.close();
    await withNode(receiver, (again) => assert.equal(again.digest, made.digest));
  }));

Deno.test("close() ends what is being made or checked", () =>
  withArrived(50, async ({ made, node, snapshot }) => {
    const making = assert.rejects(made.snapshots.make(), { name: "EnvironmentError" });
    const checking = assert.rejects(node.snapshots.finish(snapshot), {
      name: "EnvironmentError",
      message: /the node stops/,
    });
    await Promise.all([made.snapshots.close(), node.snapshots.close()]);
    await Promise.all([making, checking]);
  }));

Deno.test("finish() does the same work once, and store() knows that all is there", () =>
  withArrived(20, async ({ receiver, node: { snapshots }, snapshot }) => {
    const finished = snapshots.finish(snapshot);
    assert.equal(snapshots.finish(snapshot), finished);
    const again = { snapshot, offset: 0, data: new Uint8Array(1) };
    assert.equal(snapshots.store(again), snapshot.bytes);
    await finished;
    assert.equal(snapshots.store(again), snapshot.bytes);
    assert.deepEqual(snapshotFiles(receiver), ["ready-20-1"]);
  }));

Deno.test("finish() is for a snapshot that is all there", () =>
  withPair(({ maker, receiver }) =>
    withNode(maker, (from) =>
      withNode(receiver, async (to) => {
        await write(from, 10);
        const snapshot = await from.snapshots.make();
        send(snapshot, { from, to, until: snapshot.bytes - 10_000 });
        await assert.rejects(to.snapshots.finish(snapshot), InvariantError);
        send(snapshot, { from, to });
        await to.snapshots.finish(snapshot);
      }))
  ));

Deno.test("discard() removes a snapshot that is ready, and it may come again", () =>
  withArrived(20, async ({ made, node, snapshot }) => {
    await node.snapshots.finish(snapshot);
    node.snapshots.discard(snapshot);
    assert.throws(() => node.snapshots.install(snapshot), InvariantError);
    send(snapshot, { from: made, to: node });
    await receive(node, snapshot);
    assert.equal(node.digest, made.digest);
  }));

Deno.test("discard() leaves another leader's snapshot of the same index where it is", () =>
  withArrived(20, async ({ maker, node, snapshot }) => {
    await node.snapshots.finish(snapshot);
    const another = { ...maker, folder: `${maker.folder}_3`, node: toNodeId("server_3") };
    await withNode(another, async (from) => {
      await write(from, 20);
      const next = await from.snapshots.make();
      assert.equal(next.index, snapshot.index);
      assert.notDeepEqual(next.sha256, snapshot.sha256);
      send(next, { from, to: node });
      await node.snapshots.finish(next);
      node.snapshots.discard(snapshot);
      await receive(node, next);
      assert.equal(node.digest, from.digest);
    });
  }));

Deno.test("discard() leaves no file, and close() waits for that", () =>
  withArrived(20, async ({ receiver, node, snapshot }) => {
    await node.snapshots.finish(snapshot);
    node.snapshots.discard(snapshot);
    await node.snapshots.close();
    assert.deepEqual(snapshotFiles(receiver), []);
  }));

Deno.test("removeBefore() removes what the log has gone beyond, and nothing else", () =>
  withMade(20, async ({ maker, receiver, made, node, snapshot }) => {
    send(snapshot, { from: made, to: node, until: 10_000 });
    node.snapshots.removeBefore(toLogIndex(19));
    // A log that starts right after a snapshot can go on from it.
    made.snapshots.removeBefore(toLogIndex(20));
    assert.deepEqual(snapshotFiles(receiver), ["incoming", "incoming.name"]);
    assert.deepEqual(snapshotFiles(maker), ["outgoing"]);

    node.snapshots.removeBefore(toLogIndex(20));
    made.snapshots.removeBefore(toLogIndex(21));
    assert.equal(made.snapshots.read({ snapshot, offset: 0, bytesMax: 1 }), null);
    await Promise.all([node.snapshots.close(), made.snapshots.close()]);
    assert.deepEqual(snapshotFiles(receiver), []);
    assert.deepEqual(snapshotFiles(maker), []);
  }));

Deno.test("installSnapshot() comes after the log has its new start", () =>
  withArrived(20, async ({ node, snapshot }) => {
    await node.snapshots.finish(snapshot);
    assert.throws(() => node.install(snapshot), InvariantError);
    assert.equal(node.store.appliedIndex, 0);
  }));

Deno.test("installSnapshot() keeps a ready snapshot that is newer, and removes older ones", () =>
  withPair(({ maker, receiver }) =>
    withNode(maker, (from) =>
      withNode(receiver, async (to) => {
        const made: SnapshotFile[] = [];
        for (let round = 0; round < 3; round++) {
          await write(from, 10);
          const snapshot = await from.snapshots.make();
          send(snapshot, { from, to });
          await to.snapshots.finish(snapshot);
          made.push(snapshot);
        }
        const [, second] = made;
        assert.ok(second !== undefined);
        to.raft.persist(batch(1, { hardState: hardState(1), logStart: startAfter(second) }));
        to.install(second);
        await write(to, 1);
        await to.snapshots.close();
        assert.deepEqual(snapshotFiles(receiver), ["ready-30-3"]);
      }))
  ));

Deno.test({
  name:
    "installSnapshot() that the disk refuses is the last use of the tables, and a start does it again",
  // The worker is left alone, as its database must not be closed.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: () =>
    withArrived(20, async ({ receiver, node, snapshot }) => {
      await node.snapshots.finish(snapshot);
      const ready = join(receiver.folder, "snapshots", "ready-20-1");
      Deno.renameSync(ready, `${ready}.whole`);
      Deno.mkdirSync(ready);
      const logStart = startAfter(snapshot);
      await persist(node.raft, batch(1, { hardState: hardState(1), logStart }));
      const failed = new Promise((resolve) => node.stores.tables.use({ failed: resolve }));
      node.install(snapshot);
      assert.match(`${await failed}`, /EnvironmentError: .*(Is a directory|Not a directory)/);
      const left = copyAsIfKilled(receiver);
      const again = join(left.folder, "snapshots", "ready-20-1");
      Deno.copyFileSync(`${ready}.whole`, again);
      await withNode(left, ({ writtenIndex }) => assert.equal(writtenIndex, 20));
    }),
});
