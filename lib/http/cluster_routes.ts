/**
 * Status, health, leader, elections, evidence, group, key generation and the API itself: what a node reports
 * about itself and its cluster.
 *
 * @module
 */

import { encodeHex } from "../bytes.ts";
import { type Certificate, encodePem, encodeVerifierKey } from "../certificate/mod.ts";
import { marginsOf } from "../margins.ts";
import type {
  EvidenceReport,
  KeyGenerationReport,
  LeaderAnswer,
  NodeApi,
  NodeStatus,
} from "../node/mod.ts";
import { toTerm } from "../types.ts";
import { FLOE_VERSION } from "../version.ts";
import {
  type DkgBody,
  type ElectionBody,
  ELECTIONS_LIMIT_MAX,
  type ElectionsBody,
  type EvidenceBody,
  type GroupBody,
  type HealthBody,
  type LeaderBody,
  type StatusBody,
  type TransferBody,
} from "../wire/mod.ts";
import { ELECTIONS_LIMIT_DEFAULT } from "./connections.ts";
import { respondWithNotes } from "./notes.ts";
import { readCount, readNodeId, readQuery } from "./parameters.ts";
import { jsonResponse, Problem } from "./problem.ts";
import { addRoute, forAnyone, needs, type RequestContext, type Router } from "./route.ts";

export function addStatusRoute(router: Router, node: NodeApi): void {
  addRoute(router, "/v1/status", {
    GET: needs("status", (context) => {
      readQuery(context.req.url, []);
      return jsonResponse(statusBody(node, router.authorizer.counters.counts));
    }),
  });
}

function statusBody(node: NodeApi, apiCounters: StatusBody["counters"]): StatusBody {
  const { cluster, epoch, threshold, voters } = node.group;
  const n = voters.length;
  const { counters, ...status } = node.status();
  return {
    cluster,
    epoch,
    threshold,
    n,
    margins: marginsOf({ n, threshold }),
    ...status,
    counters: { ...counters, ...apiCounters },
  };
}

/**
 * How many committed entries of the leader a ready node may be behind. A node that returns after a long
 * time answers stale reads with old data until it has caught up, and a restart of another node could cost
 * the quorum.
 */
const READY_ENTRIES_BEHIND_MAX = 1_000;

const OK: HealthBody = { status: "ok" };

/** Adds `/livez` and `/readyz`; `whyNot` returns why the node is not ready, or null. */
export function addHealthRoutes(router: Router, whyNot: () => string | null): void {
  // A node that answers is alive. A cluster without a leader is no reason to restart a node.
  addRoute(router, "/livez", {
    GET: forAnyone(() => jsonResponse(OK)),
  });
  addRoute(router, "/readyz", {
    GET: forAnyone(() => {
      const reason = whyNot();
      if (reason !== null) throw new Problem("not_ready", `Not ready: ${reason}`);
      return jsonResponse(OK);
    }),
  });
}

/** Why a node without a key is not ready. */
export function whyNoKey({ waitingFor }: KeyGenerationReport): string {
  const names = waitingFor.map(({ id }) => id).join(", ");
  return names === ""
    ? "the cluster has no key yet"
    : `the cluster has no key yet; this node waits for ${names}`;
}

/**
 * Why a node should get no traffic now; null when it is ready. A ready node knows a certified leader, is that
 * leader or connected to it, has applied nearly everything that the leader has committed, and has no trouble of
 * its own. Its own commit index does not show how far behind it is: it grows only with the entries that have
 * arrived.
 */
export function whyNotReady(status: NodeStatus): string | null {
  if (status.trouble !== null) return `this node is in trouble: ${status.trouble}`;
  if (status.leader === null) return "this node knows no leader";
  if (status.leader !== status.id && !isConnected(status, status.leader)) {
    return `this node is not connected to the leader, ${status.leader}`;
  }
  const committed = Math.max(status.commitIndex, status.leaderCommitIndex ?? 0);
  const behind = committed - status.appliedIndex;
  if (behind > READY_ENTRIES_BEHIND_MAX) {
    return `${behind} committed entries are still to be applied`;
  }
  return null;
}

function isConnected(status: NodeStatus, id: string): boolean {
  return status.peers.some((peer) => peer.id === id && peer.connected);
}

/** Adds `/v1/leader` and `/v1/leader/transfer`. */
export function addLeaderRoute(router: Router, node: NodeApi): void {
  addRoute(router, "/v1/leader", {
    GET: forAnyone((context) => {
      readQuery(context.req.url, []);
      const body = leaderBody(node.leader());
      const none = "This node knows no leader now, so it has no certificate to show";
      return respondWithNotes(context, { body, notes: toList(body.certificate), none });
    }),
  });
  addRoute(router, "/v1/leader/transfer", {
    POST: needs("admin", (context) => transfer(node, context)),
  });
}

/** `?target=ID` names the new leader. Without it, it is the follower with the longest log. */
async function transfer(node: NodeApi, context: RequestContext): Promise<Response> {
  const { target } = readQuery(context.req.url, ["target"]);
  const from = node.leader().leader;
  const leader = await node.transferLeadership(target === undefined ? null : readNodeId(target));
  return jsonResponse({ from, leader } satisfies TransferBody);
}

