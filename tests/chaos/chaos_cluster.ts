/**
 * A real cluster in which everything can be broken: each node a process, each way between two nodes a
 * proxy, one node's folder on a disk that can be filled.
 *
 * @module
 */

import { formatAddress } from "../../lib/address.ts";
import { assertDefined } from "../../lib/assert.ts";
import type { Group } from "../../lib/certificate/certifier.ts";
import { nodeFolder } from "../../lib/cli/options.ts";
import { dealIntoFolders, keyFolder, openIdentities } from "../../lib/cli/serve/node_folders.ts";
import type { ApiClient } from "../../lib/client/client.ts";
import {
  type ClusterConfig,
  formatClusterConfig,
  generateLocalCluster,
  type PeerConfig,
} from "../../lib/config/cluster_config.ts";
import { createPeerCard, type PeerCardJson, toPeerCardJson } from "../../lib/config/peer_card.ts";
import { pause } from "../../lib/deadline.ts";
import { openOrCreateIdentity } from "../../lib/keys/identity.ts";
import { toVerifiedConfig, type VerifiedCluster, writeJoiner } from "../../lib/node/join.ts";
import { type NodeId, toNodeId } from "../../lib/types.ts";
import type { StatusBody } from "../../lib/wire/mod.ts";
import { onFreePorts } from "../support/free_ports.ts";
import { ChaosNode } from "./chaos_node.ts";
import { Elections } from "./elections.ts";
import { Network } from "./network.ts";
import { NoSmallDiskError, SmallDisk } from "./small_disk.ts";

/** How many nodes there are in the beginning: two may be broken at once. */
const NODE_COUNT = 5;
/** How many more nodes there may be at a time, those that were removed and have not ended included. */
const SPARE_PLACES = 3;

/**
 * Room for the log, and for three times the data: a snapshot is a copy, and what it replaces stays until it
 * is in its place. With a whole history, which the node bounds, the data are 140 MB after ten minutes.
 */
const SMALL_DISK_BYTES = 768 * 1024 * 1024;

const STATUS_TIMEOUT_MS = 1_000;
/** How long a removed node may take to learn of it once nothing is broken. */
const FAREWELL_TIMEOUT_MS = 60_000;
const LOOK_PAUSE_MS = 200;

/** The least that a node takes, so that nodes that were down need snapshots. */
const LOG = { entriesMax: 1_000, bytesMax: 8 * 1024 * 1024 };

/** A node's API, as {@linkcode ApiClient} wants it. */
export type Endpoint = ApiClient["endpoints"][number];

/** Who is told what. */
export interface ChaosClusterEvents {
  /** A node said or did what it must not. */
  readonly onViolation: (violation: string) => void;
  /** Something cannot be broken on this machine, and why. */
  readonly onSkipped: (what: string) => void;
}

/** Where a node listens, and which one does. */
interface Place extends Pick<PeerConfig, "peer" | "api"> {
  tenant: NodeId | null;
}

/** A node that may become a member. */
export interface Joiner {
  /** Its name. */
  readonly id: NodeId;
  /** What an operator gives the members. */
  readonly card: PeerCardJson;
}

/** See the module. */
export class ChaosCluster implements AsyncDisposable {
  /** Where everything is: a folder for each node, with its databases and its log. */
  readonly folder: string = Deno.makeTempDirSync({ prefix: "floe-chaos-" });
  /** The nodes at their own addresses. */
  readonly config: ClusterConfig;
  /** The cluster's key. */
  readonly group: Group;
  /** Every election so far. */
  readonly elections: Elections;
  /** The ways between the nodes. */
  readonly network: Network;
  /** The node whose key-value store was lost last, if one was. */
  lacksState: NodeId | null = null;
  readonly #events: ChaosClusterEvents;
  readonly #everyone: ChaosNode[] = [];
  readonly #places: Place[];
  readonly #resources = new AsyncDisposableStack();
  #spared: NodeId | null = null;

