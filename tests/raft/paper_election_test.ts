/**
 * One test for each rule about terms, votes and leaders of the Raft paper (extended version) and the
 * dissertation that Floe follows, the section in its title.
 *
 * @module
 */

import assert from "node:assert/strict";
import { toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { logTerms, restartWith, startElection, TestCluster } from "./harness.ts";
import { appendRequest, proof, takeMessages, voteRequest } from "./messages.ts";
import { ELECTION_TIMEOUT_TICKS, HEARTBEAT_TICKS } from "./test_node.ts";

Deno.test("§5.1: a node starts as a follower in the term it remembers", () => {
  const cluster = new TestCluster({ size: 3 });
  restartWith(cluster.node("n1"), { terms: [1, 2], currentTerm: 7 });
  const { state } = cluster.node("n1").raft;
  assert.equal(state.role.name, "follower");
  assert.equal(state.currentTerm, 7);
});

Deno.test("§5.1: a node that sees a higher term in a vote request adopts it as a follower", () => {
  const cluster = new TestCluster({ size: 3 });
  const candidate = cluster.node("n1");
  startElection(candidate);
  cluster.network = cluster.network.filter((message) => message.to !== "n3");
  cluster.deliver();
  assert.equal(candidate.raft.state.currentTerm, 1);
  assert.equal(cluster.node("n3").raft.state.currentTerm, 1);
  assert.equal(cluster.node("n3").raft.state.role.name, "follower");
});

Deno.test("§5.1: a leader that learns of a higher term steps down", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  leader.receive({
    kind: "appendResponse",
    from: toNodeId("n2"),
    to: leader.id,
    term: toTerm(9),
    round: 1,
    promiseTicks: 10,
    outcome: { kind: "staleTerm", proof: proof("n2", 9) },
  });
  assert.equal(leader.raft.state.role.name, "follower");
  assert.equal(leader.raft.state.currentTerm, 9);
});

Deno.test("§5.1: a request of an older term is refused with the newer term", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  restartWith(cluster.node("n2"), { terms: [1], currentTerm: 5 });
  cluster.network = [];
  cluster.node("n2").receive(appendRequest(leader, "n2", {}));
  const [response] = takeMessages(cluster, "appendResponse");
  assert.deepEqual(response?.outcome, { kind: "staleTerm", proof: proof("n2", 5) });
  assert.equal(response?.term, 5);
});

Deno.test("§5.2: a follower that hears nothing for an election timeout asks for an election", () => {
  const cluster = new TestCluster({ size: 3, random: () => 0 });
  const node = cluster.node("n1");
  node.tick(ELECTION_TIMEOUT_TICKS - 1);
  assert.equal(node.raft.state.role.name, "follower");
  node.tick();
  assert.equal(node.raft.state.role.name, "preCandidate");
});

Deno.test("§5.2: election timeouts are drawn anew from [T, 2T) each time", () => {
  const draws = [0, 0.5, 0.99];
  const cluster = new TestCluster({ size: 3, random: () => draws.shift() ?? 0.5 });
  const timeouts = [...cluster.nodes.values()].map(({ raft }) => raft.state.randomizedTimeoutTicks);
  assert.deepEqual(timeouts, [10, 15, 19]);
});

Deno.test("§5.2: a leader sends heartbeats to every follower to keep its authority", () => {
  const cluster = new TestCluster({ size: 5 });
  const leader = cluster.elect("n1");
  cluster.network = [];
  leader.tick(HEARTBEAT_TICKS);
  const heartbeats = takeMessages(cluster, "appendRequest");
  assert.deepEqual(heartbeats.map(({ to }) => to), ["n2", "n3", "n4", "n5"]);
});

Deno.test("§5.2: a candidate raises its term, votes for itself and asks every other node", () => {
  const cluster = new TestCluster({ size: 5 });
  const candidate = cluster.node("n1");
  const asked: string[] = [];
  cluster.intercept = (message) => {
    if (message.kind !== "voteRequest") return message;
    asked.push(message.to);
    return null;
  };
  startElection(candidate);
  cluster.deliver();
  assert.equal(candidate.raft.state.currentTerm, 1);
  assert.equal(candidate.raft.state.votedFor, "n1");
  assert.deepEqual(asked.sort(), ["n2", "n3", "n4", "n5"]);
});

Deno.test("§5.2: a voter votes for at most one candidate in a term, first come first served", () => {
  const cluster = new TestCluster({ size: 3 });
  const voter = cluster.node("n3");
  voter.receive(voteRequest({ from: "n1", to: voter.id, term: 1 }));
  voter.receive(voteRequest({ from: "n2", to: voter.id, term: 1 }));
  const answers = takeMessages(cluster, "voteResponse");
  assert.deepEqual(answers.map(({ to, granted }) => [to, granted]), [["n1", true], ["n2", false]]);
});

Deno.test("§5.2: a vote is remembered through a crash", () => {
  const cluster = new TestCluster({ size: 3 });
  const voter = cluster.node("n3");
  voter.receive(voteRequest({ from: "n1", to: voter.id, term: 1 }));
  voter.restart();
  voter.tick(ELECTION_TIMEOUT_TICKS);
  cluster.network = [];
  voter.receive(voteRequest({ from: "n2", to: voter.id, term: 1 }));
  assert.equal(takeMessages(cluster, "voteResponse")[0]?.granted, false);
  assert.equal(voter.raft.state.votedFor, "n1");
});

