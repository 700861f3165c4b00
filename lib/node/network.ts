/**
 * A node's connections to its peers, for as long as its process runs. Key generation uses them until there is a
 * key, then the running node does; the connections stay.
 *
 * @module
 */

import type { MembershipCertificate } from "../certificate/mod.ts";
import {
  type Address,
  findPeer,
  type PinnedClusterConfig,
  toConfiguration,
} from "../config/mod.ts";
import type { Message as KeyGenerationMessage } from "../keygen/mod.ts";
import type { NodeIdentity } from "../keys/mod.ts";
import type { LeaseMessage } from "../kv/mod.ts";
import type { Message } from "../raft/mod.ts";
import { Transport, type ViewMessage } from "../transport/mod.ts";
import type { NodeId } from "../types.ts";
import { PeerConfigurations } from "./observer.ts";

/** The node, its cluster and its keys. */
interface NetworkOptions {
  /** The cluster's configuration, with every node's public keys. */
  readonly config: PinnedClusterConfig;
  /** This node; one of the configuration's peers. */
  readonly self: NodeId;
  /** Its own keys; the configuration pins the public ones. */
  readonly identity: NodeIdentity;
  /** Where to listen for peers; by default at the address that the configuration gives to them. */
  readonly listen?: Address;
}

/** The present user of the connections. Socket callbacks call it, so it must return at once. */
export interface NetworkUser {
  /** Takes a message of Raft. */
  onMessage(message: Message): void;
  /** Takes what a peer sends while the cluster still makes its key. */
  onKeyGenerationMessage(message: KeyGenerationMessage): void;
  /** Takes a peer's question or answer about a lease. */
  onLeaseMessage?(message: LeaseMessage): void;
  /** Takes a peer's question for a node's view, or its answer. */
  onViewMessage?(message: ViewMessage): void;
  /** Takes the memberships that a peer shows to a node that was removed. They are not verified yet. */
  onFarewell?(memberships: readonly MembershipCertificate[]): void;
  /** Messages to this peer are sent from now on. */
  onConnected?(peer: NodeId): void;
  /** Messages to this peer may have been lost, and are dropped from now on. */
  onDisconnected?(peer: NodeId): void;
}

/** The chain of memberships, as a node shows it to former members. */
export interface ShownChain {
  /** How many memberships since the genesis this node knows. */
  readonly membershipsKnown: number;
  /** The channel key of a former member; null for any other node. */
  formerKeyOf(id: NodeId): Uint8Array | null;
  /** All memberships but the first so many. */
  membershipsAfter(count: number): readonly MembershipCertificate[];
}

/** Key generation's messages to peers, and what is known about those. */
export interface KeyGenerationNetwork {
  /** Hands all messages to `user` from now on. */
  use(user: NetworkUser): void;
  /** Sends a message, if its receiver is connected; never waits. Returns false when it is not. */
  sendKeyGeneration(message: KeyGenerationMessage): boolean;
  /** Whether messages to a peer are sent, rather than dropped. */
  isConnected(peer: NodeId): boolean;
  /** Whether a peer has the same configuration; null when it has not connected yet. */
  isConfigurationEqual(peer: NodeId): boolean | null;
}

/** The connections of one node. Messages that come while there is no user are dropped. */
export class Network extends Transport implements KeyGenerationNetwork {
  readonly #configurations: PeerConfigurations;
  readonly #self: NodeId;
  #user: NetworkUser | null = null;
  #chain: ShownChain | null = null;
  #isStarted = false;

  /** Opens no connection yet. */
  constructor({ config, self, identity, listen }: NetworkOptions) {
    const configurations = new PeerConfigurations(config);
    super({
      self,
      cluster: config.cluster,
      channelKeys: identity.channelKeys,
      configuration: toConfiguration(config),
      listen: listen ?? findPeer(config, self).peer,
      peers: config.peers.map(toEndpoint),
      onMessage: (message) => this.#user?.onMessage(message),
      onKeyGenerationMessage: (message) => this.#user?.onKeyGenerationMessage(message),
      onLeaseMessage: (message) => this.#user?.onLeaseMessage?.(message),
      onViewMessage: (message) => this.#user?.onViewMessage?.(message),
      onFarewell: (memberships) => this.#user?.onFarewell?.(memberships),
      membershipsKnown: () => this.#chain?.membershipsKnown ?? 0,
      farewells: {
        keyOf: (id) => this.#chain?.formerKeyOf(id) ?? null,
        membershipsAfter: (count) => this.#chain?.membershipsAfter(count) ?? [],
      },
      onPeerConnected: (peer) => this.#user?.onConnected?.(peer),
      onPeerDisconnected: (peer) => this.#user?.onDisconnected?.(peer),
      onConfiguration: (peer, different) => configurations.heard(peer, different),
    });
    this.#configurations = configurations;
    this.#self = self;
  }

  /**
   * The members have changed, or this node has joined. From now on the log says who the members are, and no
   * node's cluster.json is compared any more.
   */
  useMembers(peers: PinnedClusterConfig["peers"]): void {
    this.#configurations.stop();
    this.usePeers(peers.filter(({ id }) => id !== this.#self).map(toEndpoint));
  }

  /**
   * Takes the peer port and begins to connect; does nothing when called again.
   *
   * @throws {EnvironmentError} when the port cannot be used.
   */
  override start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    super.start();
  }

  /** See {@linkcode KeyGenerationNetwork.use}. */
  use(user: NetworkUser): void {
    this.#user = user;
  }

  /** From now on, shows this chain to former members. */
  useChain(chain: ShownChain): void {
    this.#chain = chain;
  }

  /** See {@linkcode KeyGenerationNetwork.isConfigurationEqual}. */
  isConfigurationEqual(peer: NodeId): boolean | null {
    return this.#configurations.isEqual(peer);
  }

  /** Gives up the port and ends every connection. Resolves when they have ended. */
  override async close(): Promise<void> {
    this.#user = null;
    await super.close();
  }
}

function toEndpoint({ id, peer, keys: { channelKey } }: PinnedClusterConfig["peers"][number]) {
  return { id, ...peer, channelKey };
}
