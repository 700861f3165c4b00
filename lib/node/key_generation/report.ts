/**
 * What a node reports about key generation: in `GET /v1/dkg`, in `floe dkg status` and in the log.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";
import { unreachable } from "../../assert.ts";
import type { Genesis, Roster } from "../../certificate/mod.ts";
import { fingerprintOf, type PinnedClusterConfig } from "../../config/mod.ts";
import type {
  KeyGenerationEvent,
  KeyGenerationPhase,
  KeyGenerationStatus,
  ParticipantStatus,
} from "../../keygen/mod.ts";
import { LogLimiter } from "../../transport/mod.ts";
import type { NodeId } from "../../types.ts";

/** The phase of a node's key generation. */
export type KeyPhase =
  /** Some voters are not connected, or not known to have the same configuration. */
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

/** What we are waiting for a peer to do. */
export type AwaitedStep =
  /** To connect, both ways. */
  | "connection"
  /** To get the same `cluster.json` from its operator. */
  | "configuration"
  /** To reveal its commitment. */
  | "roundOne"
  /** To deal this node's share. */
  | "roundTwo"
  /** To say that its own share is durable. */
  | "ready"
  /** To sign the genesis statement. */
  | "signature"
  /** To send the genesis certificate, because there already is a key. */
  | "genesis";

/** A peer without which this node cannot go on. */
export interface Awaited {
  /** The peer. */
  readonly id: NodeId;
  /** What we are waiting for it to do. */
  readonly step: AwaitedStep;
}

/** A node's progress, and the peers that it waits for. */
export interface KeyGenerationReport extends Omit<Roster, "epoch"> {
  /** The node that reports. */
  readonly id: NodeId;
  /** The fingerprint of its `cluster.json`. */
  readonly fingerprint: string;
  /** Where its key generation stands. */
  readonly phase: KeyPhase;
  /**
   * The highest attempt that it entered; 0 before the first; null once the node runs, because it then forgets
   * the number.
   */
  readonly attempt: number | null;
  /** Every other voter. */
  readonly peers: readonly KeyGenerationPeer[];
  /** The peers that it waits for. */
  readonly waitingFor: readonly Awaited[];
  /** The genesis certificate, a signed note; null until there is one, and for a dealt key. */
  readonly genesis: string | null;
}

/** What a peer's connection tells about it. */
export interface PeerView {
  /** Whether messages to it are sent, rather than dropped. */
  readonly isConnected: boolean;
  /** Whether it has the same `cluster.json`; null when it has not connected. */
  readonly isConfigurationEqual: boolean | null;
}

/** The parts from which the report of an unfinished key generation is made. */
interface ReportParts {
  /** The cluster's configuration. */
  readonly config: PinnedClusterConfig;
  /** This node. */
  readonly self: NodeId;
  /** The protocol's own progress. */
  readonly status: KeyGenerationStatus;
  /** Whether this node has joined; until then it waits for all peers. */
  readonly hasJoined: boolean;
  /** Whether any peer answers as a running node does: then there is a key, and this node only has to get it. */
  readonly isKeyMade: boolean;
  /** The genesis certificate, once there is one. */
  readonly genesis: string | null;
  /** What each peer's connection tells about it. */
  readonly viewOf: (peer: NodeId) => PeerView;
}

/** The report of a node that generates its key. */
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

/** The report of a running node, whose key came from a genesis or from a dealer. */
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

function aboutCluster(config: PinnedClusterConfig, id: NodeId) {
  const { cluster, threshold, peers } = config;
  const fingerprint = fingerprintOf(config);
  return { cluster, id, fingerprint, threshold, voters: peers.map((peer) => peer.id) };
}

/**
 * The connection compares the whole `cluster.json`; key generation compares only the parts that it depends on.
 */
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

/** What a peer has to do next; null when it has nothing to do. */
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

/** The log says what a node waits for at most this often, even if it changes faster. */
export const WAITING_CHANGED_MS = 1_000;
/** The log repeats it this often while nothing changes. */
export const WAITING_REPEATED_MS = 5_000;

