import { join } from "node:path";
import { encodeHex } from "../../../lib/bytes.ts";
import { TOKEN_ID_LENGTH } from "../../../lib/kv/token.ts";
import type { LogStart } from "../../../lib/raft/entry.ts";
import type { StoreOptions } from "../../../lib/storage/open_database.ts";
import type { SnapshotFile } from "../../../lib/storage/snapshot/snapshot_file.ts";
import { openStores, type Stores } from "../../../lib/storage/stores.ts";
import { toLogIndex, toNodeId, toTerm } from "../../../lib/types.ts";
import { newToken } from "../../kv/support.ts";
import { digestState } from "../../support/state_digest.ts";
import { batch, entries, hardState, persist, withFolder } from "../support.ts";

/** What the tests of snapshots have in common. */

/** The options of two nodes of one cluster, each with a folder of its own. */
export interface Pair {
  /** The node that makes snapshots. */
  readonly maker: StoreOptions;
  /** The node that gets them. */
  readonly receiver: StoreOptions;
}

/** Runs `work` with two nodes, and removes their folders. */
export function withPair(work: (pair: Pair) => void | Promise<void>): Promise<void> {
  return withFolder((options) =>
    work({
      maker: { ...options, folder: join(options.folder, "maker") },
      receiver: {
        ...options,
        folder: join(options.folder, "receiver"),
        node: toNodeId("server_2"),
      },
    })
  );
}

/** Opens a node's stores, and closes them after `work`. */
export async function withStores<Result>(
  options: StoreOptions,
  work: (stores: Stores) => Result | Promise<Result>,
): Promise<Result> {
  const stores = openStores(options);
  try {
    return await work(stores);
  } finally {
    await stores.close();
  }
}

/** Persists and applies `count` entries more, each with a value of its own. */
export function write({ raft, keyValues }: Stores, count: number): void {
  const first = keyValues.appliedIndex + 1;
  const last = toLogIndex(first + count - 1);
  raft.persist(batch(first, { hardState: hardState(1), entries: entries(first, last) }));
  keyValues.transaction(last, () => {
    for (let index = first; index <= last; index++) {
      const revision = toLogIndex(index);
      const value = new Uint8Array(500).fill(index);
      const createRevision = revision;
      keyValues.put({
        key: `key ${index}`,
        value,
        createRevision,
        modRevision: revision,
        version: 1,
      });
      keyValues.remembered.add({
        idempotencyKey: `write ${index}`,
        commandDigest: new Uint8Array(32),
        result: { kind: "put", revision, createRevision, version: 1 },
      });
      const id = index.toString(16).padStart(TOKEN_ID_LENGTH, "0");
      keyValues.tokens.add({ ...newToken("0"), id, createRevision });
    }
  });
}

/** Settles when what was handed to the log before is durable. */
export async function settled({ raft }: Stores, sequence: number): Promise<void> {
  await persist(raft, batch(sequence, {}));
}

/** All of a store in 32 bytes, as hex. */
export function stateOf({ keyValues }: Stores): string {
  return encodeHex(digestState(keyValues));
}

/** Sends a snapshot from its maker to a receiver, in chunks, from wherever the receiver stands. */
export function send(
  snapshot: SnapshotFile,
  { from, to, chunkBytes = 10_000, until = snapshot.bytes }: {
    from: Stores;
    to: Stores;
    chunkBytes?: number;
    until?: number;
  },
): void {
  let offset = to.snapshots.store({ snapshot, offset: 0, data: new Uint8Array(0) });
  while (offset < until) {
    const data = from.snapshots.read({ snapshot, offset, bytesMax: chunkBytes });
    if (data === null) throw new Error("another snapshot is offered");
    offset = to.snapshots.store({ snapshot, offset, data });
  }
}

/** The log begins after a snapshot, and nothing of it is kept. */
export function startAfter({ index }: SnapshotFile): LogStart {
  return { position: { index, term: toTerm(1) }, keepsRest: false, members: null };
}

/** The names of the files in a node's folder of snapshots. */
export function snapshotFiles({ folder }: StoreOptions): readonly string[] {
  return [...Deno.readDirSync(join(folder, "snapshots"))].map(({ name }) => name).sort();
}

/** A maker that has made a snapshot, and a receiver. */
export interface Made extends Pair {
  /** The maker's stores. */
  readonly made: Stores;
  /** The receiver's. */
  readonly stores: Stores;
  /** What the maker has made. */
  readonly snapshot: SnapshotFile;
}

/** Runs `work` with a snapshot of `count` entries, of which nothing has been sent. */
export function withMade(
  count: number,
  work: (parts: Made) => void | Promise<void>,
): Promise<void> {
  return withPair((pair) =>
    withStores(pair.maker, async (made) => {
      write(made, count);
      const snapshot = await made.snapshots.make();
      await withStores(pair.receiver, (stores) => work({ ...pair, made, stores, snapshot }));
    })
  );
}

/** Runs `work` with a snapshot of `count` entries that was sent whole, but is not yet checked. */
export function withArrived(
  count: number,
  work: (parts: Made) => void | Promise<void>,
): Promise<void> {
  return withMade(count, (parts) => {
    send(parts.snapshot, { from: parts.made, to: parts.stores });
    return work(parts);
  });
}
