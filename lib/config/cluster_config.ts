/**
 * `cluster.json`: what all nodes of a cluster know about each other. It is public and the same on
 * every node. What is local to one node (data folder, log level) is a flag or a `FLOE_*` variable.
 *
 * @module
 */

import { encodeHex } from "../bytes.ts";
import type { GenesisRoster } from "../certificate/mod.ts";
import { catching, EnvironmentError, InputError, messageOf } from "../errors.ts";
import { parseStrictJson } from "../json.ts";
import { majorityOf } from "../margins.ts";
import { type EntryLimits, LOG_LIMITS } from "../raft/mod.ts";
import { type ClusterName, type NodeId, toClusterName, toEpoch, toNodeId } from "../types.ts";
import { type Address, formatAddress, PORT_MAX } from "../address.ts";
import {
  checkClusterConfig,
  findThresholdFaults,
  HISTORY_DEFAULTS,
  PEERS_MAX,
  TIMING_DEFAULTS,
} from "./cluster_config_schema.ts";

/** A node's lasting public keys, by which the others know it. */
export interface PeerKeys {
  /** Ed25519, 32 bytes: checks what the node signs in its own name. */
  readonly signingKey: Uint8Array;
  /** X25519, 32 bytes: the node proves with each connection that it has the private key. */
  readonly channelKey: Uint8Array;
}

/** One node of the cluster. */
export interface PeerConfig {
  /** Its name. */
  readonly id: NodeId;
  /** Where it listens for other nodes. */
  readonly peer: Address;
  /** Where it serves the HTTP API. */
  readonly api: Address;
  /** Where it serves etcd's clients over gRPC. Without this address, it does not serve them. */
  readonly etcd?: Address;
  /** Only replicates. The members of a new cluster are all voters: a learner joins one that has a key. */
  readonly isLearner?: true;
  /** Its keys. Either every node of a configuration has them or none has. */
  readonly keys?: PeerKeys;
}

/** The times that an election depends on, in milliseconds. */
export interface TimingConfig {
  /** Between two heartbeats of a leader. */
  readonly heartbeatMs: number;
  /** The shortest silence after which a follower asks for votes; the longest is twice as long. */
  readonly electionTimeoutMs: number;
  /** How long a candidate waits for signature shares before it asks other voters. */
  readonly signingTimeoutMs: number;
}

/** How much history each node keeps at most. It is in memory. */
export interface HistoryConfig {
  /** Most changes. */
  readonly changesMax: number;
  /** Most bytes of values that only history keeps. */
  readonly bytesMax: number;
  /** The longest time that a change is kept while the node runs; null means no limit. */
  readonly ageSecondsMax: number | null;
}

/** A checked `cluster.json`. */
export interface ClusterConfig {
  /** The cluster's name. */
  readonly cluster: ClusterName;
  /** How many voters must sign an election: n/2 < threshold <= n. */
  readonly threshold: number;
  /** Every node, in the order of their FROST identifiers. */
  readonly peers: readonly PeerConfig[];
  /** The cluster's timeouts. */
  readonly timing: TimingConfig;
  /**
   * When a node compacts its log: it exceeds either limit, and half of it stays. The log is in memory.
   * While a follower receives a snapshot, the entries after it are kept, up to eight times the limit.
   */
  readonly log: EntryLimits;
  /** The limits of history: a node forgets the oldest changes when any of these is exceeded. */
  readonly history: HistoryConfig;
}

/** A configuration that pins every node's keys. Nodes need such a one. */
export interface PinnedClusterConfig extends ClusterConfig {
  /** Every node, in the order of their FROST identifiers. */
  readonly peers: readonly (PeerConfig & { readonly keys: PeerKeys })[];
}

/** One fault of a `cluster.json`. */
export interface ConfigFault {
  /** The place of the fault, such as `peers[2].api`; the empty string for the whole file. */
  readonly path: string;
  /** What is wrong, and what would be right. */
  readonly message: string;
}

/** A `cluster.json` cannot be used. One error has all its faults. */
export class ClusterConfigError extends InputError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "ClusterConfigError";
  /** Every fault: first those of single fields, then those between fields. */
  readonly faults: readonly ConfigFault[];

  /** `file` is the configuration's path. */
  constructor(file: string, faults: readonly ConfigFault[], options?: ErrorOptions) {
    const lines = faults.map(({ path, message }) =>
      path === "" ? `  ${message}` : `  ${path}: ${message}`
    );
    const count = faults.length === 1 ? "1 fault" : `${faults.length} faults`;
    super([`Cannot use ${file}: ${count}`, ...lines].join("\n"), options);
    this.faults = faults;
  }
}

/**
 * Reads and checks a `cluster.json`.
 *
 * @throws {ClusterConfigError} naming every fault at once, each with its place.
 * @throws {EnvironmentError} when the file is there but cannot be read.
 */
export async function loadClusterConfig(file: string): Promise<ClusterConfig> {
  return parseClusterConfig(await readConfigText(file), file);
}

/**
 * Checks the text of a `cluster.json`; `file` is for messages only.
 *
 * @throws {ClusterConfigError} naming every fault at once, each with its place.
 */
export function parseClusterConfig(text: string, file = "cluster.json"): ClusterConfig {
  const { config, faults } = checkClusterConfig(parseJson(text, file));
  if (config === null) throw new ClusterConfigError(file, faults);
  return config;
}

/** A configuration as the text of a `cluster.json`. */
export function formatClusterConfig(config: ClusterConfig): string {
  return JSON.stringify(toClusterConfigJson(config), null, 2) + "\n";
}