const RUNNING_ADVICE =
  "They run with a key already and do not show its genesis certificate. If a " +
  "dealer made the key, put this node's share.json and group.json into its data folder.";

const LOST_ADVICE =
  "A node signs when every share is durable, or when another has signed. So either this node's disk " +
  "was lost: put its data folder back as it was; or one of the others lies, and likely the one whose " +
  "step this node waits for (floe dkg status): start over without it.";

/** Writes the log of one key generation. It limits the records that a peer can cause at will. */
export class Journal {
  readonly #logger = getLogger(["floe", "keygen"]);
  readonly #nowMs: () => number;
  readonly #limiter: LogLimiter;
  /** The log's last record of what this node waits for, and its time. */
  #told: { readonly atMs: number; readonly text: string };

  /** `nowMs` is a monotonic clock in milliseconds. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
    this.#limiter = new LogLimiter(nowMs);
    this.#told = { atMs: nowMs(), text: "" };
  }

  /** Writes one event. */
  event(event: KeyGenerationEvent): void {
    switch (event.kind) {
      case "attemptStarted":
        return this.#limited("info", "keygen.attempt", event);
      case "faultFound":
        return this.#limited("error", "keygen.fault", event);
      case "faultReported":
        return this.#limited("warn", "keygen.accused", event);
      case "shareMade":
        return this.#limited("info", "keygen.share", event);
      case "signed":
        return this.#limited("info", "keygen.signed", event);
      case "shareMissing":
        return this.#limited("error", "keygen.share_missing", { ...event, advice: LOST_ADVICE });
      case "messageRefused":
        return this.#limited("warn", "keygen.refused", event);
      case "configurationDiffers":
        return this.#limited("warn", "keygen.configuration", event);
      case "finished":
        return this.#limited("info", "keygen.finished", describe(event.genesis));
      case "shareLost":
        return this.#limited("error", "keygen.share_lost", describe(event.genesis));
      case "attemptsExhausted":
        return this.#limited("error", "keygen.exhausted", event);
      default:
        return unreachable(event);
    }
  }

  /** Logs what this node waits for, if that has changed or was not logged for a while. Called often. */
  waiting({ phase, waitingFor }: KeyGenerationReport): void {
    if (waitingFor.length === 0) return;
    const bySteps = groupBySteps(waitingFor);
    const text = JSON.stringify([phase, bySteps]);
    const pauseMs = text === this.#told.text ? WAITING_REPEATED_MS : WAITING_CHANGED_MS;
    const nowMs = this.#nowMs();
    if (nowMs - this.#told.atMs < pauseMs) return;
    this.#told = { atMs: nowMs, text };
    const advice = bySteps.genesis === undefined ? {} : { advice: RUNNING_ADVICE };
    this.#logger.info("keygen.waiting", { phase, ...bySteps, ...advice });
  }

  #limited(
    level: "info" | "warn" | "error",
    name: string,
    { kind: _, ...properties }: Readonly<Record<string, unknown>>,
  ): void {
    // One limiter for each culprit and each accuser, so that one that floods hides no other. All of them are
    // voters.
    const { voter, by = voter } = properties;
    const admitted = this.#limiter.admit(`${name} by ${by}`);
    if (admitted === null) return;
    const suppressed = admitted.suppressed === 0 ? {} : admitted;
    this.#logger[level](name, { ...properties, ...suppressed });
  }
}

type Steps = Partial<Record<AwaitedStep, NodeId[]>>;

/** The peers that this node waits for, grouped by what they have to do. */
function groupBySteps(waitingFor: KeyGenerationReport["waitingFor"]): Steps {
  const steps: Steps = {};
  for (const { id, step } of waitingFor) (steps[step] ??= []).push(id);
  return steps;
}

function describe({ publicKey, threshold, voters }: Genesis): Record<string, unknown> {
  return { publicKey, threshold, voters: voters.length };
}
