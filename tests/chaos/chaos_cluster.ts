/**
 * A real cluster in which everything can be broken: each node a process, each way between two nodes a
 * proxy, one node's folder on a disk that can be filled.
 *
 * @module
 */

import { assertDefined } from "../../lib/assert.ts";
import type { Group } from "../../lib/certificate/certifier.ts";
import type { ApiClient } from "../../lib/client/client.ts";
import { nodeFolder } from "../../lib/cli/options.ts";
import { dealIntoFolders, openIdentities } from "../../lib/cli/serve/node_folders.ts";
import { formatAddress } from "../../lib/address.ts";
import {
  type ClusterConfig,
  formatClusterConfig,
  generateLocalCluster,
} from "../../lib/config/cluster_config.ts";
import type { StatusBody } from "../../lib/http/wire.ts";
import type { NodeId } from "../../lib/types.ts";
import { onFreePorts } from "../support/free_ports.ts";
import { ChaosNode } from "./chaos_node.ts";
import { Elections } from "./elections.ts";
import { Network } from "./network.ts";
import { NoSmallDiskError, SmallDisk } from "./small_disk.ts";

/** How many nodes there are: two may be broken at once. */
const NODE_COUNT = 5;

/**
 * Room for the log, and for three times the data: a snapshot is a copy, and what it replaces stays until it
 * is in its place. With a whole history, which the node bounds, the data are 140 MB after ten minutes.
 */
const SMALL_DISK_BYTES = 768 * 1024 * 1024;

const STATUS_TIMEOUT_MS = 1_000;

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
  /** Whether a node's key-value store was lost and is not known to be back. */
  isStateMissing = false;
  readonly #events: ChaosClusterEvents;
  readonly #nodes: ChaosNode[] = [];
  readonly #resources = new AsyncDisposableStack();
  #spared: NodeId | null = null;

  /** Deals keys and opens the network; no node runs yet. */
  constructor(events: ChaosClusterEvents) {
    this.#events = events;
    const folders = { path: this.folder, passphrase: null };
    this.config = openIdentities(
      { ...onFreePorts(generateLocalCluster({ nodes: NODE_COUNT })), log: LOG },
      folders,
    );
    this.group = dealIntoFolders(this.config, folders);
    this.elections = new Elections(this.group, events.onViolation);
    this.network = this.#resources.use(new Network(this.config));
  }

  /** Mounts the small disk and starts every node. */
  async start(): Promise<void> {
    const last = assertDefined(this.config.peers.at(-1), "a cluster has nodes");
    const disk = await this.#mountSmallDisk(last.id);
    for (const { id } of this.config.peers) {
      const node = this.#createNode(id, id === last.id ? disk : null);
      this.#nodes.push(this.#resources.use(node));
    }
    await this.startAll();
  }

  /** Every node. */
  get nodes(): readonly ChaosNode[] {
    return this.#nodes;
  }

  /** Every node whose process may be ended: all but the one that is spared, if one is. */
  get mortals(): readonly ChaosNode[] {
    return this.#nodes.filter(({ id }) => id !== this.#spared);
  }

  /** Lets a process live on from now on, whatever else befalls it, to see what it comes to hold. */
  spare(id: NodeId): void {
    this.#spared = id;
  }

  /** The node whose process is spared. */
  get spared(): NodeId | null {
    return this.#spared;
  }

  /** Whether a node has applied anything, by its own account. */
  async hasState(id: NodeId): Promise<boolean> {
    const endpoint = this.endpoints.find((candidate) => candidate.id === id);
    try {
      const answer = await fetch(`${endpoint?.url}/v1/status`, {
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
    const node = this.#nodes.find(({ id }) => id === leader) ?? this.#nodes[0];
    return assertDefined(node, "a cluster has nodes");
  }

  /** Where the nodes' APIs are. */
  get endpoints(): readonly Endpoint[] {
    return this.config.peers.map(({ id, api }) => {
      const label = formatAddress(api);
      return { id, label, url: `http://${label}` };
    });
  }

  /** Starts every node that does not run. */
  async startAll(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.start()));
  }

  /** Stops every node, all at once, and puts its databases where this process can read them. */
  async stopAll(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.terminate()));
    await Promise.all(this.#nodes.map((node) => node.disk?.copyOut()));
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

  #createNode(id: NodeId, disk: SmallDisk | null): ChaosNode {
    const configFile = `${this.folder}/${id}.json`;
    Deno.writeTextFileSync(configFile, formatClusterConfig(this.network.configOf(id)));
    return new ChaosNode({
      id,
      configFile,
      dataDir: this.folderOf(id),
      disk,
      onAnnouncement: (announcement) => {
        if (announcement.event !== "role" || announcement.certificate === null) return;
        this.elections.add(id, announcement.certificate);
      },
      onUnexpectedEnd: (how) => this.#events.onViolation(`${id} ended by itself: ${how}`),
    });
  }
}
