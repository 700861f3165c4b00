import fc from "fast-check";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { InvariantError } from "../../../lib/assert.ts";
import { encodeHex } from "../../../lib/bytes.ts";
import type { SnapshotFile } from "../../../lib/storage/snapshot/snapshot_file.ts";
import type { Stores } from "../../../lib/storage/stores.ts";
import { toLogIndex, toNodeId } from "../../../lib/types.ts";
import { batch, hardState } from "../support.ts";
import {
  send,
  snapshotFiles,
  startAfter,
  stateOf,
  withArrived,
  withMade,
  withPair,
  withStores,
  write,
} from "./support.ts";

/** What a node does with a snapshot that is all there. */
async function receive(stores: Stores, snapshot: SnapshotFile): Promise<void> {
  await stores.snapshots.finish(snapshot);
  const logStart = startAfter(snapshot);
  const sequence = snapshot.index;
  stores.raft.persist(batch(sequence, { hardState: hardState(1), logStart }));
  stores.installSnapshot(snapshot);
}

/** Lets the loop turn once. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
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
        withStores(maker, (from) =>
          withStores(receiver, async (to) => {
            for (const count of counts) {
              write(from, count);
              const snapshot = await from.snapshots.make();
              send(snapshot, { from, to, chunkBytes });
              await receive(to, snapshot);
              assert.equal(stateOf(to), stateOf(from));
              assert.equal(to.keyValues.appliedIndex, from.keyValues.appliedIndex);
            }
            write(to, 1);
            write(from, 1);
            assert.equal(stateOf(to), stateOf(from));
          }))
      ),
  );
  await fc.assert(property, { numRuns: 5 });
});

Deno.test("make() names what read() reads", () =>
  withPair(({ maker }) =>
    withStores(maker, async (stores) => {
      write(stores, 100);
      const snapshot = await stores.snapshots.make();
      const data = stores.snapshots.read({ snapshot, offset: 0, bytesMax: 10_000_000 });
      assert.ok(data !== null);
      assert.equal(snapshot.index, 100);
      assert.equal(snapshot.bytes, data.length);
      assert.equal(encodeHex(snapshot.sha256), createHash("sha256").update(data).digest("hex"));
      assert.deepEqual(snapshotFiles(maker), ["outgoing"]);
    })
  ));

Deno.test("make() copies the state of one moment while the store goes on", () =>
  withPair(({ maker, receiver }) =>
    withStores(maker, async (from) => {
      write(from, 3000);
      const states = new Map<number, string>([[3000, stateOf(from)]]);
      let isMade = false;
      const making = from.snapshots.make().finally(() => isMade = true);
      for (let round = 0; !isMade; round++) {
        // Some by a large transaction, which makes a checkpoint due, and some by small ones.
        write(from, round % 4 === 0 ? 2000 : 10);
        states.set(from.keyValues.appliedIndex, stateOf(from));
        await turn();
      }
      const snapshot = await making;
      await withStores(receiver, async (to) => {
        send(snapshot, { from, to, chunkBytes: 100_000 });
        await receive(to, snapshot);
        assert.equal(stateOf(to), states.get(snapshot.index));
        assert.equal([...to.keyValues.rows()].length, snapshot.index);
      });
    })
  ));

Deno.test("make() leaves the store with checkpoints again", () =>
  withPair(({ maker }) =>
    withStores(maker, async ({ keyValues, snapshots, ...rest }) => {
      const stores = { keyValues, snapshots, ...rest } as Stores;
      write(stores, 10);
      await snapshots.make();
      write(stores, 10);
      assert.equal(keyValues.checkpoint(), 20);
    })
  ));

Deno.test("make() is asked for one snapshot at a time", () =>
  withPair(({ maker }) =>
    withStores(maker, async (stores) => {
      const first = stores.snapshots.make();
      await assert.rejects(stores.snapshots.make(), InvariantError);
      await first;
      await stores.snapshots.make();
    })
  ));

Deno.test("read() reads the newest snapshot and no other, and nothing beyond its end", () =>
  withPair(({ maker }) =>
    withStores(maker, async (stores) => {
      const { snapshots } = stores;
      write(stores, 10);
      const first = await snapshots.make();
      const at = (snapshot: SnapshotFile, offset: number) =>
        snapshots.read({ snapshot, offset, bytesMax: 100 })?.length;
      assert.equal(at(first, 0), 100);
      assert.equal(at(first, first.bytes - 1), 1);
      assert.equal(at(first, first.bytes), 0);
      assert.equal(at(first, first.bytes + 1000), 0);
      write(stores, 10);
      const second = await snapshots.make();
      assert.equal(at(first, 0), undefined);
      assert.equal(at(second, 0), 100);
    })
  ));

Deno.test("make() sends no damage of this node's disk to others", () =>
  withPair(async ({ maker }) => {
    await withStores(maker, async (stores) => {
      const { snapshots, keyValues } = stores;
      write(stores, 10);
      const { database } = keyValues;
      const change = database.prepare("UPDATE kv SET version = 7 WHERE mod_revision = 3");
      database.transaction(() => database.run(change));
      const message = /kv\.db: a copy of it is no good.* the row of key "key 3" is damaged/;
      await assert.rejects(snapshots.make(), { name: "CorruptionError", message });
    });
  }));

Deno.test("make() fails when its store is replaced or closed meanwhile, and the node goes on", () =>
  withArrived(50, async ({ stores, snapshot }) => {
    const making = assert.rejects(stores.snapshots.make(), {
      name: "EnvironmentError",
      message: /closed meanwhile/,
    });
    const finished = stores.snapshots.finish(snapshot);
    // The copying comes first in the worker, so it is not yet known to be done.
    const { database } = stores.keyValues;
    stores.keyValues.replace(() => {});
    assert.ok(database.isClosed);
    await making;
    await finished;
    await stores.snapshots.make();
  }));

Deno.test("close() ends what is being made or checked", () =>
  withArrived(50, async ({ made, stores, snapshot }) => {
    const making = assert.rejects(made.snapshots.make(), { name: "EnvironmentError" });
    const checking = assert.rejects(stores.snapshots.finish(snapshot), {
      name: "EnvironmentError",
      message: /the node stops/,
    });
    await Promise.all([made.snapshots.close(), stores.snapshots.close()]);
    await Promise.all([making, checking]);
  }));

Deno.test("finish() does the same work once, and store() knows that all is there", () =>
  withArrived(20, async ({ receiver, stores: { snapshots }, snapshot }) => {
    const finished = snapshots.finish(snapshot);
    assert.equal(snapshots.finish(snapshot), finished);
    const again = { snapshot, offset: 0, data: new Uint8Array(1) };
    assert.equal(snapshots.store(again), snapshot.bytes);
    await finished;
    assert.equal(snapshots.store(again), snapshot.bytes);
    assert.deepEqual(snapshotFiles(receiver), ["ready-20"]);
  }));

Deno.test("finish() is for a snapshot that is all there", () =>
  withPair(({ maker, receiver }) =>
    withStores(maker, (from) =>
      withStores(receiver, async (to) => {
        write(from, 10);
        const snapshot = await from.snapshots.make();
        send(snapshot, { from, to, until: snapshot.bytes - 10_000 });
        await assert.rejects(to.snapshots.finish(snapshot), InvariantError);
        send(snapshot, { from, to });
        await to.snapshots.finish(snapshot);
      }))
  ));

Deno.test("discard() removes a snapshot that is ready, and it may come again", () =>
  withArrived(20, async ({ made, stores, snapshot }) => {
    await stores.snapshots.finish(snapshot);
    stores.snapshots.discard(snapshot);
    assert.equal(stores.snapshots.isReady(snapshot.index), false);
    send(snapshot, { from: made, to: stores });
    await receive(stores, snapshot);
    assert.equal(stateOf(stores), stateOf(made));
  }));

Deno.test("discard() leaves another leader's snapshot of the same index where it is", () =>
  withArrived(20, async ({ maker, stores, snapshot }) => {
    await stores.snapshots.finish(snapshot);
    const another = { ...maker, folder: `${maker.folder}_3`, node: toNodeId("server_3") };
    await withStores(another, async (from) => {
      write(from, 20);
      const next = await from.snapshots.make();
      assert.equal(next.index, snapshot.index);
      assert.notDeepEqual(next.sha256, snapshot.sha256);
      send(next, { from, to: stores });
      await stores.snapshots.finish(next);
      stores.snapshots.discard(snapshot);
      assert.ok(stores.snapshots.isReady(next.index));
      await receive(stores, next);
      assert.equal(stateOf(stores), stateOf(from));
    });
  }));

Deno.test("discard() leaves no file, and close() waits for that", () =>
  withArrived(20, async ({ receiver, stores, snapshot }) => {
    await stores.snapshots.finish(snapshot);
    stores.snapshots.discard(snapshot);
    await stores.snapshots.close();
    assert.deepEqual(snapshotFiles(receiver), []);
  }));

Deno.test("removeBefore() removes what the log has gone beyond, and nothing else", () =>
  withMade(20, async ({ maker, receiver, made, stores, snapshot }) => {
    send(snapshot, { from: made, to: stores, until: 10_000 });
    stores.snapshots.removeBefore(toLogIndex(19));
    // A log that starts right after a snapshot can go on from it.
    made.snapshots.removeBefore(toLogIndex(20));
    assert.deepEqual(snapshotFiles(receiver), ["incoming", "incoming.name"]);
    assert.deepEqual(snapshotFiles(maker), ["outgoing"]);

    stores.snapshots.removeBefore(toLogIndex(20));
    made.snapshots.removeBefore(toLogIndex(21));
    assert.equal(made.snapshots.read({ snapshot, offset: 0, bytesMax: 1 }), null);
    await Promise.all([stores.snapshots.close(), made.snapshots.close()]);
    assert.deepEqual(snapshotFiles(receiver), []);
    assert.deepEqual(snapshotFiles(maker), []);
  }));

Deno.test("installSnapshot() comes after the log has its new start", () =>
  withArrived(20, async ({ stores, snapshot }) => {
    await stores.snapshots.finish(snapshot);
    assert.throws(() => stores.installSnapshot(snapshot), InvariantError);
    assert.equal(stores.keyValues.appliedIndex, 0);
  }));

Deno.test("installSnapshot() keeps a ready snapshot that is newer, and removes older ones", () =>
  withPair(({ maker, receiver }) =>
    withStores(maker, (from) =>
      withStores(receiver, async (to) => {
        const made: SnapshotFile[] = [];
        for (let round = 0; round < 3; round++) {
          write(from, 10);
          const snapshot = await from.snapshots.make();
          send(snapshot, { from, to });
          await to.snapshots.finish(snapshot);
          made.push(snapshot);
        }
        const [, second] = made;
        assert.ok(second !== undefined);
        to.raft.persist(batch(1, { hardState: hardState(1), logStart: startAfter(second) }));
        to.installSnapshot(second);
        await to.snapshots.close();
        assert.deepEqual(snapshotFiles(receiver), ["ready-30"]);
      }))
  ));

Deno.test("installSnapshot() that the disk refuses is the last use of the store", () =>
  withArrived(20, async ({ receiver, stores, snapshot }) => {
    await stores.snapshots.finish(snapshot);
    const ready = join(receiver.folder, "snapshots", "ready-20");
    Deno.renameSync(ready, `${ready}.whole`);
    Deno.mkdirSync(ready);
    stores.raft.persist(batch(1, { hardState: hardState(1), logStart: startAfter(snapshot) }));
    assert.throws(() => stores.installSnapshot(snapshot), {
      name: "EnvironmentError",
      message: /Cannot put a snapshot in the place of .*kv\.db.*start the node again/,
    });
    assert.throws(() => stores.keyValues.get("key 1"), InvariantError);
    await stores.close();
    Deno.removeSync(ready);
    Deno.renameSync(`${ready}.whole`, ready);
    await withStores(receiver, ({ keyValues }) => assert.equal(keyValues.appliedIndex, 20));
  }));
