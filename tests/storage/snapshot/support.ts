import { join } from "node:path";
import { concatBytes } from "../../../lib/bytes.ts";
import { TOKEN_ID_LENGTH } from "../../../lib/limits.ts";
import type { Entry, LogStart } from "../../../lib/raft/entry.ts";
import type { StoreOptions } from "../../../lib/storage/open_database.ts";
import type { SavedSnapshot } from "../../../lib/storage/snapshot/saved_file.ts";
import type { SnapshotFile } from "../../../lib/storage/snapshot/snapshot_file.ts";
import { toNodeId, toTerm } from "../../../lib/types.ts";
import { entryOf, newToken, putCommand } from "../../kv/support.ts";
import { batch, hardState, persist, type TestNode, withFolder, withNode } from "../support.ts";

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

/** Persists and applies `count` entries more, each with a value of its own, and writes them to the tables. */
export async function write(node: TestNode, count: number): Promise<void> {
  const first = node.store.appliedIndex + 1;
  const log = Array.from({ length: count }, (_, position) => entryAt(first + position));
  await persist(node.raft, batch(first, { hardState: hardState(1), entries: log }));
  await node.apply(log);
}

/** Every third makes a token; the others put a key, and are remembered. */
function entryAt(index: number): Entry {
  const idempotency = { key: `write-${index}`, token: null };
  const id = index.toString(16).padStart(TOKEN_ID_LENGTH, "0");
  if (index % 3 === 0) return entryOf(index, { kind: "createToken", ...newToken("0"), id });
  const value = new Uint8Array(500).fill(index);
  return entryOf(index, putCommand(`key ${index}`, value, { idempotency }));
}

/** Sends a snapshot from its maker to a receiver, in chunks, from wherever the receiver stands. */
export function send(
  snapshot: SnapshotFile,
  { from, to, chunkBytes = 10_000, until = snapshot.bytes }: {
    from: TestNode;
    to: TestNode;
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
  /** What the maker has. */
  readonly made: TestNode;
  /** The receiver's. */
  readonly node: TestNode;
  /** What the maker has made. */
  readonly snapshot: SnapshotFile;
}

/** Runs `work` with a snapshot of `count` entries, of which nothing has been sent. */
export function withMade(
  count: number,
  work: (parts: Made) => void | Promise<void>,
): Promise<void> {
  return withPair((pair) =>
    withNode(pair.maker, async (made) => {
      await write(made, count);
      const snapshot = await made.snapshots.make();
      await withNode(pair.receiver, (node) => work({ ...pair, made, node, snapshot }));
    })
  );
}

/** Runs `work` with a snapshot of `count` entries that was sent whole, but is not yet checked. */
export function withArrived(
  count: number,
  work: (parts: Made) => void | Promise<void>,
): Promise<void> {
  return withMade(count, (parts) => {
    send(parts.snapshot, { from: parts.made, to: parts.node });
    return work(parts);
  });
}

/** All bytes of a snapshot that somebody saves. */
export async function readSaved(snapshot: SavedSnapshot): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  for (let part = await snapshot.next(); part !== null; part = await snapshot.next()) {
    parts.push(part);
  }
  snapshot.close();
  return concatBytes(...parts);
}
