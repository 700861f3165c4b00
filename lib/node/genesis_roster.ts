/**
 * Who founds the cluster of a configuration: the seam between `cluster.json` and the genesis.
 *
 * @module
 */

import type { GenesisRoster } from "../certificate/mod.ts";
import { toEpoch } from "../types.ts";
import type { PinnedClusterConfig } from "./cluster_config.ts";

/**
 * The roster of a configuration: its peers in their order, each with the signing key that it pins, and
 * the first epoch. Whether it can found a cluster is for `checkRoster` to say.
 */
export function toGenesisRoster({ cluster, threshold, peers }: PinnedClusterConfig): GenesisRoster {
  const voters = peers.map(({ id, keys }) => ({ id, identityKey: keys.signingKey }));
  return { cluster, epoch: toEpoch(1), threshold, voters };
}
