/** Terms, and what raises them: a proof, and nothing less. */

import assert from "node:assert/strict";
import { toNodeId, toTerm } from "../../lib/types.ts";
import { proofOf } from "../support/grant_double.ts";
import { ELECTION_TIMEOUT_TICKS, startElection, TestCluster } from "./harness.ts";
import {
  heartbeat,
  preVoteRefusal,
  preVoteRequest,
  proof,
  THREE,
  voteRefusal,
  voteRequest,
} from "./messages.ts";
import type { TestNode } from "./test_node.ts";

const FORGED = { ...proof("n3", 9), grants: proof("n3", 8).grants };
const UNPROVEN = { ...THREE, threshold: 1 };

/** What proves nothing of term 9, each with the reason. */
const NO_PROOFS = {
  "no proof at all": null,
  "grants for another term": proof("n3", 8),
  "grants for another term under this one's number": FORGED,
  "grants for another candidate": { ...proof("n3", 9), grants: proof("n2", 9).grants },
  "too few grants": proof("n3", 9, UNPROVEN),
  "more grants than are needed": proofOf({ ...THREE, threshold: 3 }, {
    term: toTerm(9),
    candidate: toNodeId("n3"),
  }),
  "one voter's grant twice": {
    ...proof("n3", 9),
    grants: [...proof("n3", 9, UNPROVEN).grants, ...proof("n3", 9, UNPROVEN).grants],
  },
  "grants out of order": { ...proof("n3", 9), grants: proof("n3", 9).grants.toReversed() },
  "a candidate that is no voter": proofOf(THREE, {
    term: toTerm(9),
    candidate: toNodeId("stranger"),
  }),
  "grants of another epoch": proof("n3", 9, { ...THREE, epoch: 2 as never }),
  "a note that is none": { kind: "certificate", term: toTerm(9), note: "I lead" } as const,
};

function expectUnmoved(node: TestNode, term: number, role: string): void {
  assert.equal(node.raft.state.currentTerm, term);
  assert.equal(node.raft.state.role.name, role);
  assert.ok(node.eventsOf("messageRefused").length > 0, "it is counted");
}

for (const [what, made] of Object.entries(NO_PROOFS)) {
  Deno.test(`${what} raises no term, and ends neither role nor timer`, () => {
    const cluster = new TestCluster({ size: 3 });
    const leader = cluster.elect("n1");
    if (made !== null) {
      leader.receive({
        kind: "appendResponse",
        from: toNodeId("n3"),
        to: leader.id,
        term: toTerm(9),
        round: 1,
        promiseTicks: 10,
        outcome: { kind: "staleTerm", proof: made },
      });
      expectUnmoved(leader, 1, "leader");
    }
    const voter = cluster.node("n2");
    voter.tick(ELECTION_TIMEOUT_TICKS);
    voter.receive(voteRequest({ from: "n3", to: voter.id, term: 9 }, { proof: made }));
    voter.receive(preVoteRequest({ from: "n3", to: voter.id, term: 10 }, { proof: made }));
    expectUnmoved(voter, 1, "follower");
    assert.equal(voter.raft.state.electionElapsedTicks, ELECTION_TIMEOUT_TICKS);
    startElection(voter);
    voter.receive(preVoteRefusal({ from: "n3", to: voter.id, term: 9 }, made));
    expectUnmoved(voter, 1, "preCandidate");
    const candidate = new TestCluster({ size: 3 }).node("n1");
    startElection(candidate);
    candidate.receive(grantOf(candidate));
    candidate.receive(voteRefusal({ from: "n3", to: "n1", term: 9, requestTerm: 1 }, made));
    expectUnmoved(candidate, 1, "candidate");
  });
}

/** The grant of n2 for n1's term 1. */
function grantOf({ id }: TestNode) {
  const cluster = new TestCluster({ size: 3 });
  cluster.node("n2").receive(preVoteRequest({ from: id, to: "n2", term: 1 }));
  const [grant] = cluster.network;
  assert.ok(grant?.kind === "preVoteResponse" && grant.granted);
  return grant;
}

Deno.test("a proof raises the term by as much as it says", () => {
  const voter = new TestCluster({ size: 3 }).node("n2");
  voter.receive(voteRequest({ from: "n3", to: voter.id, term: 1_000_000 }));
  assert.equal(voter.raft.state.currentTerm, 1_000_000);
  assert.equal(voter.raft.state.votedFor, "n3");
});

Deno.test("a term and its proof are durable together, and are there after a restart", () => {
  const voter = new TestCluster({ size: 3 }).node("n2");
  const request = voteRequest({ from: "n3", to: voter.id, term: 7 });
  voter.receive(request);
  assert.deepEqual(voter.persisted.at(-1)?.grants, request.proof);
  voter.restart();
  assert.equal(voter.raft.state.currentTerm, 7);
  assert.deepEqual(voter.raft.state.proof, request.proof);
});

Deno.test("a certificate takes the place of the grants as the term's proof", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  for (const node of cluster.nodes.values()) {
    const { proof, certificate } = node.raft.state;
    assert.deepEqual(proof, { kind: "certificate", term: 1, note: certificate?.note });
    node.restart();
    assert.deepEqual(node.raft.state.proof, proof);
  }
  assert.equal(leader.raft.state.certificate, null, "who led before a restart follows nobody");
});

Deno.test("a node learns terms only from answers that it waits for", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const follower = cluster.node("n2");
  const route = { from: "n3", to: follower.id, term: 9 };
  follower.receive(preVoteRefusal(route, proof("n3", 9)));
  follower.receive(voteRefusal({ ...route, requestTerm: 1 }, proof("n3", 9)));
  follower.receive({
    kind: "appendResponse",
    from: toNodeId("n3"),
    to: follower.id,
    term: toTerm(9),
    round: 1,
    promiseTicks: 10,
    outcome: { kind: "staleTerm", proof: proof("n3", 9) },
  });
  assert.equal(follower.raft.state.currentTerm, 1);
  assert.equal(follower.raft.state.leader, "n1");
});

Deno.test("a message from no voter, or to another node, is refused", () => {
  const cluster = new TestCluster({ size: 3 });
  const node = cluster.node("n1");
  const message = heartbeat({ from: "n2", to: "n1", term: 1, note: null });
  node.receive({ ...message, from: toNodeId("stranger") });
  node.receive({ ...message, from: toNodeId("n1") });
  node.receive({ ...message, to: toNodeId("n3") });
  assert.equal(node.eventsOf("messageRefused").length, 3);
  assert.deepEqual(cluster.network, []);
});
