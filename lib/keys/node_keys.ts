/**
 * A node's key files, in its own data folder: `group.json`, which is public and the same on every node, and
 * `share.json`, the node's secret, which only its owner can read.
 *
 * @module
 */

import { assert } from "../assert.ts";
import { equalBytes, erasingOnFailure } from "../bytes.ts";
import { type Group, toGroupPublicKeys } from "../certificate/mod.ts";
import type { ClusterConfig } from "../config/mod.ts";
import { catching, InputError } from "../errors.ts";
import { checkSecretShare } from "../frost/mod.ts";
import type { DurableShares } from "../reshare/mod.ts";
import { createDataFolder, hasRaftStore, RAFT_FOLDER } from "../storage/mod.ts";
import type { NodeId } from "../types.ts";
import { derivePublicKey, NodeShares, type VoterSecret } from "./dealing.ts";
import { formatGroup, GROUP_FILE, type GroupFile, readGroupFile } from "./group_file.ts";
import { KeyFileError, type KeyFolder } from "./key_file.ts";
import { removeLeftovers, statFile, writeFileAtomically } from "./private_file.ts";
import { hasSecret, readOwnSecret, SHARE, SHARE_FILE, writeOwnSecret } from "./secret_kinds.ts";
import type { ShareContent } from "./share_content.ts";

/** The keys that a node signs with. They match each other and the cluster's configuration. */
export interface NodeKeys {
  /** The public key of the cluster and of each voter. */
  readonly group: Group;
  /** The genesis certificate, a signed note; null if a dealer made the key. */
  readonly genesis: string | null;
  /**
   * The text that the genesis states, if a dealer made the key and a node has run with it; otherwise null. The
   * genesis certificate, if there is one, has this text.
   */
  readonly founding: string | null;
  /** The node's own secrets. */
  readonly shares: NodeShares;
  /** Whether a node has run with these shares. Then its votes and its store must be there as well. */
  readonly isInUse: boolean;
}

