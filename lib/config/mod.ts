/**
 * A cluster as its operators describe it: `cluster.json`, and the peers' cards with their addresses and public
 * keys. This folder reads texts, checks them, and refuses a fault with its place and the limit.
 *
 * The read order:
 *
 * 1. `cluster_config.ts`: the shape of a configuration, how it is loaded and written.
 * 2. `cluster_config_schema.ts`: every rule and every default.
 * 3. `fields.ts`, `lib/json.ts` and `lib/address.ts`: the parts of the rules.
 * 4. `peer_card.ts`: how the operator of one node hands in its part.
 * 5. `config_difference.ts`: what two nodes report when their files differ.
 *
 * @module
 */

export {
  type Address,
  formatAddress,
  isLoopback,
  parseAddress,
  parseListenAddress,
} from "../address.ts";
export {
  type ClusterConfig,
  ClusterConfigError,
  type ConfigFault,
  findPeer,
  formatClusterConfig,
  type GeneratedClusterOptions,
  generateLocalCluster,
  type HistoryConfig,
  isPinned,
  loadClusterConfig,
  parseClusterConfig,
  type PeerConfig,
  type PeerKeys,
  type PinnedClusterConfig,
  requirePinned,
  type TimingConfig,
  toGenesisRoster,
} from "./cluster_config.ts";
export {
  HISTORY_DEFAULTS,
  PEERS_MAX,
  TIMING_DEFAULTS,
  TIMING_PROFILES,
} from "./cluster_config_schema.ts";
export { describeDifferences, fingerprintOf, toConfiguration } from "./config_difference.ts";
export { checked, formatPath, readKey, type Schema } from "./fields.ts";
export {
  type CardSigner,
  createPeerCard,
  type PeerCard,
  PeerCardError,
  type PeerCardJson,
  readPeerCard,
  toPeerCardJson,
} from "./peer_card.ts";
