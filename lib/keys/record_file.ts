/**
 * `keygen.json`: what a node keeps of key generation until it has its key, in its data folder. It
 * holds the node's share as soon as there is one, so it is written and read as a secret file; it is
 * deleted once the share is in `share.json`.
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

/** A node's own folder, and the configuration under which it is to have a key. */
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
 * Makes a record durable in place of the one before, and erases the share in the copy it was given.
 *
 * @throws {EnvironmentError} when the disk or the folder does not let it; then nobody knows which of
 * the two records the disk holds.
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
 * Reads a node's record; null when it has none. Whether its share is the one behind its statement,
 * `KeyGeneration` checks when it resumes.
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
 * @throws {EnvironmentError} when the disk does not let it.
 */
export function deleteRecord(dataDir: string): void {
  const path = `${dataDir}/${RECORD_FILE}`;
  // While the record is there, a crash brings a node here again.
  removeLeftovers(path);
  removeFile(path);
}
