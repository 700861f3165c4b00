/**
 * Messages as a node would get them, and those that it sent: each builder fills in what a test does
 * not care about.
 *
 * @module
 */

import assert from "node:assert/strict";
import type {
  AppendRequest,
  GrantsProof,
  Message,
  PreVoteRequest,
  PreVoteResponse,
  TermProof,
  VoteRequest,
  VoteResponse,
} from "../../lib/raft/mod.ts";
import { toEpoch, toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { proofOf } from "../support/grant_double.ts";
import { startElection, type TestCluster } from "./harness.ts";
import type { TestNode } from "./test_node.ts";

/** Who speaks to whom. */
export interface Route {
  readonly from: string;
  readonly to: string;
}

function envelope({ from, to }: Route, term: number) {
  return { from: toNodeId(from), to: toNodeId(to), term: toTerm(term) };
}

/** The voters of a cluster of three, whose messages these are unless a test says otherwise. */
export const THREE: Roster = {
  epoch: toEpoch(1),
  voters: ["n1", "n2", "n3"].map(toNodeId),
  threshold: 2,
};

type Roster = Parameters<typeof proofOf>[0];

/** Grants of enough voters for a candidate to open a term. */
export function proof(candidate: string, term: number, roster: Roster = THREE): GrantsProof {
  return proofOf(roster, { term: toTerm(term), candidate: toNodeId(candidate) });
}

/** A candidate of `term` with an empty log asks for a vote, and for no share. */
export function voteRequest(
  route: Route & { readonly term: number },
  fields: Partial<VoteRequest> = {},
): VoteRequest {
  return {
    kind: "voteRequest",
    ...envelope(route, route.term),
    epoch: toEpoch(1),
    lastLogIndex: toLogIndex(0),
    lastLogTerm: toTerm(0),
    transfer: false,
    proof: route.term === 0 ? null : proof(route.from, route.term),
    session: 1,
    commitments: [],
    ...fields,
  };
}

/** A node whose log is longer than any in these tests asks for pre-votes in `term`. */
export function preVoteRequest(
  route: Route & { readonly term: number },
  fields: Partial<PreVoteRequest> = {},
): PreVoteRequest {
  return {
    kind: "preVoteRequest",
    ...envelope(route, route.term),
    lastLogIndex: toLogIndex(9),
    lastLogTerm: toTerm(1),
    transfer: false,
    epoch: toEpoch(1),
    sequence: 0,
    membership: null,
    proof: route.term < 2 ? null : proof(route.from, route.term - 1),
    ...fields,
  };
}

/** A voter refuses a pre-vote, as it says that it is in `term`. */
export function preVoteRefusal(
  route: Route & { readonly term: number },
  proof: TermProof | null,
): PreVoteResponse {
  return {
    kind: "preVoteResponse",
    ...envelope(route, route.term),
    granted: false,
    grant: null,
    commitment: null,
    incarnation: 1,
    proof,
    memberships: [],
  };
}

/** A voter refuses its vote in `term`, asked for in `requestTerm`. */
export function voteRefusal(
  route: Route & { readonly term: number; readonly requestTerm: number },
  proof: TermProof | null,
): VoteResponse {
  return {
    kind: "voteResponse",
    ...envelope(route, route.term),
    requestTerm: toTerm(route.requestTerm),
    granted: false,
    session: 1,
    share: null,
    commitment: null,
    incarnation: 1,
    proof,
  };
}

/** A heartbeat of whoever claims to lead `term`, with `note` as the proof. */
export function heartbeat(
  route: Route & { readonly term: number; readonly note: string | null },
  fields: Partial<AppendRequest> = {},
): AppendRequest {
  return {
    kind: "appendRequest",
    ...envelope(route, route.term),
    previousLogIndex: toLogIndex(0),
    previousLogTerm: toTerm(0),
    entries: [],
    leaderCommit: toLogIndex(0),
    matchIndex: toLogIndex(0),
    round: 1,
    certificate: route.note,
    transferTarget: null,
    ...fields,
  };
}

/** An AppendEntries of a node that leads, as the follower would get it. */
export function appendRequest(
  leader: TestNode,
  to: string,
  fields: Partial<AppendRequest>,
): AppendRequest {
  const { currentTerm: term, certificate } = leader.raft.state;
  return heartbeat({ from: leader.id, to, term, note: certificate?.note ?? null }, fields);
}

/** Takes everything out of the network and returns the messages of one kind. */
export function takeMessages<Kind extends Message["kind"]>(
  cluster: TestCluster,
  kind: Kind,
): readonly Extract<Message, { readonly kind: Kind }>[] {
  const taken = cluster.network.filter((message): message is Extract<Message, { kind: Kind }> =>
    message.kind === kind
  );
  cluster.network = [];
  return taken;
}

/** Takes everything out of the network and returns the one answer to a vote request. */
export function takeVoteResponse(cluster: TestCluster): VoteResponse {
  const [response, ...others] = takeMessages(cluster, "voteResponse");
  assert.ok(response !== undefined && others.length === 0, "one vote response");
  return response;
}

/** Delivers until the vote requests of the first session are on their way, and takes them out. */
export function catchVoteRequests(
  cluster: TestCluster,
  candidate: TestNode,
): readonly VoteRequest[] {
  const caught: VoteRequest[] = [];
  cluster.intercept = (message) => {
    if (message.kind !== "voteRequest") return message;
    caught.push(message);
    return null;
  };
  startElection(candidate);
  cluster.deliver();
  cluster.intercept = (message) => message;
  return caught;
}

/** The one of these requests that goes to a node. */
export function requestTo(requests: readonly VoteRequest[], to: string): VoteRequest {
  const found = requests.find((request) => request.to === to);
  assert.ok(found !== undefined, `a vote request to ${to}`);
  return found;
}