/** Keys that were just made. */
export interface NewKeys extends Pick<NodeKeys, "group" | "genesis"> {
  /** The node's own secret. */
  readonly share: VoterSecret;
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
 * Writes a node's key files. Only the owner can read the secret one, and only the owner can enter the folder,
 * which is created if it does not exist.
 *
 * @throws {KeyFileError} when there are key files already: a share is never overwritten.
 * @throws {EnvironmentError} when the folder or the disk refuses.
 */
export function writeNodeKeys(folder: KeyFolder, { group, genesis, share }: NewKeys): void {
  const { dataDir } = folder;
  if (hasKeyFiles(dataDir)) throw holdsKeys(dataDir);
  writeGeneratedKeys(folder, { group, genesis, share });
}

/**
 * Writes the keys that a node has generated. A crash may have left the group behind, without the share; it comes
 * first, so that a node with a share has its group.
 *
 * @throws {EnvironmentError} when the folder or the disk refuses.
 */
export function writeGeneratedKeys(folder: KeyFolder, { group, genesis, share }: NewKeys): void {
  const { dataDir, self } = folder;
  assert(share.node === self, `A share of ${share.node} for ${self}`);
  assert(!hasShare(dataDir), "A share is never overwritten");
  createDataFolder(dataDir);
  writeGroup(dataDir, { group, genesis, founding: null });
  const current = { epoch: group.epoch, change: null, secret: share.reveal() };
  writeContent(folder, { group, isInUse: false }, { current, next: null });
}

/**
 * Writes the files of a node that joins a cluster: the cluster's public key, and a share file that has no share
 * yet.
 *
 * @throws {KeyFileError} when there are key files already.
 * @throws {EnvironmentError} when the folder or the disk refuses.
 */
export function writeJoinerKeys(folder: KeyFolder, known: GroupFile): void {
  const { dataDir } = folder;
  // A crash, or a full disk, may have left the first of the two files alone.
  if (hasShare(dataDir) || hasOtherGroup(dataDir, known)) throw holdsKeys(dataDir);
  createDataFolder(dataDir);
  writeGroup(dataDir, known);
  writeContent(folder, { group: known.group, isInUse: false }, { current: null, next: null });
}

/**
 * Makes a running node's shares durable in place of those on the disk, and erases the given copies.
 *
 * @throws {EnvironmentError} when the folder or the disk refuses. Then it is unknown which shares the disk holds.
 */
export function writeShares(folder: KeyFolder, group: Group, shares: DurableShares): void {
  try {
    writeContent(folder, { group, isInUse: true }, shares);
  } finally {
    for (const share of [shares.current, shares.next]) share?.secret.fill(0);
  }
}

function hasOtherGroup(dataDir: string, known: GroupFile): boolean {
  const path = `${dataDir}/${GROUP_FILE}`;
  return statFile(path) !== null && Deno.readTextFileSync(path) !== formatGroup(known);
}

function writeGroup(dataDir: string, file: GroupFile): void {
  writeFileAtomically({ path: `${dataDir}/${GROUP_FILE}`, text: formatGroup(file), mode: 0o644 });
}

/**
 * Marks the shares as used, and writes down what the genesis of a dealt key states. The node calls this after it
 * has made its stores and before it sends anything: a used share whose node has lost its votes could sign for a
 * second leader. This also removes copies of the share that crashes have left, because the share is not written
 * again.
 *
 * @throws {EnvironmentError} when the disk refuses.
 */
export function claimShare(
  folder: KeyFolder,
  keys: NodeKeys,
  founding: string | null = keys.founding,
): void {
  const { dataDir } = folder;
  // A crash may have left a file with an old share.
  removeLeftovers(`${dataDir}/${SHARE_FILE}`);
  const { group, genesis, shares } = keys;
  if (keys.founding !== founding) writeGroup(dataDir, { group, genesis, founding });
  if (!keys.isInUse) writeContent(folder, { group, isInUse: true }, shares.reveal());
}

function writeContent(
  folder: KeyFolder,
  { group, isInUse }: Pick<NodeKeys, "group" | "isInUse">,
  { current, next }: DurableShares,
): void {
  const { cluster, publicKey } = group;
  writeOwnSecret(SHARE, folder, { cluster, node: folder.self, publicKey, isInUse, current, next });
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
  const { current, next, isInUse } = content;
  // A node that has run uses the members in its log; a node that joins uses those that the cluster shows.
  const isFounding = !isInUse && current !== null;
  const { group, genesis, founding } = readGroupFile(
    dataDir,
    isFounding ? config : {
      cluster: config.cluster,
    },
  );
  if (!isShareOf(group, content)) {
    throw new KeyFileError(
      `${dataDir}/${SHARE_FILE}`,
      `it does not match ${dataDir}/${GROUP_FILE}`,
      "Both must come from one key generation; restore the file that was exchanged.",
    );
  }
  if (isInUse && !hasRaftStore(dataDir)) throw wiped(dataDir, self);
  const shares = new NodeShares({ current, next });
  return { group, genesis, founding, shares, isInUse };
}

/**
 * Whether shares belong to this group's key, and the secret of the first epoch to its voter's verifying share. For
 * later epochs, the memberships in the log have the verifying shares.
 */
export function isShareOf(group: Group, { node, current, publicKey }: ShareContent): boolean {
  if (!equalBytes(publicKey, group.publicKey)) return false;
  if (current === null) return true;
  const { epoch, change, secret } = current;
  if (change !== null) return epoch > group.epoch;
  if (epoch !== group.epoch) return false;
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

function holdsKeys(dataDir: string): KeyFileError {
  return new KeyFileError(
    dataDir,
    "it holds keys already",
    "Keys are never overwritten; move them away or choose another folder.",
  );
}

/** A node that lost its disk must not come back under its old share. */
function wiped(dataDir: string, self: NodeId): KeyFileError {
  return new KeyFileError(
    `${dataDir}/${SHARE_FILE}`,
    `${self} has run with this share, but the folder ${RAFT_FOLDER} with its votes is gone`,
    "Put the whole data folder back. A node that has forgotten its votes must not sign again. If the " +
      `data are lost, replace the node: floe member replace ${self} NEW_CARD, where NEW_CARD is that ` +
      "of a node with another id and an empty folder (floe join).",
  );
}
