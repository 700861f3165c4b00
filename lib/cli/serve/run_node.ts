/**
 * What `floe node` does between its start and its end: it gets its keys, runs the node, and serves its
 * API all the while.
 *
 * @module
 */

import { encodeHex } from "../../bytes.ts";
import {
  createCertifier,
  createGrantKeys,
  type GrantKeys,
  type Group,
} from "../../certificate/mod.ts";
import {
  findPeer,
  formatAddress,
  type PeerConfig,
  type PinnedClusterConfig,
} from "../../config/mod.ts";
import {
  checkPinned,
  claimShare,
  type KeyFolder,
  type KeyPlace,
  type NodeIdentity,
  type NodeKeys,
  type Passphrase,
  readIdentity,
} from "../../keys/mod.ts";
import {
  KeyGenerationRun,
  Network,
  NodeFront,
  type NodeOptions,
  openOwnKeys,
  prepareKeyGeneration,
  startNode,
} from "../../node/mod.ts";
import type { RoleName, RoleReport } from "../../raft/mod.ts";
import type { CommandContext } from "../command.ts";
import { aborted } from "../process_context.ts";
import { type ApiSettings, ServedApi } from "./served_api.ts";

/** What a node says on stdout under `-o json`, one object a line. */
export type NodeAnnouncement =
  /** Its API is up. While the cluster has no key, it tells how far key generation is. */
  | {
    readonly event: "started";
    readonly id: string;
    readonly api: string;
    readonly pid: number;
  }
  /** It has its key; with the genesis certificate, where the nodes made the key themselves. */
  | {
    readonly event: "key";
    readonly id: string;
    /** The group key, 32 bytes in hex. */
    readonly publicKey: string;
    readonly genesis: string | null;
  }
  /** Its role, its term or its leader changed; the certificate is there exactly when the leader is. */
  | {
    readonly event: "role";
    readonly id: string;
    readonly role: RoleName;
    readonly term: number;
    readonly leader: string | null;
    readonly certificate: string | null;
  }
  /** So many announcements before this one were lost, as their reader did not read or a write failed. */
  | { readonly event: "dropped"; readonly id: string; readonly count: number };

/** What to run. */
interface NodeRun {
  /** The cluster's configuration. */
  readonly config: PinnedClusterConfig;
  /** This node's entry in it. */
  readonly peer: PeerConfig;
  /** How its API is served. */
  readonly api: ApiSettings;
  /** Its own data folder, which nobody else uses. */
  readonly dataDir: string;
  /** What encrypts its secret files, erased once they are read; null where they are not encrypted. */
  readonly passphrase: Passphrase | null;
  /** Calls what it is given at each SIGHUP. */
  readonly onHangUp: CommandContext["onHangUp"] | undefined;
  /** Aborted when it shall stop. */
  readonly stop: AbortSignal;
  /** Gets what the process that started the node wants to know. */
  readonly announce: (announcement: NodeAnnouncement) => void;
}

/**
 * Runs a node and its API until either ends by itself or `stop` aborts.
 *
 * @throws {InputError} when its keys cannot be used.
 * @throws {EnvironmentError} when a disk or a port cannot be, or it can never have a key.
 */
export async function runNode(run: NodeRun): Promise<void> {
  const { config, peer: { id: self }, dataDir, passphrase, stop, announce } = run;
  const folder = { dataDir, self, passphrase };
  const identity = openIdentity(folder, config);
  const network = new Network({ config, self, identity });
  const front = new NodeFront();
  const api = new ServedApi({ node: front, id: self, dataDir, settings: run.api });
  run.onHangUp?.(() => void api.reloadTls());
  try {
    const place = { folder, config };
    const keys = openOwnKeys(place) ??
      await generateKeys({ place, identity, network, front, api, run });
    if (keys === null) return;
    announce(toKeyAnnouncement(self, keys));
    const node = await startNode({
      config,
      self,
      dataDir,
      network,
      ...useKeys(folder, keys),
      grants: toGrantKeys(config, identity, keys.group),
      onRole: (report) => announce(toAnnouncement(self, report)),
    });
    // From here on no secret file is read or written.
    passphrase?.[Symbol.dispose]();
    try {
      front.showNode(node.api);
      startApi(api, run);
      await Promise.race([aborted(stop), node.closed, api.ended]);
    } finally {
      // What waits for a quorum is answered now, so that nothing but the hand-over takes time.
      node.stopServing();
      await api.stop();
      await node.close();
    }
  } finally {
    await api.stop();
    await network.close();
  }
}

interface Generation {
  readonly place: KeyPlace;
  readonly identity: NodeIdentity;
  readonly network: Network;
  readonly front: NodeFront;
  readonly api: ServedApi;
  readonly run: NodeRun;
}

/** Generates the cluster's key with the other nodes; null when the node shall stop before. */
async function generateKeys(
  { place, identity, network, front, api, run }: Generation,
): Promise<NodeKeys | null> {
  network.start();
  const generation = new KeyGenerationRun(prepareKeyGeneration(place, { identity, network }));
  try {
    front.showKeyGeneration(() => generation.report);
    startApi(api, run);
    generation.start();
    await Promise.race([aborted(run.stop), generation.finished, api.ended]);
  } finally {
    generation.stop();
  }
  return openOwnKeys(place);
}

/** Starts the API unless it runs already, and says so. */
function startApi(api: ServedApi, { peer, announce }: NodeRun): void {
  if (!api.start()) return;
  announce({ event: "started", id: peer.id, api: formatAddress(peer.api), pid: Deno.pid });
}

function openIdentity(folder: KeyFolder, config: PinnedClusterConfig): NodeIdentity {
  const identity = readIdentity(folder);
  checkPinned(folder.dataDir, identity, findPeer(config, folder.self).keys);
  return identity;
}

/** What a node runs with. Its share goes to its certifier, and is erased here once it is claimed. */
function useKeys(
  folder: KeyFolder,
  keys: NodeKeys,
): Pick<NodeOptions, "group" | "genesis" | "certifier" | "beforeStart"> {
  const { group, genesis, share } = keys;
  const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const options = { group, self: folder.self, share: share.reveal(), randomBytes };
  const certifier = createCertifier(options);
  const beforeStart = () => {
    claimShare(folder, keys);
    share.erase();
  };
  return { group, genesis, certifier, beforeStart };
}

/** The voters' identities, with this node's own key among them. */
function toGrantKeys(
  { cluster, peers }: PinnedClusterConfig,
  { node: self, signingKey }: NodeIdentity,
  { epoch }: Group,
): GrantKeys {
  const voters = peers.map(({ id, keys }) => ({ id, identityKey: keys.signingKey }));
  return createGrantKeys({ cluster, epoch, self, signingKey, voters });
}

function toKeyAnnouncement(id: string, { group, genesis }: NodeKeys): NodeAnnouncement {
  return { event: "key", id, publicKey: encodeHex(group.publicKey), genesis };
}

function toAnnouncement(id: string, report: RoleReport): NodeAnnouncement {
  const { role, term, leader, certificate } = report;
  return { event: "role", id, role, term, leader, certificate: certificate?.note ?? null };
}
