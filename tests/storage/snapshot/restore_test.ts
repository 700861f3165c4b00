import { deepEqual, equal, match, rejects, throws } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { EnvironmentError, InputError } from "../../../lib/errors.ts";
import { singleKey } from "../../../lib/kv/key_range.ts";
import { StoreView } from "../../../lib/kv/store_view.ts";
import {
  isOnlyRestored,
  RESTORE_GAP,
  restoreSnapshot,
} from "../../../lib/storage/snapshot/restore.ts";
import { readSavedFile } from "../../../lib/storage/snapshot/saved_file.ts";
import { openStores } from "../../../lib/storage/stores.ts";
import type { StoreOptions } from "../../../lib/storage/open_database.ts";
import { toClusterName, toLogIndex, toNodeId } from "../../../lib/types.ts";
import { bytes } from "../../kv/support.ts";
import { batch, entry, hardState, persist, withFolder, withNode } from "../support.ts";
import { readSaved, snapshotFiles, write } from "./support.ts";

const ENTRIES = 12;

interface Saved {
  /** The file. */
  readonly path: string;
  /** A node of another cluster, which has never run. */
  readonly target: StoreOptions;
  /** The node that made it. */
  readonly maker: StoreOptions;
}

function withSaved(work: (saved: Saved) => Promise<void>): Promise<void> {
  return withFolder(async (options) => {
    const maker = { ...options, folder: join(options.folder, "maker") };
    const path = join(options.folder, "saved");
    await withNode(maker, async (node) => {
      await write(node, ENTRIES);
      Deno.writeFileSync(path, await readSaved(await node.snapshots.save()));
    });
    const cluster = toClusterName("floe-new");
    const target = { folder: join(options.folder, "target"), cluster, node: toNodeId("new_2") };
    await work({ path, target, maker });
  });
}

Deno.test("a saved snapshot says whose state it is, at which revision", () =>
  withSaved((saved) => {
    const { cluster, index, revision, fileBytes } = readSavedFile(saved.path);
    deepEqual([cluster, index, revision], ["floe-test", ENTRIES, ENTRIES - 1]);
    equal(fileBytes, Deno.statSync(saved.path).size);
    // What etcd's clients look for in a snapshot.
    equal(fileBytes % 512, 32);
    return Promise.resolve();
  }));

Deno.test("save() leaves no file behind, and goes beside make()", () =>
  withSaved(({ maker }) =>
    withNode(maker, async (node) => {
      const both = await Promise.all([node.snapshots.make(), node.snapshots.save()]);
      deepEqual(snapshotFiles(maker).filter((name) => name.startsWith("saving")).length, 1);
      equal(both[0].index, both[1].head.index);
      both[1].close();
      equal(snapshotFiles(maker).some((name) => name.startsWith("saving")), false);
    })
  ));

Deno.test("a restored node has every key and token, later revisions and no history", () =>
  withSaved(async ({ path, target }) => {
    const read: number[] = [];
    const options = { ...target, onProgress: (count: number) => read.push(count) };
    const { keys, index, saved } = await restoreSnapshot(path, options);
    deepEqual([keys, index, saved.index], [8, ENTRIES + RESTORE_GAP, ENTRIES]);
    equal(read.at(-1), saved.bytes);
    deepEqual(
      [...Deno.readDirSync(target.folder)].map(({ name }) => name).sort(),
      ["kv.db", "kv.db.guard", "raft", "raft.guard"],
    );
    equal(isOnlyRestored(target), true);
    await withNode(target, (node) => {
      deepEqual(node.raft.logStart, { index, term: 0 });
      const view = new StoreView(node.store);
      deepEqual([view.revision, view.compactedRevision], [index, index]);
      equal(view.tokens().length, 4);
      const [item] = rowsOf(view, "key 1");
      deepEqual([item?.createRevision, item?.version], [1, 1]);
      equal(
        view.range({ keys: singleKey(bytes("key 1")), revision: toLogIndex(index - 1) })
          .next().kind,
        "compacted",
      );
    });
  }));

function rowsOf(view: StoreView, key: string) {
  const slice = view.range({ keys: singleKey(bytes(key)) }).next();
  if (slice.kind !== "slice") throw new Error(slice.kind);
  return slice.items.flatMap((item) => item.kind === "row" ? [item.row] : []);
}

