import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { InputError } from "../../../lib/errors.ts";
import type { StoreOptions } from "../../../lib/storage/open_database.ts";
import {
  type Chunk,
  IncomingSnapshot,
  Removal,
  SYNC_BYTES,
} from "../../../lib/storage/snapshot/incoming.ts";
import {
  SNAPSHOT_BYTES_MAX,
  type SnapshotFile,
  SnapshotPaths,
} from "../../../lib/storage/snapshot/snapshot_file.ts";
import { toLogIndex } from "../../../lib/types.ts";
import { withFolder } from "../support.ts";

const CONTENT = Uint8Array.from({ length: 1000 }, (_, position) => position);

function nameFor(content: Uint8Array, index = 7): SnapshotFile {
  const sha256 = createHash("sha256").update(content).digest();
  return { index: toLogIndex(index), bytes: content.length, sha256 };
}

const SNAPSHOT = nameFor(CONTENT);

/** Large enough for a sync before its end. */
const LARGE = nameFor(new Uint8Array(SYNC_BYTES));

function nameText({ index, bytes, sha256 }: SnapshotFile): string {
  return `index ${index}\nbytes ${bytes}\nsha256 ${sha256.toHex()}\n`;
}

function chunk(offset: number, end: number, snapshot = SNAPSHOT): Chunk {
  return { snapshot, offset, data: CONTENT.slice(offset, end) };
}

/** Runs `work` with an empty folder of snapshots and what is needed to open it again. */
function withIncoming(
  work: (
    parts: { incoming: IncomingSnapshot; paths: SnapshotPaths; reopen: () => IncomingSnapshot },
  ) => void | Promise<void>,
): Promise<void> {
  return withFolder(async ({ folder }: StoreOptions) => {
    const paths = new SnapshotPaths(folder);
    Deno.mkdirSync(paths.folder);
    const removal = new Removal(paths);
    const opened: IncomingSnapshot[] = [];
    const reopen = () => {
      const incoming = new IncomingSnapshot(paths, removal);
      opened.push(incoming);
      return incoming;
    };
    try {
      await work({ incoming: reopen(), paths, reopen });
    } finally {
      for (const incoming of opened) await incoming.close();
      await removal.close();
    }
  });
}

Deno.test("IncomingSnapshot keeps chunks in order and hands over the whole", () =>
  withIncoming(async ({ incoming, paths }) => {
    assert.equal(incoming.store(chunk(0, 400)), 400);
    assert.equal(incoming.store(chunk(400, 999)), 999);
    assert.equal(incoming.store(chunk(999, 1000)), 1000);
    await incoming.take(SNAPSHOT, paths.checking(1));
    assert.deepEqual(Deno.readFileSync(paths.checking(1)), CONTENT);
    assert.deepEqual([...Deno.readDirSync(paths.folder)].map(({ name }) => name), ["checking-1"]);
  }));

Deno.test("IncomingSnapshot asks for what comes next and keeps nothing else", () =>
  withIncoming(({ incoming, paths }) => {
    assert.equal(incoming.store(chunk(100, 200)), 0);
    assert.equal(incoming.store(chunk(0, 400)), 400);
    for (const [offset, end] of [[0, 400], [399, 500], [401, 500], [900, 1000], [400, 400]]) {
      assert.equal(incoming.store(chunk(offset ?? 0, end ?? 0)), 400);
    }
    assert.deepEqual(Deno.readFileSync(paths.incoming), CONTENT.slice(0, 400));
  }));

Deno.test("IncomingSnapshot goes on after a restart where it was", () =>
  withIncoming(({ incoming, paths, reopen }) => {
    incoming.store(chunk(0, 400));
    const second = reopen();
    assert.equal(second.store(chunk(0, 0)), 400);
    assert.equal(second.store(chunk(400, 1000)), 1000);
    assert.equal(reopen().store(chunk(1000, 1000)), 1000);
    assert.deepEqual(Deno.readFileSync(paths.incoming), CONTENT);
  }));

for (
  const [what, other] of [
    ["index", { ...SNAPSHOT, index: toLogIndex(8) }],
    ["length", { ...SNAPSHOT, bytes: 2000 }],
    ["SHA-256", nameFor(new Uint8Array(1000))],
  ] as const
) {
  Deno.test(`IncomingSnapshot begins anew for a snapshot of another ${what}, at any time`, () =>
    withIncoming(({ incoming, paths, reopen }) => {
      incoming.store(chunk(0, 400));
      assert.equal(incoming.store(chunk(400, 500, other)), 0);
      assert.equal(incoming.store(chunk(0, 100, other)), 100);
      assert.equal(reopen().store(chunk(0, 0, SNAPSHOT)), 0);
      assert.deepEqual(Deno.readFileSync(paths.incoming), new Uint8Array(0));
    }));
}

Deno.test("IncomingSnapshot begins anew when a crash left a part without its name", () =>
  withIncoming(({ incoming, paths, reopen }) => {
    incoming.store(chunk(0, 400));
    const name = Deno.readTextFileSync(paths.incomingName);
    for (const left of [null, "", name.slice(0, -1)]) {
      if (left === null) Deno.removeSync(paths.incomingName);
      else Deno.writeTextFileSync(paths.incomingName, left);
      assert.equal(reopen().store(chunk(0, 0)), 0);
      incoming.store(chunk(0, 400));
    }
  }));

