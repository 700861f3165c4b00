/**
 * What must be right before any node of a local cluster starts: nobody else uses the folder or the
 * ports, and every node has keys of this cluster.
 *
 * @module
 */

import { equalBytes } from "../../bytes.ts";
import type { Group } from "../../certificate/group.ts";
import { EnvironmentError, InputError } from "../../errors.ts";
import { formatAddress } from "../../node/address.ts";
import type { ClusterConfig } from "../../node/cluster_config.ts";
import { statFile } from "../../node/files.ts";
import { GROUP_FILE } from "../../node/group_file.ts";
import { IDENTITY_FILE } from "../../node/identity.ts";
import { hasKeyFiles, readNodeKeys, SHARE_FILE } from "../../node/key_files.ts";
import { createDataFolder, describe } from "../../storage/folder.ts";
import type { NodeId } from "../../types.ts";
import { dealIntoFolders, keyFolder, nodeFolder, type NodeFolders } from "../node_folders.ts";

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
    const isNodes = [SHARE_FILE, GROUP_FILE, IDENTITY_FILE, "raft.db"].some((file) =>
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

/**
 * The group key of the nodes in `folders`, dealt now when there are none yet.
 *
 * @throws {InputError} when the keys there are not all of this cluster.
 */
export function openOrDealKeys(config: ClusterConfig, folders: NodeFolders): Group {
  const { path: folder } = folders;
  const isUsed = ({ id }: { readonly id: NodeId }) => holdsAnything(nodeFolder(folder, id));
  if (!config.peers.some(isUsed)) return dealIntoFolders(config, folders);
  const groups: Group[] = [];
  const faults: string[] = [];
  for (const { id } of config.peers) {
    const dataDir = nodeFolder(folder, id);
    try {
      if (!hasKeyFiles(dataDir)) throw new InputError(`Cannot use ${dataDir}: it holds no keys.`);
      const { group, share } = readNodeKeys(keyFolder(folders, id), config);
      share.secret.fill(0);
      groups.push(group);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      faults.push(error.message);
    }
  }
  const [group] = groups;
  if (group !== undefined && faults.length === 0) {
    if (groups.every(({ publicKey }) => equalBytes(publicKey, group.publicKey))) return group;
    faults.push(`Cannot use ${folder}: its nodes' keys come from different key generations.`);
  }
  throw new InputError(
    [`${folder} was made for another cluster, or is damaged:`, ...faults, START_OVER].join("\n"),
  );
}

/** Whether a node has run in a folder or has keys there; its identity alone promises nothing. */
function holdsAnything(folder: string): boolean {
  return statFile(folder) !== null &&
    [...Deno.readDirSync(folder)].some(({ name }) => name !== IDENTITY_FILE);
}

function tryListen(address: { readonly hostname: string; readonly port: number }): string | null {
  try {
    Deno.listen(address).close();
    return null;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return "the port is in use";
    return describe(error);
  }
}

function openLock(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { create: true, write: true, mode: 0o600 });
  } catch (cause) {
    throw new EnvironmentError(
      `Cannot open ${path}: ${describe(cause)}. Check the permissions of its folder.`,
      { cause },
    );
  }
}