Deno.test("a restored node goes on, and after its first vote is no longer a new one", () =>
  withSaved(async ({ path, target }) => {
    const { index } = await restoreSnapshot(path, target);
    await withNode(target, async ({ raft }) => {
      const entries = [entry(index + 1)];
      await persist(raft, batch(1, { hardState: hardState(1, "new_2"), entries }));
    });
    equal(isOnlyRestored(target), false);
    await rejects(restoreSnapshot(path, target), InputError);
  }));

for (const place of ["kv.db.backup", "snapshots/monday.snap"]) {
  Deno.test(`a snapshot at ${place} in the folder itself is refused, and stays there`, () =>
    withSaved(async ({ path, target }) => {
      const inside = join(target.folder, place);
      const other = join(target.folder, "snapshots", "tuesday.snap");
      Deno.mkdirSync(join(target.folder, "snapshots"), { recursive: true });
      for (const copy of [inside, other]) Deno.copyFileSync(path, copy);
      await rejects(restoreSnapshot(inside, target), (error: Error) => {
        match(error.message, /is inside the data folder .* Move it out of there/);
        return error instanceof InputError;
      });
      // Another file there is nobody's but the operator's: neither a restore nor a start removes it.
      const { keys } = await restoreSnapshot(path, target);
      await withNode(target, () => {});
      deepEqual([keys, readSavedFile(inside).index, readSavedFile(other).index], [
        8,
        ENTRIES,
        ENTRIES,
      ]);
    }));
}

for (
  const [what, change] of [
    ["cut off", (file: Uint8Array) => file.subarray(0, -5000)],
    ["without its last byte", (file: Uint8Array) => file.subarray(0, -1)],
    ["longer", (file: Uint8Array) => new Uint8Array([...file, 0])],
    ["with another index", (file: Uint8Array) => flip(file, 40)],
    ["with a flipped bit in the head", (file: Uint8Array) => flip(file, 3_000)],
    ["with a flipped bit in the database", (file: Uint8Array) => flip(file, 4096 + 9_000)],
    ["with a flipped bit in its digest", (file: Uint8Array) => flip(file, file.length - 1)],
    ["empty", () => new Uint8Array(0)],
    ["something else", () => new Uint8Array(20_000).fill(65)],
  ] as const
) {
  Deno.test(`a file that is ${what} is refused, and nothing of it stays`, () =>
    withSaved(async ({ path, target }) => {
      Deno.writeFileSync(path, change(Deno.readFileSync(path)));
      throws(() => readSavedFile(path), InputError);
      await rejects(restoreSnapshot(path, target), (error: Error) => {
        match(error.message, /^Cannot use snapshot .*saved: .*Save it again/);
        return error instanceof InputError;
      });
      deepEqual([...Deno.readDirSync(target.folder)], []);
    }));
}

function flip(file: Uint8Array, at: number): Uint8Array {
  const changed = file.slice();
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}

Deno.test("a folder with data is left as it is", () =>
  withSaved(async ({ path, maker }) => {
    await rejects(restoreSnapshot(path, maker), /it has data already/);
    await withNode(maker, (node) => equal(node.store.appliedIndex, ENTRIES));
  }));

Deno.test("a restore that was interrupted keeps the node from starting, and can be done again", () =>
  withSaved(async ({ path, target }) => {
    Deno.mkdirSync(target.folder);
    Deno.writeTextFileSync(join(target.folder, "restoring"), "");
    await withNode({ ...target, folder: join(target.folder, "..", "other") }, () => {});
    for (const name of ["raft", "raft.guard", "kv.db"]) {
      const from = join(target.folder, "..", "other", name);
      Deno.renameSync(from, join(target.folder, name));
    }
    await rejects(openStores(target), (error: Error) => {
      match(error.message, /was interrupted there. Run floe snapshot restore again/);
      return error instanceof EnvironmentError;
    });
    throws(() => isOnlyRestored(target), EnvironmentError);
    await restoreSnapshot(path, target);
    equal(existsSync(join(target.folder, "restoring")), false);
    await withNode(target, (node) => equal(node.store.appliedIndex, ENTRIES + RESTORE_GAP));
  }));