Deno.test("§5.2: a vote in a term that was on disk before it is remembered through a crash", () => {
  const cluster = new TestCluster({ size: 3 });
  const voter = cluster.node("n3");
  restartWith(voter, { terms: [1], currentTerm: 1 });
  voter.tick(ELECTION_TIMEOUT_TICKS);
  const ask = (from: string, lastLogIndex: number) => {
    const fields = { lastLogIndex: toLogIndex(lastLogIndex), lastLogTerm: toTerm(lastLogIndex) };
    voter.receive(voteRequest({ from, to: voter.id, term: 2 }, fields));
  };
  ask("n2", 0);
  assert.deepEqual(voter.disk.load().hardState, { currentTerm: 2, votedFor: null });
  ask("n1", 1);
  assert.deepEqual(voter.disk.load().hardState, { currentTerm: 2, votedFor: "n1" });
  voter.restart();
  voter.tick(ELECTION_TIMEOUT_TICKS);
  cluster.network = [];
  ask("n2", 1);
  assert.equal(takeMessages(cluster, "voteResponse")[0]?.granted, false);
});

Deno.test("§5.2: a candidate that hears from the term's leader becomes its follower", () => {
  const cluster = new TestCluster({ size: 3 });
  const loser = cluster.node("n2");
  startElection(loser);
  cluster.network = [];
  const leader = cluster.elect("n1");
  assert.equal(loser.raft.state.role.name, "follower");
  assert.equal(loser.raft.state.certificate?.leader, leader.id);
});

Deno.test("§5.2: after a split vote another election follows, in a higher term", () => {
  const cluster = new TestCluster({ size: 4, threshold: 3 });
  cluster.intercept = (message) => message.kind === "voteResponse" ? null : message;
  startElection(cluster.node("n1"));
  cluster.deliver();
  assert.equal(cluster.findLeader(), null);
  cluster.intercept = (message) => message;
  // It did not finish its term, so it waits twice as long.
  cluster.letLeaseExpire("n1");
  cluster.letLeaseExpire("n1");
  startElection(cluster.node("n1"));
  cluster.deliver();
  assert.equal(cluster.findLeader()?.id, "n1");
  assert.equal(cluster.findLeader()?.raft.state.currentTerm, 2);
});

Deno.test("§5.4.1: a voter refuses a candidate whose log is less up to date than its own", () => {
  const cases = [
    { voter: [1, 1, 2], candidate: [1, 1, 1, 1], granted: false },
    { voter: [1, 1], candidate: [1], granted: false },
    { voter: [1, 1], candidate: [1, 1], granted: true },
    { voter: [1, 1, 1], candidate: [2], granted: true },
  ];
  for (const { voter: voterTerms, candidate: terms, granted } of cases) {
    const cluster = new TestCluster({ size: 3 });
    const voter = cluster.node("n2");
    restartWith(voter, { terms: voterTerms, currentTerm: 3 });
    voter.tick(ELECTION_TIMEOUT_TICKS);
    const lastLogIndex = toLogIndex(terms.length);
    const lastLogTerm = toTerm(terms.at(-1) ?? 0);
    const route = { from: "n1", to: voter.id, term: 4 };
    voter.receive(voteRequest(route, { lastLogIndex, lastLogTerm }));
    assert.equal(takeMessages(cluster, "voteResponse")[0]?.granted, granted);
  }
});

Deno.test("dissertation §9.6: a pre-vote changes nothing on the voter", () => {
  const cluster = new TestCluster({ size: 3 });
  startElection(cluster.node("n1"));
  cluster.intercept = (message) => message.kind === "preVoteResponse" ? null : message;
  cluster.deliver();
  assert.equal(cluster.node("n1").raft.state.currentTerm, 0);
  assert.equal(cluster.node("n2").raft.state.currentTerm, 0);
  assert.equal(cluster.node("n2").raft.state.votedFor, null);
});

Deno.test("dissertation §9.6: a node cut off raises no term and disturbs nobody on its return", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.isolate("n3");
  cluster.tick(10 * ELECTION_TIMEOUT_TICKS);
  assert.equal(cluster.node("n3").raft.state.currentTerm, 1);
  cluster.heal();
  cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.equal(leader.raft.state.role.name, "leader");
  assert.equal(leader.raft.state.currentTerm, 1);
});

Deno.test("dissertation §4.2.3: a voter that hears a leader helps no other", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const node = cluster.node("n2");
  cluster.cut("n1", "n2");
  startElection(node);
  // The others have heard the leader just now.
  for (const name of ["n1", "n3"]) cluster.node(name).tick(0);
  cluster.network = cluster.network.filter(({ from }) => from === "n2");
  cluster.deliver();
  assert.equal(node.raft.state.role.name, "preCandidate");
  assert.equal(cluster.node("n3").raft.state.currentTerm, 1);
});

Deno.test("dissertation §6.2: a leader that no quorum answers steps down", () => {
  const cluster = new TestCluster({ size: 5 });
  const leader = cluster.elect("n1");
  cluster.isolate("n1", "n2");
  leader.tick(ELECTION_TIMEOUT_TICKS - 1);
  assert.equal(leader.raft.state.role.name, "leader");
  leader.tick(2);
  assert.equal(leader.raft.state.role.name, "follower");
  assert.equal(leader.eventsOf("steppedDown").length, 1);
});

Deno.test("§5.2, §6: the longest log at a low term and a short log at a high one elect a leader", () => {
  const cluster = new TestCluster({ size: 3, random: () => 0.3 });
  restartWith(cluster.node("n1"), { terms: [1, 1, 1], currentTerm: 1 });
  restartWith(cluster.node("n2"), { terms: [1], currentTerm: 7 });
  cluster.isolate("n3");
  cluster.tick(6 * ELECTION_TIMEOUT_TICKS);
  assert.equal(cluster.findLeader()?.id, "n1");
  assert.deepEqual(logTerms(cluster.node("n2")), logTerms(cluster.node("n1")));
});
