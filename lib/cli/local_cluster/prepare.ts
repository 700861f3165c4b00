/**
 * Checks before the nodes of a local cluster start: no other process uses the folder or the ports, and all
 * keys belong to this cluster.
 *
 * @module
 */

import { equalBytes } from "../../bytes.ts";
import { type ClusterConfig, formatAddress } from "../../config/mod.ts";
import { catching, EnvironmentError, InputError, messageOf } from "../../errors.ts";
import {
  GROUP_FILE,
  hasKeyFiles,
  hasRecord,
  hasShare,
  IDENTITY_FILE,
  type KnownKey,
  readNodeKeys,
  RECORD_FILE,
  SHARE_FILE,
  statFile,
  writeFileAtomically,
} from "../../keys/mod.ts";
import { createDataFolder, RAFT_FOLDER } from "../../storage/mod.ts";
import { type NodeId, toNodeId } from "../../types.ts";
import { nodeFolder } from "../options.ts";
import { dealIntoFolders, keyFolder, type NodeFolders } from "../serve/node_folders.ts";
import { LOG_FILE } from "./node_process.ts";

const LOCK_FILE = "cluster.lock";
/**
 * The ids of removed nodes, one on each line: they are never started again. The file stands beside the nodes'
 * folders, which can be deleted.
 */
const REMOVED_FILE = "removed";
const START_OVER = "floe cluster --fresh deletes the nodes' data and starts over; " +
  "--data-dir names another folder.";

/**
 * Locks a folder for one `floe cluster`. The lock ends with the process.
 *
 * @throws {EnvironmentError} when another process holds it, or it cannot be made.
 */
export function lockFolder(folder: string): Disposable {
  createDataFolder(folder);
  const file = openLock(`${folder}/${LOCK_FILE}`);
  if (file.tryLockSync(true)) return { [Symbol.dispose]: () => file.close() };
  file.close();
  throw new EnvironmentError(
    `Cannot use ${folder}: another floe cluster is using it. ` +
      "Stop that one first, or name another folder with --data-dir.",
  );
}

/** The nodes that were removed from the cluster of this folder. */
export function readRemoved(folder: string): ReadonlySet<NodeId> {
  const path = `${folder}/${REMOVED_FILE}`;
  if (statFile(path) === null) return new Set();
  const lines = Deno.readTextFileSync(path).split("\n").filter((line) => line !== "");
  return new Set(lines.map((line) => toNodeId(line)));
}

/** Remembers that a node was removed. */
export function noteRemoved(folder: string, id: NodeId): void {
  const ids = new Set([...readRemoved(folder), id]);
  writeFileAtomically({
    path: `${folder}/${REMOVED_FILE}`,
    text: [...ids].map((each) => `${each}\n`).join(""),
    mode: 0o600,
  });
}

/**
 * Checks that all of a cluster's ports are free on this machine.
 *
 * @throws {EnvironmentError} when one is not. The message lists all of these addresses.
 */
export function checkPorts({ peers }: ClusterConfig): void {
  const faults = peers.flatMap(({ id, peer, api, etcd }) =>
    [peer, api, ...(etcd === undefined ? [] : [etcd])].flatMap((address) => {
      const fault = tryListen(address);
      return fault === null ? [] : [`  ${formatAddress(address)} of ${id}: ${fault}`];
    })
  );
  if (faults.length === 0) return;
  throw new EnvironmentError(
    ["Cannot listen on every address of the cluster:", ...faults].join("\n") +
      "\nStop the programs that use them, change the configuration, or try --nodes N --base-port P.",
  );
}

/**
 * Deletes every node's folder, so that the cluster starts over. Other files stay. When a configuration pins
 * keys, the identities stay too: they cannot be made again.
 */
export function deleteNodeFolders(
  folder: string,
  { keepIdentities }: { readonly keepIdentities: boolean },
): void {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    const isNodes = [SHARE_FILE, GROUP_FILE, IDENTITY_FILE, RECORD_FILE, RAFT_FOLDER].some((file) =>
      statFile(`${path}/${file}`) !== null
    );
    if (!isDirectory || !isNodes) continue;
    if (keepIdentities) deleteContents(path, { but: IDENTITY_FILE });
    else Deno.removeSync(path, { recursive: true });
  }
  const removed = `${folder}/${REMOVED_FILE}`;
  if (statFile(removed) !== null) Deno.removeSync(removed);
}

