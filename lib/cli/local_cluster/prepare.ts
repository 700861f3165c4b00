/**
 * What must be right before any node of a local cluster starts: nobody else uses the folder or the
 * ports, and what keys there are belong to this cluster.
 *
 * @module
 */

import { equalBytes } from "../../bytes.ts";
import { type ClusterConfig, formatAddress } from "../../config/mod.ts";
import { catching, EnvironmentError, InputError, messageOf } from "../../errors.ts";
import {
  GROUP_FILE,
  type GroupFile,
  hasKeyFiles,
  hasRecord,
  hasShare,
  IDENTITY_FILE,
  readNodeKeys,
  RECORD_FILE,
  SHARE_FILE,
  statFile,
} from "../../keys/mod.ts";
import { createDataFolder, RAFT_FOLDER } from "../../storage/mod.ts";
import type { NodeId } from "../../types.ts";
import { nodeFolder } from "../options.ts";
import { dealIntoFolders, keyFolder, type NodeFolders } from "../serve/node_folders.ts";
import { LOG_FILE } from "./node_process.ts";

const LOCK_FILE = "cluster.lock";
const START_OVER = "floe cluster --fresh deletes what is there and starts over; " +
  "--data-dir names another folder.";

/**
 * Takes a folder for one `floe cluster` at a time. The lock ends with the process, however it ends.
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

/**
 * Checks that all of a cluster's ports are free on this machine.
 *
 * @throws {EnvironmentError} naming every address that is not.
 */
export function checkPorts({ peers }: ClusterConfig): void {
  const faults = peers.flatMap(({ id, peer, api }) =>
    [peer, api].flatMap((address) => {
      const fault = tryListen(address);
      return fault === null ? [] : [`  ${formatAddress(address)} of ${id}: ${fault}`];
    })
  );
  if (faults.length === 0) return;
  throw new EnvironmentError(
    ["Cannot listen on every address of the cluster:", ...faults].join("\n") +
      "\nStop what uses them, change the configuration, or try --nodes N --base-port P.",
  );
}

/**
 * Deletes every node's folder, so that the cluster starts over; other files are left alone. Identities
 * are to be kept where a configuration pins their keys: nobody could make them again.
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
}

function deleteContents(folder: string, { but }: { readonly but: string }): void {
  for (const { name } of Deno.readDirSync(folder)) {
    if (name !== but) Deno.removeSync(`${folder}/${name}`, { recursive: true });
  }
}

/** The nodes of one machine and their folders. */
interface KeyOptions {
  /** Where the nodes' keys are. */
  readonly folders: NodeFolders;
  /** Whether a dealer is to make the key where there is none. */
  readonly dealer: boolean;
}

/**
 * The key of the nodes in `folders`; null where they are to make it together, or have begun to. Dealt
 * now where there is none and a dealer is asked for, or where there is but one node.
 *
 * @throws {InputError} when the keys there are not all of this cluster, or a dealer is asked for while
 * the nodes make a key.
 */
export function prepareKeys(
  config: ClusterConfig,
  { folders, dealer }: KeyOptions,
): GroupFile | null {
  const dataDirs = config.peers.map(({ id }) => nodeFolder(folders.path, id));
  if (!dataDirs.some(holdsAnything)) {
    if (!dealer && config.peers.length > 1) return null;
    return { group: dealIntoFolders(config, folders), genesis: null };
  }
  if (dataDirs.some(hasKeyFiles) || !dataDirs.some(hasRecord)) return readAllKeys(config, folders);
  if (!dealer) return null;
  const begun = dataDirs.filter(hasRecord).join(", ");
  throw new InputError(
    `Cannot deal keys: the nodes have begun to make one together in ${begun}. ` +
      `Leave out --dealer. ${START_OVER}`,
  );
}

/** Everybody's keys, which must be of one group; null where some have only begun to make theirs. */
function readAllKeys(config: ClusterConfig, folders: NodeFolders): GroupFile | null {
  const { path: folder } = folders;
  const known: GroupFile[] = [];
  const faults: string[] = [];
  for (const { id } of config.peers) {
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
      return known.length === config.peers.length ? first : null;
    }
    faults.push(`Cannot use ${folder}: its nodes' keys come from different key generations.`);
  }
  throw new InputError(
    [`${folder} was made for another cluster, or is damaged:`, ...faults, START_OVER].join("\n"),
  );
}

/** One node's keys; null when it is still to finish making them, which the node itself does. */
function readKeysOf(
  id: NodeId,
  { config, folders }: { readonly config: ClusterConfig; readonly folders: NodeFolders },
): GroupFile | null {
  const dataDir = nodeFolder(folders.path, id);
  if (hasRecord(dataDir) && !hasShare(dataDir)) return null;
  if (!hasKeyFiles(dataDir)) throw new InputError(`Cannot use ${dataDir}: it holds no keys.`);
  const { group, genesis, share } = readNodeKeys(keyFolder(folders, id), config);
  share.erase();
  return { group, genesis };
}

/** What may be in a node's folder before there is anything in it that promises anything. */
const UNPROMISING_FILES = [IDENTITY_FILE, LOG_FILE, `${LOG_FILE}.1`];

/** Whether a node has run in a folder, has keys there or has begun to make them. */
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
