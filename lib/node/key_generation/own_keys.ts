/**
 * A node's keys when it starts: those in its folder; or none, and then it generates them with the other nodes.
 *
 * @module
 */

import { assertDefined } from "../../assert.ts";
import { equalSecrets, eraseAll, erasingOnFailure } from "../../bytes.ts";
import { EnvironmentError } from "../../errors.ts";
import type { GeneratedKey } from "../../keygen/mod.ts";
import {
  dealClusterKeys,
  deleteRecord,
  hasKeyFiles,
  hasRecord,
  hasShare,
  KeyFileError,
  type KeyPlace,
  type NodeKeys,
  readNodeKeys,
  readRecord,
  RECORD_FILE,
  VoterSecret,
  writeGeneratedKeys,
  writeRecord,
} from "../../keys/mod.ts";
import { CorruptionError, hasRaftStore, isOnlyRestored } from "../../storage/mod.ts";
import type { KeyGenerationOptions } from "./key_generation_run.ts";

/**
 * The keys in a node's folder; null when key generation has to begin, or to go on. The node of a cluster of
 * one makes its key here.
 *
 * @throws {KeyFileError} when there are keys that cannot be used, or data of a node whose keys are gone.
 * @throws {EnvironmentError} when the folder or the disk refuses.
 */
export function openOwnKeys(place: KeyPlace): NodeKeys | null {
  const { folder, config } = place;
  const { dataDir } = folder;
  if (hasRecord(dataDir)) {
    if (!hasShare(dataDir)) return null;
    // Before the record is removed: it may hold the only usable share.
    const keys = readNodeKeys(folder, config);
    const secrets = [keys.shares.reveal().current?.secret ?? new Uint8Array()];
    return erasingOnFailure(secrets, () => {
      checkFinished(place, keys);
      deleteRecord(dataDir);
      return keys;
    });
  }
  if (config.peers.length === 1) {
    if (!hasShare(dataDir) && !hasVotes(place)) dealToSelf(place);
  } else if (!hasKeyFiles(dataDir) && !hasVotes(place)) return null;
  return readNodeKeys(folder, config);
}

/** Whether the node may have voted. A node whose folder was made from a snapshot has not, until it first runs. */
function hasVotes({ folder: { dataDir, self }, config: { cluster } }: KeyPlace): boolean {
  if (!hasRaftStore(dataDir)) return false;
  const store = { folder: dataDir, cluster, node: self };
  try {
    return !isOnlyRestored(store);
  } catch (error) {
    // Damaged data may contain votes.
    if (error instanceof CorruptionError || error instanceof EnvironmentError) return true;
    throw error;
  }
}

/**
 * The options for this node's part in key generation, which goes on from its record. Once it has finished,
 * {@linkcode openOwnKeys} finds the keys.
 *
 * @throws {KeyFileError} when the record cannot be used.
 */
export function prepareKeyGeneration(
  place: KeyPlace,
  peers: Pick<KeyGenerationOptions, "identity" | "network">,
): KeyGenerationOptions {
  return {
    config: place.config,
    self: place.folder.self,
    ...peers,
    record: readRecord(place),
    persist: (record) => writeRecord(place, record),
    keep: (key) => keepKey(place, key),
  };
}

/** The record is removed only when the key files have everything that it promises. */
function keepKey({ folder }: KeyPlace, { genesis, secret }: GeneratedKey): void {
  try {
    const share = new VoterSecret(folder.self, secret);
    writeGeneratedKeys(folder, { group: genesis, genesis: genesis.note, share });
  } finally {
    eraseAll([secret]);
  }
  deleteRecord(folder.dataDir);
}

/**
 * A crash may have left the record of the key generation that made these keys. Any other record contradicts
 * them.
 */
function checkFinished(place: KeyPlace, keys: NodeKeys): void {
  const { genesis = null, share = null } = readRecord(place) ?? {};
  const own = keys.shares.reveal().current?.secret;
  const isTheSame = share !== null && own !== undefined && equalSecrets(share.secret, own);
  share?.secret.fill(0);
  if (genesis !== null && isTheSame) return;
  throw new KeyFileError(
    `${place.folder.dataDir}/${RECORD_FILE}`,
    genesis === null
      ? "key generation is not finished, but there is a share.json as well"
      : "it holds the share that key generation made, and share.json holds another",
    `If the cluster runs with the share in share.json, delete ${RECORD_FILE}; else move share.json ` +
      "and group.json away.",
  );
}

/**
 * A cluster of one signs with its own key, and no other node takes part in making it. A crash may have left
 * the group without the share; such a group is useless, as long as the node has not run.
 */
function dealToSelf({ folder, config }: KeyPlace): void {
  const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const { group, shares } = dealClusterKeys(config, randomBytes);
  const share = assertDefined(shares[0], "A key without a share");
  try {
    writeGeneratedKeys(folder, { group, genesis: null, share });
  } finally {
    share.erase();
  }
}