  /** Deals keys and opens the network; no node runs yet. */
  constructor(events: ChaosClusterEvents) {
    this.#events = events;
    const places = onFreePorts(generateLocalCluster({ nodes: NODE_COUNT + SPARE_PLACES }));
    const founders = generateLocalCluster({ nodes: NODE_COUNT });
    this.#places = places.peers.map(({ peer, api }) => ({ peer, api, tenant: null }));
    const peers = founders.peers.map(({ id }) => ({ id, ...this.#takePlace(id) }));
    this.config = openIdentities({ ...founders, peers, log: LOG }, this.#folders);
    this.group = dealIntoFolders(this.config, this.#folders);
    this.elections = new Elections(this.group, events.onViolation);
    this.network = this.#resources.use(new Network(this.#places.map(({ peer }) => peer.port)));
  }

  /** Mounts the small disk and starts every node. */
  async start(): Promise<void> {
    const last = assertDefined(this.config.peers.at(-1), "a cluster has nodes");
    const disk = await this.#mountSmallDisk(last.id);
    for (const peer of this.config.peers) {
      this.#createNode(peer, { config: this.config, disk: peer.id === last.id ? disk : null });
    }
    await this.startAll();
  }

  /** Every member that has its data. */
  get nodes(): readonly ChaosNode[] {
    return this.#everyone.filter(({ standing }) => standing === "member");
  }

  /** Every node that there ever was. */
  get everyone(): readonly ChaosNode[] {
    return this.#everyone;
  }

  /** Every node whose process may be ended: all but the one that is spared, if one is. */
  get mortals(): readonly ChaosNode[] {
    return this.nodes.filter(({ id }) => id !== this.#spared);
  }

  /** How many nodes may be out of order at once: two of five, and one that lost its disk is one of them. */
  get breakable(): number {
    return this.#everyone.some(({ standing }) => standing === "lost") ? 1 : 2;
  }

  /** Makes a node that has no part in the cluster yet; null while there is no place for one. */
  prepare(): Joiner | null {
    this.#makeRoom();
    if (this.#places.every(({ tenant }) => tenant !== null)) return null;
    const id = toNodeId(`server_${this.#everyone.length + 1}`);
    const { peer, api } = this.#takePlace(id);
    const node = this.#createNode({ id, peer, api }, { config: null, disk: null });
    const identity = openOrCreateIdentity(keyFolder(this.#folders, node.id));
    return { id, card: toPeerCardJson(createPeerCard(identity, { peer, api })) };
  }

  /** Starts a node that is a member now, with what it has verified of the cluster. */
  async admit(id: NodeId, verified: VerifiedCluster): Promise<void> {
    const node = assertDefined(this.#everyone.find((one) => one.id === id), `${id} was prepared`);
    writeJoiner(keyFolder(this.#folders, id), verified);
    Deno.writeTextFileSync(
      node.configFile,
      formatClusterConfig(toVerifiedConfig(verified, this.config)),
    );
    node.standing = "member";
    await node.start();
  }

  /** Takes note of who the members are. Whoever is none any more ends by itself, and makes room. */
  settle(members: readonly NodeId[]): void {
    for (const node of this.#everyone) {
      const { id, standing } = node;
      if (members.includes(id) || standing === "gone") continue;
      if (standing === "member") node.standing = "removed";
      else if (standing !== "removed") this.#vacate(node);
    }
  }

  /** Waits until everyone that was removed has ended by itself; who has not when the time is up. */
  async findUnaware(): Promise<string[]> {
    const deadline = AbortSignal.timeout(FAREWELL_TIMEOUT_MS);
    const unaware = () =>
      this.#everyone.filter(({ standing, hasLearned }) => standing === "removed" && !hasLearned);
    while (unaware().length > 0 && !deadline.aborted) await pause(LOOK_PAUSE_MS, deadline);
    return unaware().map(({ id }) => `${id} was removed, and has not learned of it`);
  }

  /** Lets a process live on from now on, whatever else befalls it, to see what it comes to hold. */
  spare(id: NodeId): void {
    this.#spared = id;
  }

  /** The node whose process is spared. */
  get spared(): NodeId | null {
    return this.#spared;
  }

  /** Whether a node has applied anything, by its own account; true of one that is no member any more. */
  async hasState(id: NodeId): Promise<boolean> {
    const endpoint = this.endpoints.find((candidate) => candidate.id === id);
    if (endpoint === undefined) return true;
    try {
      const answer = await fetch(`${endpoint.url}/v1/status`, {
        signal: AbortSignal.timeout(STATUS_TIMEOUT_MS),
      });
      const { appliedIndex }: StatusBody = await answer.json();
      return appliedIndex > 0;
    } catch {
      // It does not answer, so it is not known to have any.
      return false;
    }
  }

  /** Whoever was elected last; any node before the first election. */
  get leader(): ChaosNode {
    const { leader } = this.elections;
    const node = this.nodes.find(({ id }) => id === leader) ?? this.nodes[0];
    return assertDefined(node, "a cluster has nodes");
  }

  /** Where the members' APIs are. */
  get endpoints(): readonly Endpoint[] {
    return this.nodes.map(toEndpoint);
  }

  /** Whom clients ask: the members, and those that do not know yet that they are none any more. */
  get asked(): readonly Endpoint[] {
    return this.#everyone.filter(({ standing }) => standing === "member" || standing === "removed")
      .map(toEndpoint);
  }

  /** Starts every node that does not run, those included that must learn that they were removed. */
  async startAll(): Promise<void> {
    await Promise.all(this.#everyone.map((node) => node.start()));
  }

  /** Stops every node, all at once, and puts its databases where this process can read them. */
  async stopAll(): Promise<void> {
    await Promise.all(this.#everyone.map((node) => node.terminate()));
    await Promise.all(this.#everyone.map((node) => node.disk?.copyOut()));
  }

  /** A node's data folder. */
  folderOf(id: NodeId): string {
    return nodeFolder(this.folder, id);
  }

  /** Kills what runs and closes everything. The folder stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }

  async #mountSmallDisk(id: NodeId): Promise<SmallDisk | null> {
    try {
      const disk = await SmallDisk.mount(this.folderOf(id), SMALL_DISK_BYTES);
      return this.#resources.use(disk);
    } catch (error) {
      if (!(error instanceof NoSmallDiskError)) throw error;
      this.#events.onSkipped(`full disk: ${error.message}`);
      return null;
    }
  }

  /** Whoever was removed and has ended by itself makes room. */
  #makeRoom(): void {
    for (const node of this.#everyone) {
      if (node.standing === "removed" && node.hasLearned) this.#vacate(node);
    }
  }

  get #folders() {
    return { path: this.folder, passphrase: null };
  }

  #takePlace(tenant: NodeId): Pick<PeerConfig, "peer" | "api"> {
    const place = this.#places.find((one) => one.tenant === null);
    const free = assertDefined(place, "There is no place for another node");
    free.tenant = tenant;
    return { peer: free.peer, api: free.api };
  }

  #vacate(node: ChaosNode): void {
    node.standing = "gone";
    this.network.vacate(node.address.peer.port);
    const place = this.#places.find(({ tenant }) => tenant === node.id);
    if (place !== undefined) place.tenant = null;
  }

  #createNode(
    { id, peer, api }: PeerConfig,
    { config, disk }: { readonly config: ClusterConfig | null; readonly disk: SmallDisk | null },
  ): ChaosNode {
    const [configFile, linksFile] = [`${this.folder}/${id}.json`, `${this.folder}/${id}.links`];
    if (config !== null) Deno.writeTextFileSync(configFile, formatClusterConfig(config));
    Deno.writeTextFileSync(linksFile, JSON.stringify(this.network.linksFrom(peer.port)));
    this.network.settle(id, peer.port);
    const node = new ChaosNode({
      id,
      address: { peer, api },
      standing: config === null ? "joiner" : "member",
      configFile,
      linksFile,
      dataDir: this.folderOf(id),
      disk,
      onAnnouncement: (announcement) => {
        if (announcement.event !== "role" || announcement.certificate === null) return;
        this.elections.add(id, announcement.certificate);
      },
      onUnexpectedEnd: (how) => this.#events.onViolation(`${id} ended by itself: ${how}`),
    });
    this.#everyone.push(this.#resources.use(node));
    return node;
  }
}

function toEndpoint({ id, address: { api } }: ChaosNode): Endpoint {
  const label = formatAddress(api);
  return { id, label, url: `http://${label}` };
}