function deleteContents(folder: string, { but }: { readonly but: string }): void {
  for (const { name } of Deno.readDirSync(folder)) {
    if (name !== but) Deno.removeSync(`${folder}/${name}`, { recursive: true });
  }
}

/** The nodes of one machine and their folders. */
interface KeyOptions {
  /** The nodes' folders, with their keys. */
  readonly folders: NodeFolders;
  /** Whether a dealer makes the key if there is none. */
  readonly dealer: boolean;
  /** The founders that are no longer members; none by default. */
  readonly removed?: ReadonlySet<NodeId>;
}

/**
 * The key of the nodes in `folders`; null when the nodes make it together. If there is none, this deals it
 * when `dealer` is true, and for a cluster of one node.
 *
 * @throws {InputError} when a key belongs to another cluster, or `dealer` is true and the nodes have begun
 * to make a key.
 */
export function prepareKeys(
  config: ClusterConfig,
  { folders, dealer, removed = new Set() }: KeyOptions,
): KnownKey | null {
  const ids = config.peers.map(({ id }) => id).filter((id) => !removed.has(id));
  const dataDirs = ids.map((id) => nodeFolder(folders.path, id));
  if (!dataDirs.some(holdsAnything)) {
    if (!dealer && config.peers.length > 1) return null;
    return { group: dealIntoFolders(config, folders), genesis: null };
  }
  if (dataDirs.some(hasKeyFiles) || !dataDirs.some(hasRecord)) {
    return readAllKeys(ids, { config, folders });
  }
  if (!dealer) return null;
  const begun = dataDirs.filter(hasRecord).join(", ");
  throw new InputError(
    `Cannot deal keys: the nodes have begun to make one together in ${begun}. ` +
      `Leave out --dealer. ${START_OVER}`,
  );
}

/** The key of all nodes, which must be the same; null when some nodes still make theirs. */
function readAllKeys(
  ids: readonly NodeId[],
  { config, folders }: { readonly config: ClusterConfig; readonly folders: NodeFolders },
): KnownKey | null {
  const { path: folder } = folders;
  const known: KnownKey[] = [];
  const faults: string[] = [];
  for (const id of ids) {
    catching(InputError, () => {
      const keys = readKeysOf(id, { config, folders });
      if (keys !== null) known.push(keys);
    }, (error) => {
      faults.push(error.message);
    });
  }
  const [first] = known;
  if (first !== undefined && faults.length === 0) {
    const { publicKey } = first.group;
    if (known.every(({ group }) => equalBytes(group.publicKey, publicKey))) {
      return known.length === ids.length ? first : null;
    }
    faults.push(`Cannot use ${folder}: its nodes' keys come from different key generations.`);
  }
  throw new InputError(
    [`${folder} was made for another cluster, or is damaged:`, ...faults, START_OVER].join("\n"),
  );
}

/** One node's keys; null when the node still makes them. */
function readKeysOf(
  id: NodeId,
  { config, folders }: { readonly config: ClusterConfig; readonly folders: NodeFolders },
): KnownKey | null {
  const dataDir = nodeFolder(folders.path, id);
  if (hasRecord(dataDir) && !hasShare(dataDir)) return null;
  if (!hasKeyFiles(dataDir)) throw new InputError(`Cannot use ${dataDir}: it holds no keys.`);
  const { group, genesis, shares } = readNodeKeys(keyFolder(folders, id), config);
  shares.erase();
  return { group, genesis };
}

/** Files of a node that has neither keys nor data yet. */
const UNPROMISING_FILES = [IDENTITY_FILE, LOG_FILE, `${LOG_FILE}.1`];

/** Whether a folder has a node's data, its keys, or a key generation that has begun. */
function holdsAnything(folder: string): boolean {
  return statFile(folder) !== null &&
    [...Deno.readDirSync(folder)].some(({ name }) => !UNPROMISING_FILES.includes(name));
}

function tryListen(address: { readonly hostname: string; readonly port: number }): string | null {
  try {
    Deno.listen(address).close();
    return null;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return "the port is in use";
    return messageOf(error);
  }
}

function openLock(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { create: true, write: true, mode: 0o600 });
  } catch (cause) {
    throw new EnvironmentError(
      `Cannot open ${path}: ${messageOf(cause)}. Check the permissions of its folder.`,
      { cause },
    );
  }
}
