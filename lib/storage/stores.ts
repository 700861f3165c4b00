/**
 * A node's stores, opened together.
 *
 * @module
 */

import { join } from "node:path";
import { assert } from "../assert.ts";
import type { LogIndex } from "../types.ts";
import { createDataFolder } from "./folder.ts";
import { KEY_VALUE_FILE, openKeyValueStore, type SqliteKeyValueStore } from "./key_value_store.ts";
import type { StoreOptions } from "./open_database.ts";
import { openRaftStore, RAFT_FOLDER, type RaftStore } from "./raft_store.ts";
import { checkRows } from "./row_digest.ts";
import { Snapshots } from "./snapshot/snapshots.ts";
import { CorruptionError, KEY_VALUE_WAY_BACK, RAFT_WAY_BACK } from "./storage_error.ts";

/**
 * Up to this size each row of kv.db is read at start: about 30 ms for each MiB with values of 256 bytes,
 * and 200 ms with values of one. A larger one's rows are checked when they are read.
 */
const ROW_CHECK_BYTES_MAX = 16 * 1024 * 1024;

/** The durable parts of one node. */
export class Stores {
  /** Hard state, log and certificates. */
  readonly raft: RaftStore;
  /** The state machine's data. */
  readonly keyValues: SqliteKeyValueStore;
  /** Snapshots of the state machine's data. */
  readonly snapshots: Snapshots;

  /** Takes over what {@linkcode openStores} opened. */
  constructor(
    parts: {
      readonly raft: RaftStore;
      readonly keyValues: SqliteKeyValueStore;
      readonly snapshots: Snapshots;
    },
  ) {
    this.raft = parts.raft;
    this.keyValues = parts.keyValues;
    this.snapshots = parts.snapshots;
  }

  /** Whether kv.db was made anew and the log no longer reaches back: only a snapshot brings it back. */
  get lacksState(): boolean {
    return this.keyValues.appliedIndex < this.raft.logStart.index;
  }

  /**
   * Puts a snapshot that `snapshots.finish` made ready in the place of the state machine's data;
   * `keyValues` stays the same object. Right after the log has it that it starts there: if
   * the process dies between the two, the next start installs it.
   *
   * @throws {EnvironmentError} when the disk fails; the node must stop.
   */
  installSnapshot({ index }: { readonly index: LogIndex }): void {
    // By now a later snapshot may be on its way, which is then installed after this one.
    assert(index <= this.raft.logStart.index, `The log does not start after entry ${index} yet`);
    this.snapshots.install(index);
    assert(this.keyValues.appliedIndex === index, `The snapshot of ${index} is another one`);
  }

  /** Closes everything. Without it nothing is lost; with it the next start is shorter. */
  async close(): Promise<void> {
    try {
      await this.snapshots.close();
    } finally {
      this.keyValues.close();
      await this.raft.close();
    }
  }
}

/**
 * Creates the data folder when there is none, opens the stores, completes the installation of a
 * snapshot that was interrupted, and checks that the stores fit together.
 *
 * @throws {EnvironmentError} when another process uses the folder, or the disk fails.
 * @throws {InputError} when the folder belongs to another cluster or node.
 * @throws {CorruptionError} when something is damaged or missing.
 */
export function openStores(options: StoreOptions): Stores {
  createDataFolder(options.folder);
  using opened = new DisposableStack();
  // In this order: the log is never missing beside a kv.db, see `prepareFolder` in raft_store.ts.
  const raft = opened.adopt(openRaftStore(options), (store) => store.abandon());
  const keyValues = opened.adopt(openKeyValueStore(options), (store) => store.close());
  const snapshots = new Snapshots(options, keyValues);
  const stores = new Stores({ raft, keyValues, snapshots });
  completeInstallation(stores);
  checkStoresAgree(stores, options.folder);
  if (Deno.statSync(keyValues.path).size <= ROW_CHECK_BYTES_MAX) checkRows(keyValues);
  snapshots.removeLeftovers();
  opened.move();
  return stores;
}

/** The log says that a snapshot takes the log's place, and the process died before it was there. */
function completeInstallation({ raft, keyValues, snapshots }: Stores): void {
  const { index } = raft.logStart;
  if (keyValues.appliedIndex < index && snapshots.isReady(index)) snapshots.install(index);
}

/** How far each of a node's stores reaches. */
interface StoreReach {
  /** Of the log. */
  readonly raft: Pick<RaftStore, "lastIndex" | "logStart">;
  /** Of kv.db. */
  readonly keyValues: Pick<SqliteKeyValueStore, "appliedIndex">;
}

/**
 * An entry is applied only after it is durable in the log, so a kv.db that is ahead of it proves
 * that the log lost its end, and perhaps a vote with it. And the log starts only where kv.db was
 * durable, so a kv.db that is behind that has lost something that the log cannot bring back. Only a
 * kv.db that has applied nothing was made anew because somebody took the old one away.
 *
 * @throws {CorruptionError} when the stores do not fit together.
 */
export function checkStoresAgree({ raft, keyValues }: StoreReach, folder: string): void {
  const { lastIndex, logStart } = raft;
  const { appliedIndex } = keyValues;
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
