import { join } from "node:path";
import type { DurableState, PersistBatch } from "../../../lib/raft/mod.ts";
import { FolderFiles } from "../../../lib/storage/log/files.ts";
import { segmentName } from "../../../lib/storage/log/segment.ts";
import type { StoreOptions } from "../../../lib/storage/open_database.ts";
import { encodeNewLog, openRaftStore, RaftStore } from "../../../lib/storage/raft_store.ts";
import { batch, certificate, entries, hardState, persist, withFolder } from "../support.ts";

/** What the tests of the log's files have in common. */

/** So short that a few batches fill a segment. */
const SEGMENT_BYTES_MAX = 1000;

/** A log in a folder of its own. */
export interface LogFolder {
  readonly options: StoreOptions;
  /** The folder of the log's files. */
  readonly folder: string;
  /** Opens a store with short segments on it. */
  readonly open: () => RaftStore;
}

/** Runs `work` with the folder of a new log, and removes the folder. */
export function withLogFolder(work: (log: LogFolder) => void | Promise<void>): Promise<void> {
  return withFolder(async (options) => {
    await openRaftStore(options).close();
    const folder = join(options.folder, "raft");
    new FolderFiles(folder).create(segmentName(1), encodeNewLog(options));
    const open = () => {
      const files = new FolderFiles(folder);
      return new RaftStore({ owner: options, folder, files, segmentBytesMax: SEGMENT_BYTES_MAX });
    };
    await work({ options, folder, open });
  });
}

/** Writes one batch for each index: a term, an entry and a certificate of its own. */
export async function fill(
  store: RaftStore,
  { from = 1, count }: { readonly from?: number; readonly count: number },
): Promise<void> {
  for (let index = from; index < from + count; index++) await persist(store, batchAt(index));
}

/** The batch that {@linkcode fill} writes. */
export function batchAt(index: number): PersistBatch {
  return batch(index, {
    hardState: hardState(index, "server_1"),
    entries: entries(index, index, index),
    certificates: [certificate(index)],
  });
}

/** What a start finds, and how it leaves the folder. */
export function find(
  { open }: LogFolder,
): DurableState & { readonly elections: readonly string[] } {
  const store = open();
  try {
    return { ...store.load(), elections: store.elections({ limit: 1000 }) };
  } finally {
    store.abandon();
  }
}

/** The names of the log's files, sorted. */
export function namesIn(folder: string): readonly string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** How many bytes of a file are in use: behind them it is zero. */
export function usedBytes(path: string): number {
  return Deno.readFileSync(path).findLastIndex((byte) => byte !== 0) + 1;
}
