/**
 * `keygen.json`: what a node keeps of key generation until it has its key, in its data folder. It
 * holds the node's share as soon as there is one, so it is written and read as a secret file; it is
 * deleted once the share is in `share.json`.
 *
 * @module
 */

import { z } from "zod";
import { encodeHex } from "../bytes.ts";
import { checked, type PinnedClusterConfig, type Schema, toGenesisRoster } from "../config/mod.ts";
import { type DurableKeyGeneration, hashConfiguration } from "../keygen/mod.ts";
import { type ClusterName, type NodeId, toClusterName, toNodeId } from "../types.ts";
import { KeyFileError, type KeyFolder, keySchema, ofAnother } from "./key_file.ts";
import { removeFile, removeLeftovers, statFile } from "./private_file.ts";
import {
  readSecretFile,
  type SecretFile,
  type SecretFileRemedies,
  writeSecretFile,
} from "./secret_file.ts";

/** The record's name within a node's data folder. */
export const RECORD_FILE = "keygen.json";

/** A record is the word that a node gave the others: it must not go while theirs stay. */
const START_OVER = `To start over, stop every node, see that none has a share.json, delete ` +
  `${RECORD_FILE} from every node's data folder, and start them again.`;

/** What to do about a record that cannot be used. */
export const RECORD_REMEDIES: SecretFileRemedies = {
  ifMissing: START_OVER,
  // Beside a share that is in use it has done its work, and a crash has left it.
  ifDamaged: `If the cluster runs and this node has its share.json, delete this file alone. ` +
    START_OVER,
  ifKnown: `start over. ${START_OVER}`,
};

/** A node's own folder, and the configuration under which it is to have a key. */
export interface KeyPlace {
  /** Where the record is kept, and under which passphrase. */
  readonly folder: KeyFolder;
  /** The cluster's configuration. */
  readonly config: PinnedClusterConfig;
}

/** Whether a data folder holds a record, usable or not. */
export function hasRecord(dataDir: string): boolean {
  return statFile(`${dataDir}/${RECORD_FILE}`) !== null;
}

/**
 * Makes a record durable in place of the one before, and erases the share in the copy it was given.
 *
 * @throws {EnvironmentError} when the disk or the folder does not let it; then nobody knows which of
 * the two records the disk holds.
 */
export function writeRecord(place: KeyPlace, record: DurableKeyGeneration): void {
  const { share, ...rest } = record;
  const content = {
    cluster: place.config.cluster,
    node: place.folder.self,
    ...rest,
    share: share === null ? null : { ...share, secret: encodeHex(share.secret) },
  };
  share?.secret.fill(0);
  writeSecretFile(recordFile(place), content);
}

/**
 * Reads a node's record; null when it has none. Whether its share is the one behind its statement,
 * `KeyGeneration` checks when it resumes.
 *
 * @throws {KeyFileError} when it is damaged, of another node or configuration, or open to others.
 */
export function readRecord(place: KeyPlace): DurableKeyGeneration | null {
  const { folder: { dataDir, self }, config } = place;
  if (!hasRecord(dataDir)) return null;
  const secretFile = recordFile(place);
  const { cluster, node, ...record } = readSecretFile(secretFile, {
    schema: recordSchema,
    remedies: RECORD_REMEDIES,
  });
  const file = secretFile.path;
  if (cluster !== config.cluster) {
    throw ofAnother(file, "cluster", { found: cluster, expected: config.cluster });
  }
  if (node !== self) throw ofAnother(file, "node", { found: node, expected: self });
  const configuration = hashConfiguration(toGenesisRoster(config));
  if (record.configuration === configuration) return record;
  record.share?.secret.fill(0);
  throw new KeyFileError(
    file,
    "key generation was begun under another cluster.json " +
      `(configuration ${record.configuration}, and this is ${configuration})`,
    "Put back that one's cluster, threshold, nodes and signing keys, or start over. " + START_OVER,
  );
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

function recordFile({ folder, config }: KeyPlace): SecretFile {
  const { dataDir, self: node, passphrase } = folder;
  const path = `${dataDir}/${RECORD_FILE}`;
  return { path, purpose: "key generation", cluster: config.cluster, node, passphrase };
}

/** What a record file says. */
interface RecordContent extends DurableKeyGeneration {
  readonly cluster: ClusterName;
  /** The node that it is the record of. */
  readonly node: NodeId;
}

/** A record file's JSON. */
export const recordSchema: Schema<RecordContent, unknown> = z.strictObject({
  cluster: checked(toClusterName),
  node: checked(toNodeId),
  configuration: z.string().regex(/^[0-9a-f]{64}$/),
  attempt: z.int().min(0),
  share: z.strictObject({
    attempt: z.int().min(1),
    statement: z.string(),
    secret: keySchema,
    signed: z.boolean(),
  }).nullable(),
  genesis: z.string().nullable(),
});
