import assert from "node:assert/strict";
import type { VoteRequest } from "../../lib/raft/mod.ts";
import { toEpoch, toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { TestCluster } from "./harness.ts";
import {
  appendRequest,
  catchVoteRequests,
  proof,
  requestTo,
  takeVoteResponse,
  voteRequest,
} from "./messages.ts";
import { ELECTION_TIMEOUT_TICKS } from "./test_node.ts";

/** The voter: what it MUST do before its share leaves (see `lib/raft/voter.ts`). */

Deno.test("MUST 3: the vote is durable before the share is computed and leaves", () => {
  const cluster = new TestCluster({ size: 3 });
  const [request] = catchVoteRequests(cluster, cluster.node("n1"));
  assert.ok(request);
  const voter = cluster.node(request.to);
  const voted = voter.raft.step([{ kind: "message", message: request }]);
  assert.deepEqual([...voted.send, ...voted.sendAfterPersist], []);
  assert.deepEqual(voted.persist?.hardState, { currentTerm: 1, votedFor: "n1" });
  const sequence = voted.persist?.sequence ?? 0;
  const answered = voter.raft.step([{ kind: "persisted", sequence }]);
  assert.deepEqual(answered.send.map(({ kind }) => kind), ["voteResponse"]);
});

Deno.test("MUST 3: a voter that crashes before its vote is durable has said nothing", () => {
  const cluster = new TestCluster({ size: 3 });
  const [request] = catchVoteRequests(cluster, cluster.node("n1"));
  assert.ok(request);
  const voter = cluster.node(request.to);
  voter.raft.step([{ kind: "message", message: request }]);
  voter.restart();
  assert.equal(voter.raft.state.votedFor, null);
  assert.deepEqual(cluster.network, []);
});

Deno.test("a vote that becomes durable once the term has its leader is given to nobody", () => {
  const cluster = new TestCluster({ size: 5 });
  const requests = catchVoteRequests(cluster, cluster.node("n1"));
  const [slow, ...prompt] = requests.toSorted(bySigners);
  assert.ok(slow !== undefined);
  const voter = cluster.node(slow.to);
  const voted = voter.raft.step([{ kind: "message", message: slow }]);
  for (const request of prompt) cluster.node(request.to).receive(request);
  cluster.isolate(slow.to);
  cluster.deliver();
  const leader = cluster.node("n1");
  assert.equal(leader.raft.state.role.name, "leader");
  const entries = leader.raft.state.log.slice(toLogIndex(1), leader.raft.state.log.last.index);
  voter.raft.step([{ kind: "message", message: appendRequest(leader, slow.to, { entries }) }]);
  const output = voter.raft.step([{ kind: "persisted", sequence: voted.persist?.sequence ?? 0 }]);
  assert.deepEqual([...output.send, ...output.sendAfterPersist].map(({ kind }) => kind), []);
});

Deno.test("MUST 4: a voter signs for one candidate in a term, whatever the epoch", () => {
  const cluster = new TestCluster({ size: 3 });
  const requests = catchVoteRequests(cluster, cluster.node("n1"));
  const voter = cluster.node("n2");
  voter.receive(requestTo(requests, "n2"));
  cluster.network = [];
  voter.receive({ ...requestTo(requests, "n2"), from: toNodeId("n3") });
  assert.equal(takeVoteResponse(cluster).granted, false);
  voter.receive({ ...requestTo(requests, "n2"), from: toNodeId("n3"), epoch: toEpoch(2) });
  assert.deepEqual(cluster.network, []);
});

Deno.test("an exact repeat of a vote request gets the very same answer", () => {
  const cluster = new TestCluster({ size: 3 });
  const request = requestTo(catchVoteRequests(cluster, cluster.node("n1")), "n2");
  const voter = cluster.node("n2");
  voter.receive(request);
  const first = takeVoteResponse(cluster);
  voter.receive(request);
  assert.ok(first.share !== null);
  assert.deepEqual(takeVoteResponse(cluster), first);
});

Deno.test("a candidate gets shares for one statement in a term, whatever else it asks", () => {
  const cluster = new TestCluster({ size: 3 });
  const request = requestTo(catchVoteRequests(cluster, cluster.node("n1")), "n2");
  const voter = cluster.node("n2");
  voter.receive(request);
  const first = takeVoteResponse(cluster);
  // The same nonce for a statement that claims another log.
  voter.receive({ ...request, lastLogIndex: toLogIndex(9), lastLogTerm: toTerm(9) });
  const second = takeVoteResponse(cluster);
  assert.ok(first.share !== null);
  assert.equal(second.granted, false);
  assert.equal(second.share, null);
});

Deno.test("a nonce asked to sign with other signers is refused, and the vote stands", () => {
  const cluster = new TestCluster({ size: 5 });
  const requests = catchVoteRequests(cluster, cluster.node("n1"));
  const request = requests.find(({ commitments }) => commitments.length > 0);
  assert.ok(request !== undefined);
  const voter = cluster.node(request.to);
  voter.receive(request);
  const first = takeVoteResponse(cluster);
  const stranger = ["n4", "n5"].map(toNodeId).find((id) =>
    request.commitments.every((entry) => entry.voter !== id)
  );
  const extra = cluster.node(stranger ?? "n5");
  const commitment = extra.certifier.commit({ term: request.term, candidate: request.from });
  const commitments = [...request.commitments, { voter: extra.id, commitment }]
    .toSorted((left, right) => left.voter < right.voter ? -1 : 1);
  voter.receive({ ...request, commitments });
  const second = takeVoteResponse(cluster);
  assert.equal(second.granted, true);
  assert.equal(second.share, null);
  assert.deepEqual(second.commitment, first.commitment);
  assert.match(voter.eventsOf("messageRefused")[0]?.reason ?? "", /nonce/);
});

Deno.test("a voter that restarts between the rounds votes, without a share, and names a new nonce", () => {
  const cluster = new TestCluster({ size: 3 });
  const request = requestTo(catchVoteRequests(cluster, cluster.node("n1")), "n2");
  const voter = cluster.node("n2");
  voter.certifier.forgetBelow(toTerm(99));
  voter.restart();
  voter.receive(request);
  const answer = takeVoteResponse(cluster);
  assert.equal(answer.granted, true);
  assert.equal(answer.share, null);
  assert.ok(answer.commitment !== null);
  cluster.node("n1").receive(answer);
  cluster.deliver();
  assert.equal(cluster.findLeader()?.id, "n1", "the next session makes the certificate");
});

Deno.test("a voter that restarts after its vote signs no more in the term, for that statement or another", () => {
  const cluster = new TestCluster({ size: 3 });
  const request = requestTo(catchVoteRequests(cluster, cluster.node("n1")), "n2");
  const voter = cluster.node("n2");
  voter.receive(request);
  assert.equal(takeVoteResponse(cluster).granted, true);
  voter.restart();
  voter.tick(ELECTION_TIMEOUT_TICKS);
  cluster.network = [];
  for (const lastLogIndex of [request.lastLogIndex, toLogIndex(7)]) {
    voter.receive({ ...request, lastLogIndex });
    const answer = takeVoteResponse(cluster);
    assert.equal(answer.granted, false);
    assert.equal(answer.share, null);
  }
  assert.equal(voter.raft.state.votedFor, "n1");
});

Deno.test("nonces of an ended term are erased", () => {
  const cluster = new TestCluster({ size: 3 });
  const request = requestTo(catchVoteRequests(cluster, cluster.node("n1")), "n2");
  const voter = cluster.node("n2");
  voter.receive({
    ...request,
    from: toNodeId("n3"),
    term: toTerm(2),
    commitments: [],
    proof: proof("n3", 2),
  });
  cluster.network = [];
  assert.throws(() =>
    voter.certifier.takeNonce({
      election: {
        epoch: request.epoch,
        term: toTerm(1),
        leader: toNodeId("n1"),
        lastLogIndex: request.lastLogIndex,
        lastLogTerm: request.lastLogTerm,
      },
      commitments: request.commitments,
    }), /no nonce/);
});

Deno.test("a refused vote resets no timer, though it may raise the term", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const voter = cluster.node("n2");
  voter.tick(ELECTION_TIMEOUT_TICKS);
  voter.receive(voteRequest({ from: "n3", to: voter.id, term: 2 }));
  assert.equal(voter.raft.state.currentTerm, 2);
  assert.equal(voter.raft.state.votedFor, null);
  assert.equal(voter.raft.state.electionElapsedTicks, ELECTION_TIMEOUT_TICKS);
});

Deno.test("a vote resets the timer when it is given, and not when it is asked for again", () => {
  const cluster = new TestCluster({ size: 3 });
  const voter = cluster.node("n2");
  const request = voteRequest({ from: "n3", to: voter.id, term: 1 });
  voter.tick(2);
  voter.receive(request);
  assert.equal(voter.raft.state.electionElapsedTicks, 0);
  for (let session = 2; voter.eventsOf("preVoteStarted").length === 0; session++) {
    assert.ok(session < 2 * ELECTION_TIMEOUT_TICKS + 2, "asked often enough, it waits for ever");
    voter.tick();
    voter.receive({ ...request, session });
  }
});

Deno.test("nobody votes in term 0, in which there is no election", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.node("n2").receive(voteRequest({ from: "n3", to: "n2", term: 0 }));
  assert.equal(takeVoteResponse(cluster).granted, false);
});

/** Those that are asked for no share first. */
function bySigners(left: VoteRequest, right: VoteRequest): number {
  return left.commitments.length - right.commitments.length;
}
