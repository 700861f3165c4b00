import assert from "node:assert/strict";
import { join } from "node:path";
import { openRaftStore } from "../../lib/storage/raft_store.ts";
import { inspectWalFile } from "../../lib/storage/wal_file.ts";
import { batch, copyAsIfKilled, entries, flipBit, hardState, withFolder } from "./support.ts";

const HEADER_BYTES = 32;
const FRAME_BYTES = 24 + 4096;
const COMMIT_OFFSET = 4;

/** Writes `count` batches and hands over the write-ahead log as a killed process leaves it. */
function withWal(count: number, work: (path: string) => void): Promise<void> {
  return withFolder((options) => {
    const store = openRaftStore(options);
    for (let index = 1; index <= count; index++) {
      store.persist(batch(index, { hardState: hardState(1), entries: entries(index, index) }));
    }
    const { folder } = copyAsIfKilled(options);
    store.close();
    work(join(folder, "raft.db-wal"));
  });
}

/** Number from 0 of each frame that ends a transaction. */
function findCommits(path: string): readonly number[] {
  const bytes = Deno.readFileSync(path);
  const view = new DataView(bytes.buffer);
  const count = (bytes.length - HEADER_BYTES) / FRAME_BYTES;
  return Array.from({ length: count }, (_, number) => number)
    .filter((number) => view.getUint32(frameOffset(number) + COMMIT_OFFSET) !== 0);
}

function frameOffset(number: number): number {
  return HEADER_BYTES + number * FRAME_BYTES;
}

Deno.test("inspectWalFile() finds the log of a killed process intact", () =>
  withWal(5, (path) => {
    assert.deepEqual(inspectWalFile(path), { kind: "intact" });
    assert.equal(findCommits(path).length, 1 + 5, "one of checkpoint(), and the batches");
  }));

Deno.test("inspectWalFile() finds a flipped bit wherever a later transaction follows it", () =>
  withWal(4, (path) => {
    const whole = Deno.readFileSync(path);
    const lastTransaction = (findCommits(path).at(-2) ?? 0) + 1;
    for (let number = 0; number < lastTransaction; number++) {
      for (const offset of [0, 16, 20, 24, 24 + 2000, FRAME_BYTES - 1]) {
        Deno.writeFileSync(path, whole);
        flipBit(path, frameOffset(number) + offset);
        const finding = inspectWalFile(path);
        assert.deepEqual(finding, { kind: "broken", frame: number + 1 }, `offset ${offset}`);
      }
    }
  }));

Deno.test("inspectWalFile() takes damage to the last transaction for a write cut short", () =>
  withWal(4, (path) => {
    flipBit(path, frameOffset(findCommits(path).at(-1) ?? 0) + 100);
    assert.deepEqual(inspectWalFile(path), { kind: "intact" });
  }));

Deno.test("inspectWalFile() takes any cut for a write cut short, down to the first frame", () =>
  withWal(2, (path) => {
    for (let size = Deno.statSync(path).size - 1; size > HEADER_BYTES + FRAME_BYTES; size -= 999) {
      Deno.truncateSync(path, size);
      assert.deepEqual(inspectWalFile(path), { kind: "intact" });
    }
    Deno.truncateSync(path, HEADER_BYTES + FRAME_BYTES - 1);
    assert.deepEqual(inspectWalFile(path), { kind: "unusable" });
  }));

Deno.test("inspectWalFile() takes no older round of the log for what follows", () =>
  withFolder((options) => {
    const first = openRaftStore(options);
    first.persist(batch(1, { hardState: hardState(1), entries: entries(1, 2000) }));
    const left = copyAsIfKilled(options);
    first.close();
    // Reopening empties the log, but keeps the file: a new round begins over the long first one.
    const second = openRaftStore(left);
    second.persist(batch(1, { entries: entries(2001, 2001) }));
    const path = join(copyAsIfKilled(left).folder, "raft.db-wal");
    second.close();
    assert.ok(Deno.statSync(path).size > frameOffset(10));
    assert.deepEqual(inspectWalFile(path), { kind: "intact" });
    // The new round has two transactions: that of checkpoint(), and the batch.
    flipBit(path, frameOffset(findCommits(path)[1] ?? 0) + 100);
    assert.deepEqual(inspectWalFile(path), { kind: "intact" });
  }));

Deno.test("inspectWalFile() finds nothing usable in a missing, short or headless file", () =>
  withWal(1, (path) => {
    assert.deepEqual(inspectWalFile(`${path}-missing`), { kind: "unusable" });
    const whole = Deno.readFileSync(path);
    for (const offset of [0, 3, 8, 16, 24, 31]) {
      Deno.writeFileSync(path, whole);
      flipBit(path, offset);
      assert.deepEqual(inspectWalFile(path), { kind: "unusable" }, `byte ${offset}`);
    }
    Deno.truncateSync(path, HEADER_BYTES - 1);
    assert.deepEqual(inspectWalFile(path), { kind: "unusable" });
  }));
