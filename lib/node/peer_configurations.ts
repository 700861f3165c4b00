/**
 * Whether the other nodes run with the same configuration as this one.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { equalBytes } from "../bytes.ts";
import { LogLimiter } from "../transport/log_limiter.ts";
import type { NodeId } from "../types.ts";
import type { ClusterConfig } from "./cluster_config.ts";
import { describeDifferences } from "./config_difference.ts";

/**
 * What peers said of their configuration when they last connected. What differs is logged once, and
 * again when it changes: peers that differ may connect as often as they like.
 */
export class PeerConfigurations {
  readonly #config: ClusterConfig;
  readonly #logger = getLogger(["floe", "node"]);
  readonly #limiter = new LogLimiter(() => performance.now());
  readonly #heard = new Map<NodeId, Uint8Array | null>();

  /** Nothing is known yet. `config` is this node's own. */
  constructor(config: ClusterConfig) {
    this.#config = config;
  }

  /** A peer has connected; `different` is its configuration, or null when it is the same. */
  heard(peer: NodeId, different: Uint8Array | null): void {
    const before = this.#heard.get(peer);
    this.#heard.set(peer, different);
    if (different === null) {
      if (before) this.#logger.info("configuration.equal", { peer });
    } else if (!before || !equalBytes(before, different)) {
      this.#warn(peer, different);
    }
  }

  #warn(peer: NodeId, different: Uint8Array): void {
    const event = "configuration.different";
    // Each peer by itself: one that floods hides nobody else, and there are no more than peers.
    const admitted = this.#limiter.admit(`${event} of ${peer}`);
    if (admitted === null) return;
    const differences = describeDifferences(this.#config, different);
    this.#logger.warn(event, { peer, differences, ...admitted });
  }

  /** Whether a peer has the same configuration; null when it has not connected yet. */
  isEqual(peer: NodeId): boolean | null {
    const different = this.#heard.get(peer);
    return different === undefined ? null : different === null;
  }
}
