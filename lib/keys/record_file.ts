/**
 * `keygen.json` in a node's data folder: the state of key generation until the node has its key. It
 * holds the node's share as soon as there is one, so it is a secret file. It is deleted once the share
 * is in `share.json`.
 *
 * @module
 */

import { eraseAll, erasingOnFailure } from "../bytes.ts";
import { type PinnedClusterConfig, toGenesisRoster } from "../config/mod.ts";
import { type DurableKeyGeneration, hashConfiguration } from "../keygen/mod.ts";
import { KeyFileError, type KeyFolder } from "./key_file.ts";
import { removeFile, removeLeftovers } from "./private_file.ts";
import {
  hasSecret,
  readOwnSecret,
  RECORD,
  RECORD_FILE,
  START_OVER,
  writeOwnSecret,
} from "./secret_kinds.ts";

/** A node's data folder, and the configuration that its key is made for. */
export interface KeyPlace {
  /** Where the record is kept, and under which passphrase. */
  readonly folder: KeyFolder;
  /** The cluster's configuration. */
  readonly config: PinnedClusterConfig;
}

/** Whether a data folder holds a record, usable or not. */
export function hasRecord(dataDir: string): boolean {
  return hasSecret(dataDir, RECORD);
}

/**
 * Makes a record durable in place of the one before, and erases the share in the given copy.
 *
 * @throws {EnvironmentError} when the folder or the disk refuses. Then it is unknown which of the two records the
 * disk holds.
 */
export function writeRecord(place: KeyPlace, record: DurableKeyGeneration): void {
  const { folder, config: { cluster } } = place;
  const content = { cluster, node: folder.self, ...record };
  try {
    writeOwnSecret(RECORD, folder, content);
  } finally {
    eraseAll(RECORD.secretsOf(content));
  }
}

/**
 * Reads a node's record; null when it has none. `KeyGeneration` checks, when it resumes, that the share
 * belongs to the statement.
 *
 * @throws {KeyFileError} when it is damaged, of another node or configuration, or open to others.
 */
export function readRecord({ folder, config }: KeyPlace): DurableKeyGeneration | null {
  if (!hasRecord(folder.dataDir)) return null;
  const content = readOwnSecret(RECORD, folder, config.cluster);
  return erasingOnFailure(RECORD.secretsOf(content), () => {
    const { cluster: _cluster, node: _node, ...record } = content;
    const configuration = hashConfiguration(toGenesisRoster(config));
    if (record.configuration === configuration) return record;
    throw new KeyFileError(
      `${folder.dataDir}/${RECORD_FILE}`,
      "key generation was begun under another cluster.json " +
        `(configuration ${record.configuration}, and this is ${configuration})`,
      "Put back that one's cluster, threshold, nodes and signing keys, or start over. " +
        START_OVER,
    );
  });
}

/**
 * Deletes a record, durably, and what a crash has left of earlier ones.
 *
 * @throws {EnvironmentError} when the disk refuses.
 */
export function deleteRecord(dataDir: string): void {
  const path = `${dataDir}/${RECORD_FILE}`;
  // The record is removed last, so that a node that crashes before comes here again.
  removeLeftovers(path);
  removeFile(path);
}
