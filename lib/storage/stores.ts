/**
 * A node's two stores, opened together.
 *
 * @module
 */

import { join } from "node:path";
import { CorruptionError, RAFT_WAY_BACK } from "./corruption_error.ts";
import { createDataFolder } from "./folder.ts";
import { KEY_VALUE_FILE, openKeyValueStore, type SqliteKeyValueStore } from "./key_value_store.ts";
import type { StoreOptions } from "./open_database.ts";
import { openRaftStore, RAFT_FILE, type RaftStore } from "./raft_store.ts";

/** The durable parts of one node. */
export interface Stores {
  /** Hard state, log and certificates. */
  readonly raft: RaftStore;
  /** The state machine's data. */
  readonly keyValues: SqliteKeyValueStore;
}

/**
 * Creates the data folder when there is none, opens both stores, and checks that they fit together.
 *
 * @throws {EnvironmentError} when another process uses the folder, or the disk fails.
 * @throws {InputError} when the folder belongs to another cluster or node.
 * @throws {CorruptionError} when something is damaged or missing.
 */
export function openStores(options: StoreOptions): Stores {
  createDataFolder(options.folder);
  // In this order: raft.db is never missing beside a kv.db, see `companion` in raft_store.ts.
  const raft = openRaftStore(options);
  try {
    const keyValues = openKeyValueStore(options);
    try {
      checkStoresAgree({ raft, keyValues }, options.folder);
      return { raft, keyValues };
    } catch (error) {
      keyValues.close();
      throw error;
    }
  } catch (error) {
    raft.close();
    throw error;
  }
}

/**
 * An entry is applied only after it is durable in the log, so a kv.db that is ahead of raft.db proves
 * that the log lost its end, and perhaps a vote with it.
 */
function checkStoresAgree({ raft, keyValues }: Stores, folder: string): void {
  const { lastIndex } = raft;
  const { appliedIndex } = keyValues;
  if (appliedIndex <= lastIndex) return;
  throw new CorruptionError({
    file: join(folder, RAFT_FILE),
    damage: `its log ends at entry ${lastIndex}, but ${KEY_VALUE_FILE} has applied entry ` +
      `${appliedIndex}`,
    wayBack: RAFT_WAY_BACK,
  });
}
