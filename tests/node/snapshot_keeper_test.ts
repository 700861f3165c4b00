import assert from "node:assert/strict";
import { InvariantError } from "../../lib/assert.ts";
import { EnvironmentError, InputError } from "../../lib/errors.ts";
import { SnapshotKeeper } from "../../lib/node/snapshots.ts";
import {
  type Input,
  type Message,
  type Snapshot,
  SNAPSHOT_CHUNK_BYTES_MAX,
  type SnapshotRequest,
} from "../../lib/raft/mod.ts";
import { CorruptionError, type Snapshots } from "../../lib/storage/mod.ts";
import { toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";

const SNAPSHOT: Snapshot = {
  index: toLogIndex(5),
  term: toTerm(1),
  bytes: 10,
  sha256: new Uint8Array(32),
  members: null,
};

const CHUNK: SnapshotRequest = {
  kind: "snapshotRequest",
  from: toNodeId("n1"),
  to: toNodeId("n2"),
  term: toTerm(1),
  snapshot: SNAPSHOT,
  offset: 4,
  data: new Uint8Array(6),
  round: 1,
  certificate: null,
};

/**
 * A keeper over stand-ins for the store's methods; what it sends, and the input it submits next,
 * unless it stops the node.
 */
function keeperOf(stand: Partial<Snapshots>): {
  keeper: SnapshotKeeper;
  sent: Message[];
  next: Promise<Input>;
} {
  const sent: Message[] = [];
  const { promise: next, resolve: submit, reject: fail } = Promise.withResolvers<Input>();
  const send = (message: Message) => sent.push(message);
  const keeper = new SnapshotKeeper({ snapshots: stand as Snapshots, submit, send, fail });
  return { keeper, sent, next };
}

Deno.test("make() tells the core of the snapshot", async () => {
  const { keeper, next } = keeperOf({ make: () => Promise.resolve(SNAPSHOT) });
  keeper.make();
  assert.deepEqual(await next, { kind: "snapshotMade", snapshot: SNAPSHOT });
});

Deno.test("make() tells the core when it failed", async () => {
  const { keeper, next } = keeperOf({
    make: () => Promise.reject(new EnvironmentError("disk full")),
  });
  keeper.make();
  assert.deepEqual(await next, { kind: "snapshotFailed" });
});

for (
  const error of [
    new CorruptionError({ file: "kv.db", damage: "a row is damaged", wayBack: "Move it away." }),
    new InvariantError("a snapshot of another index"),
  ]
) {
  Deno.test(`make() stops the node when it fails by ${error.name}`, async () => {
    const { keeper, next } = keeperOf({ make: () => Promise.reject(error) });
    keeper.make();
    await assert.rejects(next, error);
  });
}

Deno.test("sendChunk() sends what it reads at the chunk's place", () => {
  const data = Uint8Array.of(1, 2, 3);
  const { keeper, sent } = keeperOf({
    read: ({ offset, bytesMax }) => {
      assert.deepEqual([offset, bytesMax], [4, SNAPSHOT_CHUNK_BYTES_MAX]);
      return data;
    },
  });
  const { data: _, ...chunk } = CHUNK;
  keeper.sendChunk(chunk);
  assert.deepEqual(sent, [{ ...CHUNK, data }]);
});

Deno.test("sendChunk() sends nothing of a snapshot that a newer one replaced", () => {
  const { keeper, sent } = keeperOf({ read: () => null });
  keeper.sendChunk(CHUNK);
  assert.deepEqual(sent, []);
});

Deno.test("storeChunk() says what is wanted next, and has the whole checked when all is there", async () => {
  const { keeper, next } = keeperOf({ store: () => 10, finish: () => Promise.resolve() });
  assert.equal(keeper.storeChunk(CHUNK), 10);
  assert.deepEqual(await next, { kind: "snapshotReady", snapshot: SNAPSHOT });
});

Deno.test("storeChunk() has nothing checked before all is there", () => {
  const { keeper } = keeperOf({ store: () => 9, finish: () => assert.fail("too early") });
  assert.equal(keeper.storeChunk(CHUNK), 9);
});

Deno.test("storeChunk() tells the core when the snapshot is not what it claims", async () => {
  const { keeper, next } = keeperOf({
    store: () => 10,
    finish: () => Promise.reject(new InputError("wrong hash")),
  });
  keeper.storeChunk(CHUNK);
  assert.deepEqual(await next, { kind: "snapshotRefused", snapshot: SNAPSHOT });
});

Deno.test("storeChunk() stops the node when the check itself is at fault", async () => {
  const error = new InvariantError("a snapshot of fewer bytes");
  const { keeper, next } = keeperOf({ store: () => 10, finish: () => Promise.reject(error) });
  keeper.storeChunk(CHUNK);
  await assert.rejects(next, error);
});

for (const error of [new EnvironmentError("disk full"), new InputError("impossible")]) {
  Deno.test(`storeChunk() survives an ${error.name}: receiving promises nothing`, () => {
    const { keeper } = keeperOf({
      store: () => {
        throw error;
      },
    });
    assert.equal(keeper.storeChunk(CHUNK), null);
  });
}

Deno.test("observe() removes snapshots that a compacted log has gone beyond", () => {
  const removed: number[] = [];
  const { keeper } = keeperOf({ removeBefore: (index) => removed.push(index) });
  keeper.observe([
    { kind: "steppedDown", term: toTerm(1), reason: "no quorum answers" },
    { kind: "logCompacted", index: toLogIndex(7) },
  ]);
  assert.deepEqual(removed, [7]);
});
