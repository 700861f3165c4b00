/**
 * Clusters of nodes on this machine, for trying Floe out and for tests.
 *
 * @module
 */

import { LOG_LIMITS } from "../raft/mod.ts";
import { majorityOf } from "../margins.ts";
import { toClusterName, toNodeId } from "../types.ts";
import { PORT_MAX } from "./address.ts";
import { type ClusterConfig, ClusterConfigError, type ConfigFault } from "./cluster_config.ts";
import { findThresholdFaults, PEERS_MAX, TIMING_DEFAULTS } from "./cluster_config_schema.ts";

/** How to make a configuration for nodes on this machine. */
export interface LocalClusterOptions {
  /** How many nodes, from 1 to {@linkcode PEERS_MAX}. */
  readonly nodes: number;
  /** How many must sign; a bare majority when absent. */
  readonly threshold?: number;
  /** Peers listen above this port, the APIs at least 100 ports further up; 7100 when absent. */
  readonly basePort?: number;
}

/** Where a generated cluster's ports begin unless told otherwise. */
const BASE_PORT_DEFAULT = 7100;

/**
 * A cluster of `nodes` nodes, `server_1` and so on, on 127.0.0.1.
 *
 * @throws {ClusterConfigError} when the numbers make no cluster.
 */
export function generateLocalCluster(options: LocalClusterOptions): ClusterConfig {
  const { nodes, threshold = majorityOf(nodes), basePort = BASE_PORT_DEFAULT } = options;
  const apiBasePort = basePort + Math.max(100, Math.ceil((nodes + 1) / 100) * 100);
  const faults: ConfigFault[] = [];
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > PEERS_MAX) {
    faults.push({ path: "--nodes", message: `${nodes} is not from 1 to ${PEERS_MAX}` });
  } else {
    faults.push(...findThresholdFaults(threshold, nodes, "--threshold"));
    if (!Number.isInteger(basePort) || basePort < 1 || apiBasePort + nodes > PORT_MAX) {
      const most = PORT_MAX - nodes - (apiBasePort - basePort);
      faults.push({ path: "--base-port", message: `${basePort} is not from 1 to ${most}` });
    }
  }
  if (faults.length > 0) throw new ClusterConfigError("these options", faults);
  const peers = Array.from({ length: nodes }, (_, index) => ({
    id: toNodeId(`server_${index + 1}`),
    peer: { hostname: "127.0.0.1", port: basePort + index + 1 },
    api: { hostname: "127.0.0.1", port: apiBasePort + index + 1 },
  }));
  return {
    cluster: toClusterName("floe-local"),
    threshold,
    peers,
    timing: TIMING_DEFAULTS,
    log: LOG_LIMITS,
  };
}
