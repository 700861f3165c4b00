/**
 * A node's stores, opened together.
 *
 * @module
 */

import { join } from "node:path";
import { assert, assertDefined } from "../assert.ts";
import type { Store, StoreLimits } from "../kv/mod.ts";
import { createDataFolder } from "./folder.ts";
import type { StoreOptions } from "./open_database.ts";
import { openRaftStore, RAFT_FOLDER, type RaftStore } from "./raft_store.ts";
import { checkNotRestoring } from "./snapshot/restore.ts";
import type { SnapshotFile } from "./snapshot/snapshot_file.ts";
import { Snapshots } from "./snapshot/snapshots.ts";
import { CorruptionError, KEY_VALUE_WAY_BACK, RAFT_WAY_BACK } from "./storage_error.ts";
import { KEY_VALUE_FILE } from "./tables/table_file.ts";
import { Tables } from "./tables/tables.ts";

/** The durable parts of one node. */
export class Stores {
  /** Hard state, log and certificates. */
  readonly raft: RaftStore;
  /** The state machine's data. */
  readonly tables: Tables;
  /** Snapshots of the state machine's data. */
  readonly snapshots: Snapshots;
  #store: Store | null;

  /** Takes over what {@linkcode openStores} opened. */
  constructor(
    parts: {
      readonly raft: RaftStore;
      readonly tables: Tables;
      readonly snapshots: Snapshots;
      readonly store: Store;
    },
  ) {
    this.raft = parts.raft;
    this.tables = parts.tables;
    this.snapshots = parts.snapshots;
    this.#store = parts.store;
  }

  /** Whether kv.db was made anew and the log no longer reaches back: only a snapshot brings it back. */
  get lacksState(): boolean {
    return this.tables.appliedIndex < this.raft.logStart.index;
  }

  /** The store as the tables have it at the start; to be asked once. */
  takeStore(): Store {
    const store = assertDefined(this.#store, "What a start found is taken once");
    this.#store = null;
    return store;
  }

  /**
   * The store of a snapshot that `snapshots.finish` made ready. Its file takes the place of the state
   * machine's data in the background, before any later batch. Right after the log has it that it starts
   * there: if the process dies between the two, the next start installs it.
   */
  installSnapshot(snapshot: SnapshotFile): Store {
    const { index } = snapshot;
    // By now a later snapshot may be on its way, which is then installed after this one.
    assert(index <= this.raft.logStart.index, `The log does not start after entry ${index} yet`);
    return this.snapshots.install(snapshot);
  }

  /** Closes everything. Without it nothing is lost; with it the next start is shorter. */
  async close(): Promise<void> {
    try {
      await this.snapshots.close();
    } finally {
      await this.tables.close();
      await this.raft.close();
    }
  }
}

/**
 * Creates the data folder when there is none, opens the stores, completes the installation of a
 * snapshot that was interrupted, checks that the stores fit together, and reads the state machine's data
 * into memory.
 *
 * @throws {EnvironmentError} when another process uses the folder, or the disk fails.
 * @throws {InputError} when the folder belongs to another cluster or node.
 * @throws {CorruptionError} when something is damaged or missing.
 */
export async function openStores(options: StoreOptions, limits: StoreLimits = {}): Promise<Stores> {
  createDataFolder(options.folder);
  checkNotRestoring(options.folder);
  await using opened = new AsyncDisposableStack();
  // In this order: the log is never missing beside a kv.db, see `prepareFolder` in raft_store.ts.
  const raft = opened.adopt(openRaftStore(options), (store) => store.abandon());
  const path = join(options.folder, KEY_VALUE_FILE);
  const tables = opened.adopt(await Tables.open(path, options), (open) => open.close());
  const snapshots = new Snapshots(options, { tables, limits });
  const { index } = raft.logStart;
  // The log says that a snapshot takes its place, and the process died before it was there.
  if (tables.appliedIndex < index) await snapshots.completeInstallation(index);
  checkStoresAgree({ raft, tables }, options.folder);
  const store = await tables.load(limits);
  snapshots.removeLeftovers();
  opened.move();
  return new Stores({ raft, tables, snapshots, store });
}

/** How far each of a node's stores reaches. */
interface StoreReach {
  /** Of the log. */
  readonly raft: Pick<RaftStore, "lastIndex" | "logStart">;
  /** Of kv.db. */
  readonly tables: Pick<Tables, "appliedIndex">;
}

/**
 * An entry is applied only after it is durable in the log, so a kv.db that is ahead of it proves that the log lost
 * its end, and perhaps a vote with it. And the log starts only where kv.db was durable, so a kv.db that is behind
 * that has lost something that the log cannot bring back. Only a kv.db that has applied nothing was made anew
 * because an operator moved the old one away.
 *
 * @throws {CorruptionError} when the stores do not fit together.
 */
export function checkStoresAgree({ raft, tables }: StoreReach, folder: string): void {
  const { lastIndex, logStart } = raft;
  const { appliedIndex } = tables;
  if (appliedIndex > lastIndex) {
    throw new CorruptionError({
      file: join(folder, RAFT_FOLDER),
      damage: `its log ends at entry ${lastIndex}, but ${KEY_VALUE_FILE} has applied entry ` +
        `${appliedIndex}`,
      wayBack: RAFT_WAY_BACK,
    });
  }
  if (appliedIndex < logStart.index && appliedIndex > 0) {
    throw new CorruptionError({
      file: join(folder, KEY_VALUE_FILE),
      damage: `it has applied entry ${appliedIndex}, but the log starts after entry ` +
        `${logStart.index}, and there is no snapshot of that`,
      wayBack: KEY_VALUE_WAY_BACK,
    });
  }
}
