/**
 * All the links between the nodes of a cluster: two for each pair, one a direction.
 *
 * @module
 */

import { assertDefined } from "../../lib/assert.ts";
import type { ClusterConfig } from "../../lib/config/cluster_config.ts";
import type { NodeId } from "../../lib/types.ts";
import { Link, type LinkState } from "./link.ts";

/** A link and its two ends. */
interface DirectedLink {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly link: Link;
}

/** See the module. */
export class Network implements AsyncDisposable {
  readonly #links: readonly DirectedLink[];
  readonly #config: ClusterConfig;

  /** Opens a link for each ordered pair of the configuration's nodes. */
  constructor(config: ClusterConfig) {
    this.#config = config;
    this.#links = config.peers.flatMap(({ id: from }) =>
      config.peers.filter(({ id }) => id !== from)
        .map(({ id: to, peer }) => ({ from, to, link: new Link(peer.port) }))
    );
  }

  /** The configuration as `self` is given it: its own address, and the links to all others. */
  configOf(self: NodeId): ClusterConfig {
    const peers = this.#config.peers.map((peer) =>
      peer.id === self
        ? peer
        : { ...peer, peer: { ...peer.peer, port: this.#link(self, peer.id).port } }
    );
    return { ...this.#config, peers };
  }

  /** Changes the links in which `concerns` says yes. */
  set(state: LinkState, concerns: (from: NodeId, to: NodeId) => boolean): void {
    for (const { from, to, link } of this.#links) {
      if (concerns(from, to)) link.set(state);
    }
  }

  /** Ends every connection; the nodes will make new ones. */
  reset(): void {
    for (const { link } of this.#links) link.reset();
  }

  /** Opens every link. */
  heal(): void {
    this.set({ kind: "open" }, () => true);
  }

  /** Closes every link. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#links.map(({ link }) => link[Symbol.asyncDispose]()));
  }

  #link(from: NodeId, to: NodeId): Link {
    const found = this.#links.find((link) => link.from === from && link.to === to);
    return assertDefined(found, `There is no link from ${from} to ${to}`).link;
  }
}
