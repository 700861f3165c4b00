/**
 * The data folders of all nodes on one machine, `<data folder>/<node id>`. `floe keygen` and `floe cluster`
 * create them, and `floe node` uses its own.
 *
 * @module
 */

import type { Group } from "../../certificate/mod.ts";
import {
  type ClusterConfig,
  formatClusterConfig,
  isPinned,
  type PinnedClusterConfig,
} from "../../config/mod.ts";
import { InputError } from "../../errors.ts";
import {
  checkPinned,
  dealClusterKeys,
  hasKeyFiles,
  hasRecord,
  type KeyFolder,
  lockDataFolder,
  openOrCreateIdentity,
  type Passphrase,
  readIdentity,
  writeFileAtomically,
  writeNodeKeys,
} from "../../keys/mod.ts";
import type { NodeId } from "../../types.ts";
import { nodeFolder } from "../options.ts";

/** The folders of all nodes on one machine. */
export interface NodeFolders {
  /** The folder that contains them. */
  readonly path: string;
  /** The passphrase of the secret files in all of them; null when they are not encrypted. */
  readonly passphrase: Passphrase | null;
}

/** One node's folder, with the passphrase of its secret files. */
export function keyFolder({ path, passphrase }: NodeFolders, self: NodeId): KeyFolder {
  return { dataDir: nodeFolder(path, self), self, passphrase };
}

/**
 * The configuration with every node's public keys. If it has keys, the identities in the nodes' folders must
 * match. If it has none, this takes the keys of these identities, and makes the ones that are missing.
 * Nodes that were removed need none.
 *
 * @throws {KeyFileError} when an identity cannot be used, or does not match the pinned keys.
 * @throws {EnvironmentError} when a folder or its disk does not let it.
 */
export function openIdentities(
  config: ClusterConfig,
  folders: NodeFolders,
  removed: ReadonlySet<NodeId> = new Set(),
): PinnedClusterConfig {
  if (isPinned(config)) {
    for (const { id, keys } of config.peers) {
      if (removed.has(id)) continue;
      const folder = keyFolder(folders, id);
      checkPinned(folder.dataDir, readIdentity(folder), keys);
    }
    return config;
  }
  const peers = config.peers.map((peer) => {
    const { keys } = openOrCreateIdentity(keyFolder(folders, peer.id));
    return { ...peer, keys };
  });
  return { ...config, peers };
}

/** Where a configuration with keys lies beside the nodes' folders. */
export function pinnedConfigPath(folder: string): string {
  return `${folder}/cluster.json`;
}

/** Writes a configuration with keys beside the nodes' folders, and returns the file's path. */
export function writePinnedConfig(config: PinnedClusterConfig, folder: string): string {
  const path = pinnedConfigPath(folder);
  writeFileAtomically({ path, text: formatClusterConfig(config), mode: 0o644 });
  return path;
}

/**
 * Deals keys for a whole cluster, writes each node's keys into its folder, and erases the secrets. If any
 * folder has keys already, it writes nothing.
 *
 * @throws {InputError} when folders have keys already, or their nodes have begun to make a key. The message
 * lists them.
 * @throws {EnvironmentError} when a node runs, or a folder or its disk does not let it.
 */
export function dealIntoFolders(config: ClusterConfig, folders: NodeFolders): Group {
  const dataDirs = config.peers.map(({ id }) => nodeFolder(folders.path, id));
  using locks = new DisposableStack();
  for (const dataDir of dataDirs) locks.use(lockDataFolder(dataDir));
  checkKeyless(dataDirs);
  const { group, shares } = dealClusterKeys(
    config,
    (length) => crypto.getRandomValues(new Uint8Array(length)),
  );
  try {
    for (const share of shares) {
      writeNodeKeys(keyFolder(folders, share.node), { group, genesis: null, share });
    }
  } finally {
    for (const share of shares) share.erase();
  }
  return group;
}

/** Checks that no node has a key or has begun to make one, because it may have signed for that key. */
function checkKeyless(dataDirs: readonly string[]): void {
  const taken = dataDirs.filter(hasKeyFiles);
  if (taken.length > 0) {
    throw new InputError(
      `Cannot deal keys: there are keys already in ${taken.join(", ")}. ` +
        "Keys are never overwritten; move them away or choose another --data-dir.",
    );
  }
  const begun = dataDirs.filter(hasRecord);
  if (begun.length === 0) return;
  throw new InputError(
    `Cannot deal keys: the nodes have begun to make one together in ${begun.join(", ")}. ` +
      "Let them finish (floe node), or choose another --data-dir.",
  );
}
