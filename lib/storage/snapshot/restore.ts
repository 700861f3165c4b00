/**
 * Puts a saved snapshot into the data folder of a node that has never run: the way back from the loss of a
 * cluster's key or of most of its disks, into a new cluster.
 *
 * The new cluster's log begins behind the snapshot, in term 0, which has no leader. What the old cluster did after
 * the snapshot is lost, so what its clients may remember of that must not be taken for anything of the new one. So
 * the restored store stands {@linkcode RESTORE_GAP} revisions later, with all history forgotten: no revision is
 * used twice, a fence of the old cluster holds nowhere, and a watch that would go on from an old revision gets the
 * answer that it is compacted.
 *
 * While it is at work, a file in the folder says so, and keeps a node from starting there. Whatever goes wrong,
 * nothing of the snapshot stays.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { join, sep } from "node:path";
import { encodeUtf8 } from "../../bytes.ts";
import { catching, EnvironmentError, InputError, messageOf } from "../../errors.ts";
import { type LogIndex, toLogIndex, toTerm } from "../../types.ts";
import { createDataFolder, removeIfThere, syncFolder, writeFully } from "../folder.ts";
import type { StoreOptions } from "../open_database.ts";
import { hasRaftStore, openRaftStore, RAFT_FOLDER } from "../raft_store.ts";
import { encodeBatch } from "../tables/batch_codec.ts";
import { atOnce, RowLoader } from "../tables/rows.ts";
import { KEY_VALUE_FILE, openTableFile } from "../tables/table_file.ts";
import { readSavedFile, type SavedFile } from "./saved_file.ts";
import { adoptSnapshot, openSnapshot, SnapshotPaths } from "./snapshot_file.ts";

/** How far behind the snapshot's last entry the new log begins: more than the old cluster can have written. */
export const RESTORE_GAP = 1_000_000_000;

/** Is there while a snapshot is being restored. */
const RESTORING_FILE = "restoring";

/** All that a restore makes in the folder. */
const MADE_HERE: readonly string[] = [
  RAFT_FOLDER,
  `${RAFT_FOLDER}.guard`,
  ...["", ".guard", "-wal", "-shm"].map((ending) => KEY_VALUE_FILE + ending),
];

/** What was restored. */
export interface Restored {
  /** The file that was read. */
  readonly saved: SavedFile;
  /** Where the new log begins, and the store stands. */
  readonly index: LogIndex;
  /** How many keys there are. */
  readonly keys: number;
}

/**
 * Restores the snapshot in the file at `path`. The folder's owner is the new cluster's node, whatever the
 * snapshot's cluster is. After a failure the folder is as it was; after a crash it is enough to restore again.
 *
 * @throws {InputError} when the file is damaged, or the folder has data.
 * @throws {EnvironmentError} when the disk fails, or another process uses the folder.
 */
export async function restoreSnapshot(
  path: string,
  options: StoreOptions & { readonly onProgress?: (bytes: number, of: number) => void },
): Promise<Restored> {
  const { folder } = options;
  checkUnused(folder);
  createDataFolder(folder);
  checkOutside(path, folder);
  markRestoring(folder);
  try {
    removeRests(folder);
    const restored = await restore(path, options);
    removeIfThere(join(folder, RESTORING_FILE));
    syncFolder(folder);
    return restored;
  } catch (error) {
    removeRests(folder);
    removeIfThere(join(folder, RESTORING_FILE));
    throw error;
  }
}

/**
 * Refuses a folder into which a snapshot is restored in part.
 *
 * @throws {EnvironmentError}
 */
export function checkNotRestoring(folder: string): void {
  if (!existsSync(join(folder, RESTORING_FILE))) return;
  throw new EnvironmentError(
    `Cannot use data folder ${folder}: the restore of a snapshot was interrupted there. Run ` +
      "floe snapshot restore again.",
  );
}

/**
 * Whether all that a folder's log says is where it begins: a snapshot was restored, and the node has never
 * voted.
 *
 * @throws what {@linkcode openRaftStore} throws.
 */
export function isOnlyRestored(options: StoreOptions): boolean {
  checkNotRestoring(options.folder);
  const store = openRaftStore(options);
  try {
    return store.logStart.index > 0 && store.load().hardState.currentTerm === 0;
  } finally {
    store.abandon();
  }
}

/** An interrupted restore may be begun again. */
function checkUnused(folder: string): void {
  if (existsSync(join(folder, RESTORING_FILE))) return;
  if (!hasRaftStore(folder) && !existsSync(join(folder, KEY_VALUE_FILE))) return;
  throw new InputError(
    `Cannot restore into ${folder}: it has data already. A snapshot is restored into the folder of a ` +
      "node of a new cluster, before it runs for the first time.",
  );
}

