import fc from "fast-check";
import assert from "node:assert/strict";
import { join } from "node:path";
import { encodeHex } from "../../lib/bytes.ts";
import { EnvironmentError, InputError } from "../../lib/errors.ts";
import { StateMachine } from "../../lib/kv/state_machine.ts";
import type { DurableState } from "../../lib/raft/entry.ts";
import type { StoreOptions } from "../../lib/storage/open_database.ts";
import { openStores, type Stores } from "../../lib/storage/stores.ts";
import { digestState } from "../support/state_digest.ts";
import { childEntry } from "./persisting_child.ts";
import { batch, certificate, copyAsIfKilled, hardState, persist, withFolder } from "./support.ts";

/** Any one bit of any file may flip: what is read is then what was written, or it is refused. */

const BATCHES = 12;
const RUNS = 60;

/** Everything that a node would read from its folder at start. */
interface Found {
  readonly durable: DurableState;
  readonly elections: readonly string[];
  readonly digest: string;
  readonly values: readonly (string | null)[];
}

async function write({ raft, keyValues }: Stores): Promise<void> {
  const machine = new StateMachine(keyValues);
  for (let index = 1; index <= BATCHES; index++) {
    const entries = [childEntry(index, index)];
    const certificates = [certificate(index)];
    const written = { hardState: hardState(index, "server_1"), entries, certificates };
    await persist(raft, batch(index, written));
    machine.apply(entries);
  }
}

function find({ raft, keyValues }: Stores, durable: DurableState): Found {
  const elections = raft.elections({ limit: 100 });
  const digest = encodeHex(digestState(keyValues));
  const values = durable.entries.map(({ index }) => {
    const row = keyValues.get(`key ${index}`);
    return row === null ? null : encodeHex(row.value);
  });
  return { durable, elections, digest, values };
}

function abandon({ raft, keyValues }: Stores): void {
  raft.abandon();
  keyValues.close();
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
  let stores: Stores | null = null;
  try {
    stores = openStores(copy);
    const durable = stores.raft.load();
    new StateMachine(stores.keyValues).apply(durable.entries);
    return find(stores, durable);
  } catch (error) {
    assert.ok(error instanceof EnvironmentError || error instanceof InputError, `${error}`);
    return null;
  } finally {
    if (stores !== null) abandon(stores);
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

/** What a sound start finds. */
function findWhole(options: StoreOptions): Found {
  const stores = openStores(options);
  try {
    return find(stores, stores.raft.load());
  } finally {
    abandon(stores);
  }
}

for (const file of ["raft/segment-0000000001", "kv.db"]) {
  Deno.test(`a start refuses a flipped bit anywhere in ${file}, or loses nothing by it`, () =>
    withFolder(async (options) => {
      const stores = openStores(options);
      await write(stores);
      await stores.close();
      checkAnyFlip(options, { file, whole: findWhole(options) });
    }));
}

Deno.test("a start refuses a flipped bit anywhere in kv.db-wal, or loses nothing by it", () =>
  withFolder(async (options) => {
    const stores = openStores(options);
    await write(stores);
    const left = copyAsIfKilled(options);
    await stores.close();
    checkAnyFlip(left, { file: "kv.db-wal", whole: findWhole(options) });
  }));

Deno.test("a start after a kill refuses a flipped bit in the log, or loses what was last written", () =>
  withFolder(async (options) => {
    const stores = openStores(options);
    await write(stores);
    const left = copyAsIfKilled(options);
    await stores.close();
    // kv.db has applied everything, so that even the end of the log cannot be lost unseen.
    checkAnyFlip(left, { file: "raft/segment-0000000001", whole: findWhole(options) });
  }));