function leaderBody(answer: LeaderAnswer): LeaderBody {
  const { leader, term, api, certificate } = answer;
  return { leader, term, api, certificate: certificate?.note ?? null };
}

/** Adds `/v1/elections` and `/v1/elections/{term}`. */
export function addElectionRoutes(router: Router, node: NodeApi): void {
  addRoute(router, "/v1/elections", { GET: forAnyone((context) => listElections(node, context)) });
  addRoute(router, "/v1/elections/:term", {
    GET: forAnyone((context) => showElection(node, context)),
  });
}

function listElections(node: NodeApi, context: RequestContext): Response {
  const query = readQuery(context.req.url, ["limit", "before"]);
  const limit = readCount(query, "limit", { least: 1, most: ELECTIONS_LIMIT_MAX }) ??
    ELECTIONS_LIMIT_DEFAULT;
  const before = readCount(query, "before", { least: 0, most: Number.MAX_SAFE_INTEGER });
  // One more than requested shows whether another page follows.
  const found = node.elections({
    limit: limit + 1,
    ...(before === null ? {} : { before: toTerm(before) }),
  });
  const elections = found.slice(0, limit).map(electionBody);
  const nextBefore = found.length > limit ? elections.at(-1)?.term ?? null : null;
  const body: ElectionsBody = { elections, nextBefore };
  const notes = elections.map(({ certificate }) => certificate);
  return respondWithNotes(context, { body, notes, none: "This node holds no such certificate" });
}

function showElection(node: NodeApi, context: RequestContext): Response {
  const query = { ...readQuery(context.req.url, []), term: context.req.param("term") ?? "" };
  const range = { least: 0, most: Number.MAX_SAFE_INTEGER };
  const term = toTerm(readCount(query, "term", range));
  const certificate = node.election(term);
  if (certificate === null) {
    throw new Problem("election_not_found", `This node holds no certificate of term ${term}`);
  }
  const body = electionBody(certificate);
  return respondWithNotes(context, { body, notes: [certificate.note], none: "" });
}

function electionBody(certificate: Certificate): ElectionBody {
  const { term, leader, epoch, lastLogIndex, lastLogTerm, note } = certificate;
  return { term, leader, epoch, lastLogIndex, lastLogTerm, certificate: note };
}

export function addEvidenceRoute(router: Router, node: NodeApi): void {
  addRoute(router, "/v1/evidence", {
    GET: forAnyone((context) => {
      readQuery(context.req.url, []);
      const body = evidenceBody(node.evidence());
      const notes = body.twoLeaders.flatMap(({ first, second }) => [
        first.certificate,
        second.certificate,
      ]);
      const none = "This node has never seen certificates of two leaders of one term";
      return respondWithNotes(context, { body, notes, none });
    }),
  });
}

function evidenceBody({ twoLeaders, refusedCount, lastRefused }: EvidenceReport): EvidenceBody {
  return {
    twoLeaders: twoLeaders.map(({ term, first, second, noticedAt }) => ({
      term,
      first: signedLeader(first),
      second: signedLeader(second),
      noticedAt,
    })),
    refused: { count: refusedCount, last: lastRefused },
  };
}

function signedLeader({ leader, epoch, note }: Certificate) {
  return { leader, epoch, certificate: note };
}

const NO_GENESIS = "There is no genesis certificate: the key is not made yet, or a dealer made it";

function toList(note: string | null): readonly string[] {
  return note === null ? [] : [note];
}

export function addGroupRoute(router: Router, node: NodeApi): void {
  addRoute(router, "/v1/group", {
    GET: forAnyone((context) => {
      readQuery(context.req.url, []);
      const body = groupBody(node);
      return respondWithNotes(context, { body, notes: toList(body.genesis), none: NO_GENESIS });
    }),
  });
}

function groupBody({ group, genesis }: NodeApi): GroupBody {
  const { cluster, epoch, threshold, publicKey } = group;
  const voters = group.voters.map(({ id, identifier, verifyingShare }) => ({
    id,
    identifier,
    verifyingShare: encodeHex(verifyingShare),
  }));
  return {
    cluster,
    epoch,
    threshold,
    voters,
    margins: marginsOf({ n: voters.length, threshold }),
    publicKey: encodeHex(publicKey),
    verifierKey: encodeVerifierKey(cluster, publicKey),
    pem: encodePem(publicKey),
    genesis,
  };
}

/** Adds `/v1/dkg`. */
export function addKeyGenerationRoute(router: Router, report: () => KeyGenerationReport): void {
  addRoute(router, "/v1/dkg", {
    GET: forAnyone((context) => {
      readQuery(context.req.url, []);
      const body: DkgBody = report();
      return respondWithNotes(context, { body, notes: toList(body.genesis), none: NO_GENESIS });
    }),
  });
}

/** Adds `/openapi.json`. */
export function addDescriptionRoute(router: Router): void {
  addRoute(router, "/openapi.json", {
    GET: forAnyone(async (context) => {
      readQuery(context.req.url, []);
      const { describeApi } = await import("./openapi.ts");
      return jsonResponse(describeApi(FLOE_VERSION));
    }),
  });
}
