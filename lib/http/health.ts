/**
 * `/livez` and `/readyz`: for whoever restarts nodes and whoever sends them traffic.
 *
 * @module
 */

import type { NodeApi, NodeStatus } from "../node/api.ts";
import type { KeyGenerationReport } from "../node/key_generation/report.ts";
import { jsonResponse } from "./json.ts";
import { Problem } from "./problem.ts";
import { addRoute, forAnyone, type Router } from "./route.ts";
import type { HealthBody } from "./wire.ts";

/**
 * How many committed entries a ready node may still have to apply. A node that comes back after a
 * while answers stale reads from long ago until it has caught up this far.
 */
const READY_ENTRIES_BEHIND_MAX = 1_000;

const OK: HealthBody = { status: "ok" };

/** Adds `/livez` and `/readyz`. */
export function addHealthRoutes(router: Router, node: NodeApi): void {
  // Alive: the loop turns and answers. A cluster without a leader is no reason to restart a node.
  addRoute(router, "/livez", {
    GET: forAnyone(() => jsonResponse(OK)),
  });
  addRoute(router, "/readyz", {
    GET: forAnyone(() => {
      const reason = whyNoKey(node.keyGeneration()) ?? whyNotReady(node.status());
      if (reason !== null) throw new Problem("not_ready", `Not ready: ${reason}`);
      return jsonResponse(OK);
    }),
  });
}

/** Why a node cannot take part in the cluster yet, or null when it has its key. */
function whyNoKey({ phase, waitingFor }: KeyGenerationReport): string | null {
  if (phase === "finished" || phase === "dealt") return null;
  const names = waitingFor.map(({ id }) => id).join(", ");
  return names === ""
    ? "the cluster has no key yet"
    : `the cluster has no key yet; this node waits for ${names}`;
}

/**
 * Why a node should get no traffic now, or null. Ready is a node that knows a certified leader, is
 * that leader or connected to it, and has applied nearly all that it knows to be committed.
 */
function whyNotReady(status: NodeStatus): string | null {
  if (status.leader === null) return "this node knows no leader";
  if (status.leader !== status.id && !isConnected(status, status.leader)) {
    return `this node is not connected to the leader, ${status.leader}`;
  }
  const behind = status.commitIndex - status.appliedIndex;
  if (behind > READY_ENTRIES_BEHIND_MAX) {
    return `${behind} committed entries are still to be applied`;
  }
  return null;
}

function isConnected(status: NodeStatus, id: string): boolean {
  return status.peers.some((peer) => peer.id === id && peer.connected);
}