/** What an interrupted restore left in the folder goes, so the snapshot itself must not be there. */
function checkOutside(path: string, folder: string): void {
  const real = catching(
    Deno.errors.NotFound,
    () => Deno.realPathSync(path),
    () => {
      throw new InputError(`Cannot read snapshot ${path}: there is no such file`);
    },
  );
  if (!real.startsWith(`${Deno.realPathSync(folder)}${sep}`)) return;
  throw new InputError(
    `Cannot restore ${path}: it is inside the data folder ${folder}, where a restore removes files. ` +
      "Move it out of there.",
  );
}

function markRestoring(folder: string): void {
  try {
    using file = Deno.openSync(join(folder, RESTORING_FILE), { write: true, create: true });
    writeFully(file, encodeUtf8("A snapshot is being restored into this folder.\n"));
    file.syncSync();
  } catch (cause) {
    throw new EnvironmentError(`Cannot write in ${folder}: ${messageOf(cause)}`, { cause });
  }
  syncFolder(folder);
}

function removeRests(folder: string): void {
  removeSnapshotFolder(new SnapshotPaths(folder));
  for (const { name } of Deno.readDirSync(folder)) {
    if (MADE_HERE.includes(name)) Deno.removeSync(join(folder, name), { recursive: true });
  }
}

/** Removes what a restore made there, and the folder if nothing else is in it. */
function removeSnapshotFolder({ folder, copy }: SnapshotPaths): void {
  if (!existsSync(folder)) return;
  removeIfThere(copy);
  if ([...Deno.readDirSync(folder)].length === 0) Deno.removeSync(folder);
}

async function restore(
  path: string,
  options: Parameters<typeof restoreSnapshot>[1],
): Promise<Restored> {
  const paths = new SnapshotPaths(options.folder);
  createDataFolder(paths.folder);
  const { copy } = paths;
  const saved = extract(path, { ...options, to: copy });
  const keys = checkContent(copy, saved);
  const index = toLogIndex(saved.index + RESTORE_GAP);
  await beginLog(options, index);
  placeTables(copy, { ...options, saved, index });
  removeSnapshotFolder(paths);
  return { saved, index, keys };
}

function extract(
  path: string,
  { to, onProgress }: {
    readonly to: string;
    readonly onProgress?: (bytes: number, of: number) => void;
  },
): SavedFile {
  using file = Deno.openSync(to, { write: true, createNew: true, mode: 0o600 });
  const saved = readSavedFile(path, {
    take: (part) => writeFully(file, part),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  file.syncSync();
  return saved;
}

/** Makes a store of the snapshot, as a node does at its start. Returns how many keys it has. */
function checkContent(path: string, { cluster, index, revision }: SavedFile): number {
  const tables = openSnapshot(path, cluster);
  try {
    const loader = new RowLoader({});
    for (let rows = tables.read(); rows !== null; rows = tables.read()) atOnce(loader.add(rows));
    const store = atOnce(loader.finish());
    if (store.appliedIndex === index && store.keys.revision === revision) {
      return store.keys.liveKeys;
    }
    throw new InputError("Cannot use snapshot: its head is not that of its database");
  } finally {
    tables.close();
  }
}

/** A log without entries that begins behind the snapshot. */
async function beginLog(options: StoreOptions, index: LogIndex): Promise<void> {
  const store = openRaftStore(options);
  try {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    store.use({ persisted: () => resolve(), failed: reject });
    const position = { index, term: toTerm(0) };
    store.persist({
      sequence: 1,
      hardState: null,
      logStart: { position, keepsRest: false, members: null },
      entries: [],
      certificates: [],
      grants: null,
    });
    await promise;
  } finally {
    await store.close();
  }
}

/** The database becomes the node's own, standing at `index`, without history and remembered writes. */
function placeTables(
  copy: string,
  { saved, index, ...options }: StoreOptions & {
    readonly saved: SavedFile;
    readonly index: LogIndex;
  },
): void {
  const path = join(options.folder, KEY_VALUE_FILE);
  openTableFile(options).close();
  adoptSnapshot(copy, options);
  for (const rest of ["-wal", "-shm"]) removeIfThere(path + rest);
  Deno.renameSync(copy, path);
  syncFolder(options.folder);
  const tables = openTableFile(options, { isChecked: true });
  try {
    const nothing = { puts: [], deletes: [], history: [], remembered: [] };
    const none = { leases: new Map<number, null>(), tokens: new Map<string, null>() };
    const place = { appliedIndex: index, revision: index, compactedRevision: index };
    const batch = { ...nothing, ...none, ...place, forgottenIndex: saved.index };
    for (const part of encodeBatch(batch, 0)) tables.write(part);
    tables.commit();
  } finally {
    tables.close();
  }
}
