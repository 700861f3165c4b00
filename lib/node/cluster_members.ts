/**
 * The members of the cluster, as a node uses them: addresses, keys and the group. At first `cluster.json` lists
 * them; from the first membership on, the log does.
 *
 * @module
 */

import { type Group, type KnownMember, type Membership, toGroup } from "../certificate/mod.ts";
import {
  findPeer,
  formatAddress,
  parseAddress,
  type PeerConfig,
  type PeerKeys,
  type PinnedClusterConfig,
} from "../config/mod.ts";
import { equalBytes } from "../bytes.ts";
import { catching, InputError } from "../errors.ts";
import type { NodeId } from "../types.ts";

type PinnedPeer = PinnedClusterConfig["peers"][number];

/** The members in force. */
export class ClusterMembers {
  readonly #founding: PinnedClusterConfig;
  readonly #group: Group;
  #membership: Membership | null;
  #config: PinnedClusterConfig;

  /** Begins with the membership in force; null in a cluster whose members never change. */
  constructor(
    parts: { readonly config: PinnedClusterConfig; readonly group: Group },
    membership: Membership | null,
  ) {
    this.#founding = parts.config;
    this.#group = parts.group;
    this.#membership = membership;
    this.#config = toCurrentConfig(parts.config, membership);
  }

  /** `cluster.json`, with the nodes that there are now. */
  get config(): PinnedClusterConfig {
    return this.#config;
  }

  /** The newest membership of the chain; null in a cluster whose members never change. */
  get membership(): Membership | null {
    return this.#membership;
  }

  /** The public keys of the voters that hold a share now. */
  get group(): Group {
    return this.#membership === null ? this.#group : toGroup(this.#membership);
  }

  /** Whether cluster.json contradicts the log about the nodes. */
  get isNewer(): boolean {
    if ((this.#membership?.sequence ?? 0) === 0) return false;
    const { peers, threshold } = this.#founding;
    const members = this.#config.peers.filter(({ id }) => this.has(id));
    return threshold !== this.#membership?.threshold || peers.length !== members.length ||
      !peers.every((peer) => members.some((member) => isSamePeer(peer, member)));
  }

  /** Whether cluster.json alone says who the members are: that of a node that joined is not the founders'. */
  isOfFile(self: NodeId): boolean {
    const { sequence = 0, members = [] } = this.#membership ?? {};
    return sequence === 0 && members.some(({ id }) => id === self);
  }

  /** Takes a new membership that is in force. */
  update(membership: Membership): void {
    this.#membership = membership;
    this.#config = toCurrentConfig(this.#founding, membership);
  }

  /** Whether a node is a member, by the log. */
  has(node: NodeId): boolean {
    if (this.#membership === null) return this.#founding.peers.some(({ id }) => id === node);
    return this.#membership.members.some(({ id }) => id === node);
  }

  /** Whether a node was a member and was removed. */
  isFormer(node: NodeId): boolean {
    return this.#membership?.formerIds.has(node) ?? false;
  }

  /** Where a node's API is, `host:port`; null where that is not known. */
  apiOf(node: NodeId): string | null {
    const peer = this.#config.peers.find(({ id }) => id === node);
    return peer === undefined ? null : formatAddress(peer.api);
  }

  /** Whether cluster.json has these keys of a node. */
  isInFile(node: NodeId, { signingKey, channelKey }: PeerKeys): boolean {
    return this.#founding.peers.some(({ id, keys }) =>
      id === node && equalBytes(keys.signingKey, signingKey) &&
      equalBytes(keys.channelKey, channelKey)
    );
  }

  /** Whether the log has different keys for a node than these. */
  hasOtherKeys(node: NodeId, { signingKey, channelKey }: PeerKeys): boolean {
    if (
      (this.#membership?.sequence ?? 0) === 0 && !this.#config.peers.some(({ id }) => id === node)
    ) {
      return false;
    }
    const { keys } = findPeer(this.#config, node);
    return !equalBytes(keys.signingKey, signingKey) || !equalBytes(keys.channelKey, channelKey);
  }
}

/**
 * The members that the log lists, and the further ones in cluster.json: a node whose log is far behind may know
 * only addresses that are out of date, and needs those that its operator gives it. Removed nodes are left out.
 */
function toCurrentConfig(
  config: PinnedClusterConfig,
  membership: Membership | null,
): PinnedClusterConfig {
  if (membership === null || membership.sequence === 0) return config;
  const { members, formerIds, threshold } = membership;
  const inLog = members.flatMap((member) => {
    const peer = toPeer(config, member);
    return peer === null ? [] : [peer];
  });
  const others = config.peers.filter(({ id }) =>
    !formerIds.has(id) && !inLog.some((peer) => peer.id === id)
  );
  return { ...config, threshold, peers: [...inLog, ...others] };
}

/** The members of a chain, in the form of a `cluster.json`. A chain with nothing but its genesis has no addresses. */
export function membersConfig(
  membership: Membership,
  settings: Pick<PinnedClusterConfig, "timing" | "log" | "history">,
): PinnedClusterConfig {
  const { cluster, threshold } = membership;
  const { timing, log, history } = settings;
  return toCurrentConfig({ cluster, threshold, peers: [], timing, log, history }, membership);
}

/** A member as a peer; null if its line has no usable address. */
function toPeer({ peers }: PinnedClusterConfig, member: KnownMember): PinnedPeer | null {
  const { id, identityKey: signingKey, channelKey, peerAddress, apiAddress } = member;
  if (channelKey === undefined || peerAddress === undefined) return null;
  return catching(InputError, () => {
    const peer = parseAddress(peerAddress);
    const api = apiAddress ? parseAddress(apiAddress) : { hostname: peer.hostname, port: 0 };
    const etcd = peers.find((known) => known.id === id)?.etcd;
    const keys = { signingKey, channelKey };
    const learner = member.role === "learner" ? { isLearner: true } as const : {};
    return { id, peer, api, ...(etcd === undefined ? {} : { etcd }), ...learner, keys };
  }, () => null);
}

function isSamePeer(left: PeerConfig & { readonly keys: PeerKeys }, right: PinnedPeer): boolean {
  return left.id === right.id && formatAddress(left.peer) === formatAddress(right.peer) &&
    formatAddress(left.api) === formatAddress(right.api) &&
    equalBytes(left.keys.signingKey, right.keys.signingKey) &&
    equalBytes(left.keys.channelKey, right.keys.channelKey);
}