Deno.test("IncomingSnapshot begins anew when more is there than the snapshot has", () =>
  withIncoming(({ incoming, paths, reopen }) => {
    incoming.store(chunk(0, 1000));
    Deno.writeFileSync(paths.incoming, new Uint8Array(5000));
    assert.equal(reopen().store(chunk(0, 0)), 0);
  }));

for (
  const [what, wrong, message] of [
    ["index", { snapshot: { ...SNAPSHOT, index: toLogIndex(0) } }, /index 0/],
    ["length of 0", { snapshot: { ...SNAPSHOT, bytes: 0 } }, /length 0/],
    ["length", { snapshot: { ...SNAPSHOT, bytes: SNAPSHOT_BYTES_MAX + 1 } }, /length 17179869185/],
    ["length that is no number", { snapshot: { ...SNAPSHOT, bytes: NaN } }, /length NaN/],
    ["SHA-256", { snapshot: { ...SNAPSHOT, sha256: new Uint8Array(31) } }, /31 bytes, not 32/],
    ["offset", { offset: -1 }, /at byte -1 is not inside/],
    ["offset that is no number", { offset: NaN }, /at byte NaN is not inside/],
    ["end", { offset: 999, data: new Uint8Array(2) }, /2 bytes at byte 999 is not inside/],
  ] as const
) {
  Deno.test(`IncomingSnapshot refuses an impossible ${what}, and keeps what it has`, () =>
    withIncoming(({ incoming, paths }) => {
      incoming.store(chunk(0, 400));
      const store = () => incoming.store({ ...chunk(400, 500), ...wrong });
      assert.throws(store, (error: unknown) => {
        assert.ok(error instanceof InputError);
        assert.match(error.message, message);
        return true;
      });
      assert.equal(incoming.store(chunk(0, 0)), 400);
      assert.deepEqual(Deno.readFileSync(paths.incoming), CONTENT.slice(0, 400));
    }));
}

Deno.test("IncomingSnapshot says when the disk refuses, and begins anew once it does not", () =>
  withIncoming(async ({ incoming, paths }) => {
    incoming.store(chunk(0, 400));
    await incoming.close();
    Deno.renameSync(paths.folder, `${paths.folder}-gone`);
    assert.throws(() => incoming.store(chunk(400, 500)), {
      name: "EnvironmentError",
      message: /Cannot keep a snapshot in .*snapshots: .*has free space/,
    });
    Deno.renameSync(`${paths.folder}-gone`, paths.folder);
    Deno.removeSync(join(paths.folder, "incoming"));
    assert.equal(incoming.store(chunk(400, 500)), 0);
    assert.equal(incoming.store(chunk(0, 500)), 500);
  }));

Deno.test("IncomingSnapshot keeps what has arrived when it cannot be moved", () =>
  withIncoming(async ({ incoming, paths }) => {
    incoming.store(chunk(0, 1000));
    const elsewhere = join(paths.folder, "missing", "file");
    const refused = { name: "EnvironmentError", message: /Cannot keep a snapshot/ };
    await assert.rejects(incoming.take(SNAPSHOT, elsewhere), refused);
    assert.equal(incoming.store(chunk(0, 400)), 1000);
    await incoming.take(SNAPSHOT, paths.checking(1));
    assert.deepEqual(Deno.readFileSync(paths.checking(1)), CONTENT);
  }));

Deno.test({
  name: "IncomingSnapshot hands over nothing that could not be synced, and leaves nothing behind",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withIncoming(async ({ incoming, paths }) => {
      // A device takes every write, but cannot be synced.
      Deno.writeTextFileSync(paths.incomingName, nameText(LARGE));
      Deno.symlinkSync("/dev/null", paths.incoming);
      incoming.store({ snapshot: LARGE, offset: 0, data: new Uint8Array(LARGE.bytes) });
      await assert.rejects(incoming.take(LARGE, paths.checking(1)), { name: "EnvironmentError" });
      assert.throws(() => Deno.lstatSync(paths.checking(1)), Deno.errors.NotFound);
    }),
});

Deno.test("IncomingSnapshot knows of what stands before an index, and removes it", () =>
  withIncoming(({ incoming, paths, reopen }) => {
    assert.equal(incoming.isUpTo(SNAPSHOT.index), false);
    incoming.store(chunk(0, 400));
    for (const seen of [incoming, reopen()]) {
      assert.equal(seen.isUpTo(toLogIndex(SNAPSHOT.index - 1)), false);
      assert.equal(seen.isUpTo(SNAPSHOT.index), true);
    }
    incoming.remove();
    assert.equal(incoming.isUpTo(SNAPSHOT.index), false);
    assert.throws(() => Deno.statSync(paths.incoming), Deno.errors.NotFound);
    assert.equal(incoming.store(chunk(0, 400)), 400);
  }));
