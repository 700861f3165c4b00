import fc from "fast-check";
import assert from "node:assert/strict";
import { join } from "node:path";
import { EnvironmentError, InputError } from "../../lib/errors.ts";
import type { DurableState } from "../../lib/raft/entry.ts";
import { digestStore } from "../../lib/kv/store_digest.ts";
import type { StoreOptions } from "../../lib/storage/open_database.ts";
import { openRaftStore } from "../../lib/storage/raft_store.ts";
import { checkStoresAgree } from "../../lib/storage/stores.ts";
import { childEntry } from "./persisting_child.ts";
import {
  batch,
  certificate,
  copyAsIfKilled,
  hardState,
  persist,
  type TestNode,
  withFolder,
  withNode,
  withTables,
} from "./support.ts";

/** Any one bit of any file may flip: what is read is then what was written, or it is refused. */

const BATCHES = 12;
const RUNS = 60;

/** Everything that a node would read from its folder at start. */
interface Found {
  readonly durable: DurableState;
  readonly elections: readonly string[];
  readonly digest: string;
}

async function write(node: TestNode): Promise<void> {
  for (let index = 1; index <= BATCHES; index++) {
    const entries = [childEntry(index, index)];
    const certificates = [certificate(index)];
    const written = { hardState: hardState(index, "server_1"), entries, certificates };
    await persist(node.raft, batch(index, written));
    await node.apply(entries);
  }
}

/** What `openStores` does, in this thread. */
function find(options: StoreOptions): Found {
  const raft = openRaftStore(options);
  try {
    return withTables(options, (tables) => {
      checkStoresAgree({ raft, tables: tables.file }, options.folder);
      const store = tables.load();
      const durable = raft.load();
      store.apply(durable.entries);
      const elections = raft.elections({ limit: 100 });
      return { durable, elections, digest: digestStore(store).toHex() };
    });
  } finally {
    raft.abandon();
  }
}

/**
 * What a start finds in a copy of the folder with one bit flipped, once the log is applied to
 * whatever is left; null when the start is refused.
 */
function findAfterFlip(
  options: StoreOptions,
  { file, position, bit }: { file: string; position: number; bit: number },
): Found | null {
  const copy = copyAsIfKilled(options);
  const path = join(copy.folder, file);
  const bytes = Deno.readFileSync(path);
  const offset = Math.floor(position * bytes.length);
  bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
  Deno.writeFileSync(path, bytes);
  try {
    return find(copy);
  } catch (error) {
    assert.ok(error instanceof EnvironmentError || error instanceof InputError, `${error}`);
    return null;
  } finally {
    Deno.removeSync(copy.folder, { recursive: true });
  }
}

/** A place in a file, as a fraction of its length, and a bit of the byte there. */
const flips = fc.record({
  position: fc.nat(999_999).map((millionths) => millionths / 1e6),
  bit: fc.nat(7),
});

function checkAnyFlip(
  options: StoreOptions,
  { file, whole }: { file: string; whole: Found },
): void {
  const property = fc.property(flips, ({ position, bit }) => {
    const found = findAfterFlip(options, { file, position, bit });
    if (found !== null) assert.deepEqual(found, whole);
  });
  fc.assert(property, { numRuns: RUNS });
}

for (const file of ["raft/segment-0000000001", "kv.db"]) {
  Deno.test(`a start refuses a flipped bit anywhere in ${file}, or loses nothing by it`, () =>
    withFolder(async (options) => {
      await withNode(options, write);
      checkAnyFlip(options, { file, whole: find(options) });
    }));
}

Deno.test("a start refuses a flipped bit anywhere in kv.db-wal, or loses nothing by it", () =>
  withFolder(async (options) => {
    const left = await withNode(options, async (node) => {
      await write(node);
      return copyAsIfKilled(options);
    });
    checkAnyFlip(left, { file: "kv.db-wal", whole: find(options) });
  }));

Deno.test("a start after a kill refuses a flipped bit in the log, or loses what was last written", () =>
  withFolder(async (options) => {
    const left = await withNode(options, async (node) => {
      await write(node);
      return copyAsIfKilled(options);
    });
    // kv.db has applied everything, so that even the end of the log cannot be lost unseen.
    checkAnyFlip(left, { file: "raft/segment-0000000001", whole: find(options) });
  }));
