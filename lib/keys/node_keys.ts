/**
 * A node's key files, in its own data folder: `group.json`, which is public and the same on every
 * node, and `share.json`, the node's secret, which nobody else may read.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { equalBytes, erasingOnFailure } from "../bytes.ts";
import { type Group, toGroupPublicKeys } from "../certificate/mod.ts";
import type { ClusterConfig } from "../config/mod.ts";
import { catching, InputError } from "../errors.ts";
import { checkSecretShare } from "../frost/mod.ts";
import { createDataFolder, hasRaftStore, RAFT_FOLDER } from "../storage/mod.ts";
import type { NodeId } from "../types.ts";
import { derivePublicKey, VoterSecret } from "./dealing.ts";
import { formatGroup, GROUP_FILE, readGroupFile } from "./group_file.ts";
import { KeyFileError, type KeyFolder } from "./key_file.ts";
import { removeLeftovers, statFile, writeFileAtomically } from "./private_file.ts";
import {
  hasSecret,
  readOwnSecret,
  SHARE,
  SHARE_FILE,
  type ShareContent,
  writeOwnSecret,
} from "./secret_kinds.ts";

/** The keys that a node signs with. They match each other and the cluster's configuration. */
export interface NodeKeys {
  /** The public key of the cluster and of each voter. */
  readonly group: Group;
  /** The genesis certificate, a signed note; null where a dealer made the key. */
  readonly genesis: string | null;
  /** The node's own secret. */
  readonly share: VoterSecret;
  /** Whether a node has run with this share. Then its votes and its store must be there as well. */
  readonly isInUse: boolean;
}

/** Whether a data folder holds a key file, usable or not. */
export function hasKeyFiles(dataDir: string): boolean {
  return hasShare(dataDir) || statFile(`${dataDir}/${GROUP_FILE}`) !== null;
}

/** Whether a data folder holds a share, usable or not. */
export function hasShare(dataDir: string): boolean {
  return hasSecret(dataDir, SHARE);
}

/**
 * Writes a node's key files. Only the owner can read the secret one, and only the owner can enter the
 * folder, which is created if it does not exist.
 *
 * @throws {KeyFileError} when there are key files already: a share is never overwritten.
 * @throws {EnvironmentError} when the disk or the folder does not let it.
 */
export function writeNodeKeys(
  folder: KeyFolder,
  { group, genesis, share }: Omit<NodeKeys, "isInUse">,
): void {
  const { dataDir } = folder;
  if (hasKeyFiles(dataDir)) {
    throw new KeyFileError(
      dataDir,
      "it holds keys already",
      "Keys are never overwritten; move them away or choose another folder.",
    );
  }
  writeGeneratedKeys(folder, { group, genesis, share });
}

/**
 * Writes the keys that a node has generated. A crash may have left the group behind, without the share;
 * it comes first, so that a node with a share has its group.
 *
 * @throws {EnvironmentError} when the disk or the folder does not let it.
 */
export function writeGeneratedKeys(
  folder: KeyFolder,
  { group, genesis, share }: Omit<NodeKeys, "isInUse">,
): void {
  const { dataDir, self } = folder;
  assert(share.node === self, `A share of ${share.node} for ${self}`);
  assert(!hasShare(dataDir), "A share is never overwritten");
  createDataFolder(dataDir);
  writeFileAtomically({
    path: `${dataDir}/${GROUP_FILE}`,
    text: formatGroup({ group, genesis }),
    mode: 0o644,
  });
  writeShare(folder, { group, genesis, share, isInUse: false });
}

/**
 * Marks the share as used. The node calls this after it has made its stores and before it sends anything:
 * a used share whose node has lost its votes could sign for a second leader. This also removes what
 * crashes have left of the share, as it is not written again.
 *
 * @throws {EnvironmentError} when the disk does not let it.
 */
export function claimShare(folder: KeyFolder, keys: NodeKeys): void {
  if (keys.isInUse) return;
  // First, as once the share is in use nothing brings a node here again.
  removeLeftovers(`${folder.dataDir}/${SHARE_FILE}`);
  writeShare(folder, { ...keys, isInUse: true });
}

function writeShare(folder: KeyFolder, { group, share, isInUse }: NodeKeys): void {
  const { cluster, epoch, publicKey } = group;
  const content = { cluster, node: share.node, epoch, publicKey, secret: share.reveal(), isInUse };
  writeOwnSecret(SHARE, folder, content);
}

/**
 * Reads a node's key files and checks that they belong together, to this node and to this cluster.
 *
 * @throws {KeyFileError} when a file is missing, damaged, of another cluster or node, not matching
 * the other, or (the secret one) open to other users.
 */
export function readNodeKeys(folder: KeyFolder, config: ClusterConfig): NodeKeys {
  const content = readOwnSecret(SHARE, folder, config.cluster);
  return erasingOnFailure(SHARE.secretsOf(content), () => toNodeKeys(folder, config, content));
}

function toNodeKeys(
  { dataDir, self }: KeyFolder,
  config: ClusterConfig,
  content: ShareContent,
): NodeKeys {
  const { group, genesis } = readGroupFile(dataDir, config);
  if (!isShareOf(group, content)) {
    throw new KeyFileError(
      `${dataDir}/${SHARE_FILE}`,
      `it does not match ${dataDir}/${GROUP_FILE}`,
      "Both must come from one key generation; restore the file that was exchanged.",
    );
  }
  const { node, secret, isInUse } = content;
  if (isInUse && !hasRaftStore(dataDir)) throw wiped(dataDir, self);
  return { group, genesis, share: new VoterSecret(node, secret), isInUse };
}

/** Whether a share belongs to this group's key, and its secret to its voter's verifying share. */
export function isShareOf(group: Group, { node, secret, epoch, publicKey }: ShareContent): boolean {
  if (epoch !== group.epoch || !equalBytes(publicKey, group.publicKey)) return false;
  const voter = group.voters.find(({ id }) => id === node);
  if (voter === undefined) return false;
  if (group.voters.length === 1) {
    return equalBytes(derivePublicKey(secret), group.publicKey);
  }
  return catching(InputError, () => {
    checkSecretShare(toGroupPublicKeys(group), { identifier: voter.identifier, secret });
    return true;
  }, () => false);
}

/** A node that lost its disk must not come back under its old share. */
function wiped(dataDir: string, self: NodeId): KeyFileError {
  return new KeyFileError(
    `${dataDir}/${SHARE_FILE}`,
    `${self} has run with this share, but the folder ${RAFT_FOLDER} with its votes is gone`,
    "Put the whole data folder back. A node that has forgotten its votes must not sign again. If the " +
      "data are lost, the whole cluster needs a new key: start every node with a folder that holds " +
      "only its identity.json.",
  );
}
