/**
 * The work of `floe node`: it gets the keys, runs the node, and serves the API from the start to the end.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { encodeHex } from "../../bytes.ts";
import {
  type Address,
  findPeer,
  fingerprintOf,
  formatAddress,
  type PeerConfig,
  type PinnedClusterConfig,
} from "../../config/mod.ts";
import type { ServedNode } from "../../http/mod.ts";
import {
  checkPinned,
  type KeyPlace,
  type NodeIdentity,
  type NodeKeys,
  type Passphrase,
  readIdentity,
} from "../../keys/mod.ts";
import {
  KeyGenerationRun,
  Network,
  type NodeOptions,
  openKeyring,
  openOwnKeys,
  prepareKeyGeneration,
  RemovedError,
  startNode,
} from "../../node/mod.ts";
import type { RoleName, RoleReport } from "../../raft/mod.ts";
import type { CommandContext } from "../command.ts";
import { aborted } from "../process_context.ts";
import type { ApiSettings } from "./api_settings.ts";
import type { Cable } from "./orders.ts";
import { ServedApi } from "./served_api.ts";

/** An announcement of a node on stdout with `-o json`, one object on each line. */
export type NodeAnnouncement =
  /** The API is up. While the cluster has no key, it shows the progress of key generation. */
  | {
    readonly event: "started";
    readonly id: string;
    readonly api: string;
    readonly pid: number;
  }
  /** The node has its key. If the nodes made the key themselves, there is a genesis certificate. */
  | {
    readonly event: "key";
    readonly id: string;
    /** The group key, 32 bytes in hex. */
    readonly publicKey: string;
    readonly genesis: string | null;
  }
  /** Role, term or leader changed. There is a certificate exactly when there is a leader. */
  | {
    readonly event: "role";
    readonly id: string;
    readonly role: RoleName;
    readonly term: number;
    readonly leader: string | null;
    readonly certificate: string | null;
  }
  /** The node has stopped, because it was removed from the cluster. */
  | { readonly event: "removed"; readonly id: string }
  /** This many announcements before this one were lost: the reader did not read, or a write failed. */
  | { readonly event: "dropped"; readonly id: string; readonly count: number };

/** The settings of {@linkcode runNode}. */
interface NodeRun {
  /** The cluster's configuration. */
  readonly config: PinnedClusterConfig;
  /** This node's entry in it. */
  readonly peer: PeerConfig;
  /** The settings of its API. */
  readonly api: ApiSettings;
  /** Where it listens for other nodes; null: at its address in the configuration. */
  readonly peerListen: Address | null;
  /** Its own data folder. */
  readonly dataDir: string;
  /**
   * The passphrase of its secret files, needed while the node runs, because its share can change; null if they are
   * not encrypted.
   */
  readonly passphrase: Passphrase | null;
  /** Calls its argument at each SIGHUP. */
  readonly onHangUp: CommandContext["onHangUp"] | undefined;
  /** Holds its connections to other nodes. */
  readonly cable: Cable;
  /** Aborts to stop the node. */
  readonly stop: AbortSignal;
  /** Called with each announcement. */
  readonly announce: (announcement: NodeAnnouncement) => void;
}

/**
 * Runs a node and its API until one of them ends or `stop` aborts.
 *
 * @throws {InputError} when the keys cannot be used, or the node is no member any more.
 * @throws {EnvironmentError} when a disk or a port cannot be used, or the node can never have a key.
 */
export async function runNode(run: NodeRun): Promise<void> {
  const { config, peer: { id: self }, dataDir, passphrase, announce } = run;
  const folder = { dataDir, self, passphrase };
  const identity = readIdentity(folder);
  const api = new ServedApi({ id: self, peers: config.peers, dataDir, settings: run.api });
  run.onHangUp?.(() => void api.reloadTls());
  const listen = run.peerListen === null ? {} : { listen: run.peerListen };
  const fingerprint = fingerprintOf(config);
  getLogger(["floe", "node"]).info("configuration.read", { cluster: config.cluster, fingerprint });
  let network: Network | null = null;
  const openNetwork = (current: PinnedClusterConfig) =>
    network ??= run.cable.hold(new Network({ config: current, self, identity, ...listen }));
  try {
    const place = { folder, config };
    let keys = openOwnKeys(place);
    if (keys === null) {
      checkPinned(dataDir, identity, findPeer(config, self).keys);
      keys = await generateKeys({ place, identity, network: openNetwork(config), api, run });
    }
    if (keys === null) return;
    announce(toKeyAnnouncement(self, keys));
    await runWithKeys({ run, keys, identity, openNetwork, api });
  } finally {
    await api.stop();
    await closeNetwork(network);
  }
}

/** A separate function, because a closure assigns the variable. */
async function closeNetwork(network: Network | null): Promise<void> {
  await network?.close();
}

interface KeyedRun extends Pick<Generation, "api" | "run" | "identity"> {
  readonly keys: NodeKeys;
  readonly openNetwork: NodeOptions["openNetwork"];
}

async function runWithKeys(
  { run, keys, identity, openNetwork, api }: KeyedRun,
): Promise<void> {
  const { config, peer: { id: self }, dataDir, passphrase, stop, announce } = run;
  const folder = { dataDir, self, passphrase };
  const { group, genesis } = keys;
  const node = await startNode({
    config,
    self,
    dataDir,
    ownKeys: identity.keys,
    openNetwork,
    group,
    genesis,
    openKeys: (record) => openKeyring({ config, folder, keys, identity }, record),
    onRole: (report) => announce(toAnnouncement(self, report)),
  });
  try {
    serve(api, node.api, run);
    await Promise.race([aborted(stop), node.closed, api.ended]);
  } finally {
    // Requests that wait for a quorum are answered now, so only the hand-over takes time.
    node.stopServing();
    await api.stop();
    await node.close();
  }
  if (!node.isRemoved) return;
  announce({ event: "removed", id: self });
  throw new RemovedError(self, dataDir);
}

interface Generation {
  readonly place: KeyPlace;
  readonly identity: NodeIdentity;
  readonly network: Network;
  readonly api: ServedApi;
  readonly run: NodeRun;
}

/** Makes the cluster's key with the other nodes; null when the node stops before. */
async function generateKeys(
  { place, identity, network, api, run }: Generation,
): Promise<NodeKeys | null> {
  network.start();
  const generation = new KeyGenerationRun(prepareKeyGeneration(place, { identity, network }));
  try {
    serve(api, () => generation.report, run);
    generation.start();
    await Promise.race([aborted(run.stop), generation.finished, api.ended]);
  } finally {
    generation.stop();
  }
  return openOwnKeys(place);
}

/** Serves the node's API. The first time, announces that the API is up. */
function serve(api: ServedApi, node: ServedNode, { peer, announce }: NodeRun): void {
  if (!api.serve(node)) return;
  announce({ event: "started", id: peer.id, api: formatAddress(peer.api), pid: Deno.pid });
}

function toKeyAnnouncement(id: string, { group, genesis }: NodeKeys): NodeAnnouncement {
  return { event: "key", id, publicKey: encodeHex(group.publicKey), genesis };
}

function toAnnouncement(id: string, report: RoleReport): NodeAnnouncement {
  const { role, term, leader, certificate } = report;
  return { event: "role", id, role, term, leader, certificate: certificate?.note ?? null };
}
