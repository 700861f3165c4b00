/**
 * The progress of a key generation, and the peers that it waits for, as `floe dkg status` shows them.
 *
 * @module
 */

import type { NodeId } from "../types.ts";
import type { Agreement } from "./agreement.ts";
import type { Attempt } from "./attempt.ts";

/** What this node is doing. */
export type KeyGenerationPhase =
  /** Between two attempts. */
  | "betweenAttempts"
  /** Round one: hashes, then commitments. */
  | "roundOne"
  /** Round two: shares. */
  | "roundTwo"
  /** This node's share is durable; not all peers have said so of theirs. */
  | "ready"
  /** This node has signed; not all peers' signatures are here. */
  | "signed"
  /** The cluster has its key. */
  | "finished"
  /** The cluster has its key, and this node has lost its share of it. */
  | "shareLost"
  /** No attempt is left. */
  | "exhausted";

/** A peer's progress, as far as this node knows. */
export interface ParticipantStatus {
  /** The peer. */
  readonly id: NodeId;
  /** Whether its configuration is this node's; `unknown` until its first message. */
  readonly configuration: "unknown" | "equal" | "different";
  /** Its commitment is here and checked. */
  readonly roundOne: boolean;
  /** Its share for this node is here and checked. */
  readonly roundTwo: boolean;
  /** Its own share is durable. */
  readonly ready: boolean;
  /** Its signature over the genesis statement is here. */
  readonly signed: boolean;
}

/** This node's progress. */
export interface KeyGenerationStatus {
  /** What it is doing. */
  readonly phase: KeyGenerationPhase;
  /** The highest attempt entered. */
  readonly attempt: number;
  /** Every other voter, in the roster's order. */
  readonly peers: readonly ParticipantStatus[];
  /** The peers whose next message this node needs to go on. */
  readonly waitingFor: readonly NodeId[];
}

/** The state that {@linkcode toStatus} reports. */
export interface StatusParts {
  /** Decided by the outcome; `running` where attempt and agreement say more. */
  readonly outcome: "running" | "signed" | "finished" | "shareLost" | "exhausted";
  /** The highest attempt entered. */
  readonly attemptNumber: number;
  /** All other voters. */
  readonly peers: readonly NodeId[];
  /** The peers whose configuration is known. */
  readonly configurations: ReadonlyMap<NodeId, "equal" | "different">;
  /** The attempt under way. */
  readonly attempt: Attempt | null;
  /** The signatures, once this node has a durable share. */
  readonly agreement: Agreement | null;
}

/** Puts a status together. */
export function toStatus(parts: StatusParts): KeyGenerationStatus {
  const phase = phaseOf(parts);
  const peers = parts.peers.map((id) => toParticipantStatus(parts, id));
  return {
    phase,
    attempt: parts.attemptNumber,
    peers,
    waitingFor: peers.filter((peer) => isAwaited(parts, phase, peer)).map(({ id }) => id),
  };
}

function phaseOf({ outcome, attempt }: StatusParts): KeyGenerationPhase {
  if (outcome !== "running") return outcome;
  if (attempt === null) return "betweenAttempts";
  switch (attempt.stage) {
    case "hash":
    case "reveal":
      return "roundOne";
    case "share":
      return "roundTwo";
    case "ready":
      return "ready";
    default:
      return attempt.stage satisfies never;
  }
}

function toParticipantStatus(parts: StatusParts, id: NodeId): ParticipantStatus {
  const { outcome, attempt, agreement } = parts;
  // No voter signs before every voter's share is durable.
  const isPast = outcome === "signed" || outcome === "finished" || outcome === "shareLost";
  return {
    id,
    configuration: parts.configurations.get(id) ?? "unknown",
    roundOne: isPast || (attempt?.hasFrom(id, "reveal") ?? false),
    roundTwo: isPast || (attempt?.hasFrom(id, "share") ?? false),
    ready: isPast || (attempt?.hasFrom(id, "ready") ?? false),
    signed: outcome === "finished" || outcome === "shareLost" ||
      (agreement?.hasFrom(id) ?? false),
  };
}

function isAwaited(
  { attempt }: StatusParts,
  phase: KeyGenerationPhase,
  peer: ParticipantStatus,
): boolean {
  if (phase === "signed") return !peer.signed;
  if (attempt === null) return false;
  return !attempt.hasFrom(peer.id, attempt.stage);
}