/** A configuration as the JSON of a `cluster.json`: every field, in a fixed order. */
export function toClusterConfigJson(config: ClusterConfig): unknown {
  const { heartbeatMs, electionTimeoutMs, signingTimeoutMs } = config.timing;
  const { entriesMax, bytesMax } = config.log;
  const { changesMax, bytesMax: historyBytesMax, ageSecondsMax } = config.history;
  return {
    cluster: config.cluster,
    threshold: config.threshold,
    peers: config.peers.map(({ id, peer, api, etcd, isLearner, keys }) => ({
      id,
      peer: formatAddress(peer),
      api: formatAddress(api),
      ...(etcd === undefined ? {} : { etcd: formatAddress(etcd) }),
      ...(isLearner === undefined ? {} : { learner: true }),
      ...(keys === undefined ? {} : {
        signingKey: encodeHex(keys.signingKey),
        channelKey: encodeHex(keys.channelKey),
      }),
    })),
    timing: { heartbeatMs, electionTimeoutMs, signingTimeoutMs },
    log: { entriesMax, bytesMax },
    history: { changesMax, bytesMax: historyBytesMax, ageSecondsMax },
  };
}

/** Whether a configuration pins every node's keys. */
export function isPinned(config: ClusterConfig): config is PinnedClusterConfig {
  return config.peers.every(({ keys }) => keys !== undefined);
}

/**
 * The configuration as a node needs it; `file` is for the message only.
 *
 * @throws {ClusterConfigError} when it pins no keys: a node could not authenticate its peers.
 */
export function requirePinned(config: ClusterConfig, file: string): PinnedClusterConfig {
  if (isPinned(config)) return config;
  const message =
    "the peers have no signingKey and channelKey, so a node could not authenticate them. " +
    "Run floe keygen for every node and floe init with the cards that it prints; " +
    "or, with all nodes on this machine, floe cluster or floe keygen --dealer, which write a " +
    "cluster.json with keys into the data folder";
  throw new ClusterConfigError(file, [{ path: "", message }]);
}

/**
 * A node's own entry.
 *
 * @throws {InputError} when no node has this `id`. The message lists the nodes.
 */
export function findPeer<Config extends ClusterConfig>(
  config: Config,
  id: string,
): Config["peers"][number] {
  const peer = config.peers.find((candidate) => candidate.id === id);
  if (peer !== undefined) return peer;
  const known = config.peers.map((candidate) => candidate.id).join(", ");
  throw new InputError(
    `Cannot find node ${JSON.stringify(id)} in cluster ${config.cluster}; its nodes are ${known}`,
  );
}

function parseJson(text: string, file: string): unknown {
  return catching(InputError, () => parseStrictJson(text), (cause) => {
    throw new ClusterConfigError(file, [{ path: "", message: cause.message }], { cause });
  });
}

async function readConfigText(file: string): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) {
      const message = "no such file; name the cluster's configuration with --config or FLOE_CONFIG";
      throw new ClusterConfigError(file, [{ path: "", message }], { cause });
    }
    const reason = messageOf(cause);
    throw new EnvironmentError(`Cannot read ${file}: ${reason}. Check its permissions.`, { cause });
  }
}

/** How to make a configuration for nodes on this machine. */
export interface GeneratedClusterOptions {
  /** How many nodes, from 1 to {@linkcode PEERS_MAX}. */
  readonly nodes: number;
  /** How many must sign; a bare majority when absent. */
  readonly threshold?: number;
  /** Peers listen above this port, the APIs at least 100 ports further up; 7100 when absent. */
  readonly basePort?: number;
}

/** Where a generated cluster's ports begin by default. */
const BASE_PORT_DEFAULT = 7100;

/**
 * A cluster of `nodes` nodes, `server_1` and so on, on 127.0.0.1.
 *
 * @throws {ClusterConfigError} when the numbers make no cluster.
 */
export function generateLocalCluster(options: GeneratedClusterOptions): ClusterConfig {
  const { nodes, threshold = majorityOf(nodes), basePort = BASE_PORT_DEFAULT } = options;
  const step = Math.max(100, Math.ceil((nodes + 1) / 100) * 100);
  const [apiBasePort, etcdBasePort] = [basePort + step, basePort + 2 * step];
  const faults: ConfigFault[] = [];
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > PEERS_MAX) {
    faults.push({ path: "--nodes", message: `${nodes} is not from 1 to ${PEERS_MAX}` });
  } else {
    faults.push(...findThresholdFaults(threshold, nodes, "--threshold"));
    if (!Number.isInteger(basePort) || basePort < 1 || etcdBasePort + nodes > PORT_MAX) {
      const most = PORT_MAX - nodes - 2 * step;
      faults.push({ path: "--base-port", message: `${basePort} is not from 1 to ${most}` });
    }
  }
  if (faults.length > 0) throw new ClusterConfigError("these options", faults);
  const peers = Array.from({ length: nodes }, (_, index) => ({
    id: toNodeId(`server_${index + 1}`),
    peer: { hostname: "127.0.0.1", port: basePort + index + 1 },
    api: { hostname: "127.0.0.1", port: apiBasePort + index + 1 },
    etcd: { hostname: "127.0.0.1", port: etcdBasePort + index + 1 },
  }));
  return {
    cluster: toClusterName("floe-local"),
    threshold,
    peers,
    timing: TIMING_DEFAULTS,
    log: LOG_LIMITS,
    history: HISTORY_DEFAULTS,
  };
}

/**
 * The roster of a configuration: its voters in their order, each with the signing key that it pins, and
 * the first epoch. `checkRoster` decides whether it can found a cluster.
 */
export function toGenesisRoster({ cluster, threshold, peers }: PinnedClusterConfig): GenesisRoster {
  const voters = peers.filter(({ isLearner }) => isLearner === undefined)
    .map(({ id, keys }) => ({ id, identityKey: keys.signingKey }));
  return { cluster, epoch: toEpoch(1), threshold, voters };
}
