/**
 * What a node tells of key generation: `GET /v1/dkg`, `floe dkg status` and the log.
 *
 * @module
 */

import type {
  KeyGenerationPhase,
  KeyGenerationStatus,
  ParticipantStatus,
} from "../../keygen/mod.ts";
import type { ClusterName, NodeId } from "../../types.ts";
import type { PinnedClusterConfig } from "../cluster_config.ts";

/** What a node is doing about its key. */
export type KeyPhase =
  /** Not all voters are connected and known to have the same configuration. */
  | "connecting"
  /** Key generation itself. */
  | KeyGenerationPhase
  /** There is a key, which a dealer made. */
  | "dealt";

/** A peer as this node sees it. */
export interface KeyGenerationPeer extends ParticipantStatus {
  /** Whether this node's connection to it is up. */
  readonly connected: boolean;
}

/** What a peer is waited for to do. */
export type AwaitedStep =
  /** To connect, both ways. */
  | "connection"
  /** To be given the same `cluster.json`. */
  | "configuration"
  /** To reveal its commitment. */
  | "roundOne"
  /** To deal this node's share. */
  | "roundTwo"
  /** To say that its own share is durable. */
  | "ready"
  /** To sign the genesis statement. */
  | "signature"
  /** To hand over the genesis certificate, as there is a key already. */
  | "genesis";

/** A peer without which this node cannot go on. */
export interface Awaited {
  /** The peer. */
  readonly id: NodeId;
  /** What it is waited for to do. */
  readonly step: AwaitedStep;
}

/** How far a node has come, and whom it waits for. */
export interface KeyGenerationReport {
  /** The cluster. */
  readonly cluster: ClusterName;
  /** The node that tells. */
  readonly id: NodeId;
  /** What it is doing. */
  readonly phase: KeyPhase;
  /** The highest attempt entered; 0 before the first; null once the node runs, which forgets it. */
  readonly attempt: number | null;
  /** How many voters must sign an election. */
  readonly threshold: number;
  /** Every voter, in the configuration's order. */
  readonly voters: readonly NodeId[];
  /** Every other voter. */
  readonly peers: readonly KeyGenerationPeer[];
  /** Whom it waits for. */
  readonly waitingFor: readonly Awaited[];
  /** The genesis certificate, a signed note; null until there is one, and for a dealt key. */
  readonly genesis: string | null;
}

/** What is known of a peer from its connection. */
export interface PeerView {
  /** Whether messages to it are sent. */
  readonly isConnected: boolean;
  /** Whether it has the same `cluster.json`; null when it has not connected. */
  readonly isConfigurationEqual: boolean | null;
}

/** What a report of an unfinished key generation is made of. */
export interface ReportParts {
  /** The cluster's configuration. */
  readonly config: PinnedClusterConfig;
  /** This node. */
  readonly self: NodeId;
  /** What the protocol says. */
  readonly status: KeyGenerationStatus;
  /** Whether this node has joined: until then it waits for everybody. */
  readonly hasJoined: boolean;
  /** Whether any peer speaks as a running node does: so there is a key, and all that is left to get. */
  readonly isKeyMade: boolean;
  /** The genesis certificate, once there is one. */
  readonly genesis: string | null;
  /** What is known of each peer from its connection. */
  readonly viewOf: (peer: NodeId) => PeerView;
}

/** What a node reports while it generates its key. */
export function toReport(
  { config, self, status, hasJoined, isKeyMade, genesis, viewOf }: ReportParts,
): KeyGenerationReport {
  const phase = hasJoined ? status.phase : "connecting";
  const peers = status.peers.map((peer): KeyGenerationPeer => {
    const view = viewOf(peer.id);
    return { ...peer, connected: view.isConnected, configuration: configurationOf(peer, view) };
  });
  const awaited = hasJoined ? new Set(status.waitingFor) : null;
  const waitingFor = peers.flatMap((peer): Awaited[] => {
    if (awaited !== null && !awaited.has(peer.id)) return [];
    const step = stepOf(peer, { phase, isKeyMade });
    return step === null ? [] : [{ id: peer.id, step }];
  });
  const { attempt } = status;
  return { ...aboutCluster(config, self), phase, attempt, peers, waitingFor, genesis };
}

/** What a running node reports: its key came from a genesis, or else from a dealer. */
export function toFinalReport(
  { config, self, genesis, viewOf }: Pick<
    ReportParts,
    "config" | "self" | "genesis" | "viewOf"
  >,
): KeyGenerationReport {
  const isDone = genesis !== null;
  const peers = config.peers.filter(({ id }) => id !== self).map(({ id }) => {
    const { isConnected: connected, isConfigurationEqual } = viewOf(id);
    const configuration = toWord(isConfigurationEqual);
    const rounds = { roundOne: isDone, roundTwo: isDone, ready: isDone, signed: isDone };
    return { id, connected, configuration, ...rounds };
  });
  const phase = isDone ? "finished" : "dealt";
  return { ...aboutCluster(config, self), phase, attempt: null, peers, waitingFor: [], genesis };
}

function aboutCluster({ cluster, threshold, peers }: PinnedClusterConfig, id: NodeId) {
  return { cluster, id, threshold, voters: peers.map((peer) => peer.id) };
}

/** The connection tells of the whole `cluster.json`, key generation of what it depends on. */
function configurationOf(
  { configuration }: ParticipantStatus,
  { isConfigurationEqual }: PeerView,
): ParticipantStatus["configuration"] {
  return configuration === "different" ? "different" : toWord(isConfigurationEqual);
}

function toWord(isConfigurationEqual: boolean | null): ParticipantStatus["configuration"] {
  if (isConfigurationEqual === null) return "unknown";
  return isConfigurationEqual ? "equal" : "different";
}

/** What a peer is to do next, or null when it has nothing to do. */
function stepOf(
  peer: KeyGenerationPeer,
  { phase, isKeyMade }: { readonly phase: KeyPhase; readonly isKeyMade: boolean },
): AwaitedStep | null {
  if (!peer.connected) return "connection";
  if (peer.configuration === "different") return "configuration";
  if (isKeyMade) return "genesis";
  switch (phase) {
    case "connecting":
      return peer.configuration === "unknown" ? "connection" : null;
    case "roundOne":
    case "roundTwo":
    case "ready":
      return phase;
    case "signed":
      return "signature";
    case "betweenAttempts":
    case "finished":
    case "shareLost":
    case "exhausted":
    case "dealt":
      return null;
    default:
      return phase satisfies never;
  }
}
