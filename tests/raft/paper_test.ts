/**
 * One test for each rule of the Raft paper (extended version) and dissertation that Floe follows, the
 * section in its title.
 *
 * @module
 */

import assert from "node:assert/strict";
import { toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import {
  commandEntry,
  ELECTION_TIMEOUT_TICKS,
  entriesOfTerms,
  HEARTBEAT_TICKS,
  logTerms,
  propose,
  startElection,
  TestCluster,
  type TestNode,
} from "./harness.ts";
import { appendRequest, takeMessages, voteRequest } from "./messages.ts";

function prepare(node: TestNode, terms: readonly number[], currentTerm = terms.at(-1) ?? 0): void {
  const hardState = { currentTerm: toTerm(currentTerm), votedFor: null };
  node.disk.prepare({ hardState, entries: entriesOfTerms(...terms) });
  node.restart();
}

Deno.test("§5.1: a node starts as a follower in the term it remembers", () => {
  const cluster = new TestCluster({ size: 3 });
  prepare(cluster.node("n1"), [1, 2], 7);
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
    outcome: { kind: "staleTerm" },
  });
  assert.equal(leader.raft.state.role.name, "follower");
  assert.equal(leader.raft.state.currentTerm, 9);
});

Deno.test("§5.1: a request of an older term is refused with the newer term", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  prepare(cluster.node("n2"), [1], 5);
  cluster.network = [];
  cluster.node("n2").receive(appendRequest(leader, "n2", {}));
  const [response] = takeMessages(cluster, "appendResponse");
  assert.deepEqual(response?.outcome, { kind: "staleTerm" });
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
  for (const node of cluster.nodes.values()) if (node.id !== "n1") node.tick();
  startElection(cluster.node("n1"));
  cluster.deliver();
  assert.equal(cluster.findLeader()?.id, "n1");
  assert.equal(cluster.findLeader()?.raft.state.currentTerm, 2);
});

Deno.test("§5.3: a leader appends a command and replicates it to every follower", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  propose(leader, "x");
  cluster.deliver();
  for (const node of cluster.nodes.values()) assert.deepEqual(node.appliedCommands, ["x"]);
});

Deno.test("§5.3: a follower refuses entries whose predecessor it does not hold", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.network = [];
  const follower = cluster.node("n2");
  follower.receive(appendRequest(leader, "n2", {
    previousLogIndex: toLogIndex(5),
    previousLogTerm: toTerm(1),
    entries: [commandEntry(6, 1)],
  }));
  const [response] = takeMessages(cluster, "appendResponse");
  assert.equal(response?.outcome.kind, "conflict");
  assert.equal(follower.raft.state.log.last.index, 1);
});

/** Figure 7: what a new leader may find on its followers, and must bring to its own log. */
const FIGURE_7 = {
  a: [1, 1, 1, 4, 4, 5, 5, 6, 6],
  b: [1, 1, 1, 4],
  c: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
  d: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
  e: [1, 1, 1, 4, 4, 4, 4],
  f: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
};

for (const [name, terms] of Object.entries(FIGURE_7)) {
  Deno.test(`§5.3, Figure 7 (${name}): a leader makes the follower's log equal to its own`, () => {
    const cluster = new TestCluster({ size: 3 });
    const leaderTerms = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    prepare(cluster.node("n1"), leaderTerms, 7);
    prepare(cluster.node("n2"), leaderTerms, 7);
    prepare(cluster.node("n3"), terms, 7);
    cluster.elect("n1");
    cluster.tick(4 * HEARTBEAT_TICKS);
    assert.deepEqual(logTerms(cluster.node("n3")), [...leaderTerms, 8]);
    assert.equal(cluster.node("n3").raft.state.commitIndex, leaderTerms.length + 1);
  });
}

Deno.test("§5.3: a conflict is found in one step for each term, not for each entry", () => {
  const cluster = new TestCluster({ size: 3 });
  const long = Array.from({ length: 500 }, () => 3);
  prepare(cluster.node("n1"), [1, 1, ...Array.from({ length: 500 }, () => 4)], 4);
  prepare(cluster.node("n2"), [1, 1, ...Array.from({ length: 500 }, () => 4)], 4);
  prepare(cluster.node("n3"), [1, 1, ...long], 4);
  let conflicts = 0;
  cluster.intercept = (message) => {
    if (message.kind === "appendResponse" && message.outcome.kind === "conflict") conflicts++;
    return message;
  };
  cluster.elect("n1");
  cluster.tick(4 * HEARTBEAT_TICKS);
  assert.deepEqual(logTerms(cluster.node("n3")), logTerms(cluster.node("n1")));
  assert.ok(conflicts <= 2, `${conflicts} conflicts`);
});

Deno.test("§5.3: an append that arrives twice or late removes nothing", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  for (const command of ["a", "b", "c"]) propose(leader, command);
  cluster.deliver();
  const follower = cluster.node("n2");
  const late = leader.raft.state.log.slice(toLogIndex(1), toLogIndex(2));
  follower.receive(appendRequest(leader, "n2", { entries: late }));
  assert.equal(follower.raft.state.log.last.index, 4);
  assert.deepEqual(takeMessages(cluster, "appendResponse")[0]?.outcome, {
    kind: "accepted",
    matchIndex: 2,
  });
});

Deno.test("§5.3: an acknowledgement never leaves before its entries are durable", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const follower = cluster.node("n2");
  cluster.network = [];
  const index = toLogIndex(2);
  const output = follower.raft.step([{
    kind: "message",
    message: appendRequest(leader, "n2", {
      previousLogIndex: toLogIndex(1),
      previousLogTerm: toTerm(1),
      entries: [commandEntry(index, 1)],
    }),
  }]);
  assert.deepEqual(output.send, []);
  assert.deepEqual(output.persist?.entries.map((entry) => entry.index), [index]);
  assert.deepEqual(output.sendAfterPersist.map(({ kind }) => kind), ["appendResponse"]);
});

Deno.test("§5.3, Figure 2: a follower commits no further than the last entry it knows to match", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const follower = cluster.node("n2");
  prepare(follower, [1, 1, 1], 1);
  follower.receive(appendRequest(leader, "n2", {
    previousLogIndex: toLogIndex(1),
    previousLogTerm: toTerm(1),
    leaderCommit: toLogIndex(3),
  }));
  assert.equal(follower.raft.state.commitIndex, 1);
});

Deno.test("§5.3: an entry is committed once a majority holds it durably, the leader included", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const before = leader.raft.state.commitIndex;
  const proposed = leader.raft.step([{
    kind: "propose",
    proposalId: 1,
    command: new Uint8Array([1]),
  }]);
  const index = toLogIndex(before + 1);
  const accepted = (from: string) => ({
    kind: "message" as const,
    message: {
      kind: "appendResponse" as const,
      from: toNodeId(from),
      to: leader.id,
      term: leader.raft.state.currentTerm,
      round: 1,
      outcome: { kind: "accepted" as const, matchIndex: index },
    },
  });
  leader.raft.step([accepted("n2")]);
  assert.equal(leader.raft.state.commitIndex, before, "the leader's own copy is not durable yet");
  const sequence = proposed.persist?.sequence ?? 0;
  const done = leader.raft.step([{ kind: "persisted", sequence }]);
  assert.equal(leader.raft.state.commitIndex, index);
  assert.deepEqual(done.apply.map((entry) => entry.index), [index]);
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
    prepare(voter, voterTerms, 3);
    voter.tick(ELECTION_TIMEOUT_TICKS);
    const lastLogIndex = toLogIndex(terms.length);
    const lastLogTerm = toTerm(terms.at(-1) ?? 0);
    const route = { from: "n1", to: voter.id, term: 4 };
    voter.receive(voteRequest(route, { lastLogIndex, lastLogTerm }));
    assert.equal(takeMessages(cluster, "voteResponse")[0]?.granted, granted);
  }
});

Deno.test("§5.4.2, Figure 8: an old term's entry is not committed by counting replicas", () => {
  const cluster = new TestCluster({ size: 3 });
  for (const name of ["n1", "n2"]) prepare(cluster.node(name), [1, 2], 3);
  prepare(cluster.node("n3"), [1], 3);
  // The new leader's no-op never arrives, so only the old entries are on a majority.
  cluster.intercept = (message) => {
    if (message.kind !== "appendRequest") return message;
    const entries = message.entries.filter(({ term }) => term < 4);
    return { ...message, entries };
  };
  const leader = cluster.elect("n1");
  cluster.tick(3 * HEARTBEAT_TICKS);
  assert.equal(leader.raft.state.commitIndex, 0);
  cluster.intercept = (message) => message;
  cluster.tick(3 * HEARTBEAT_TICKS);
  assert.equal(leader.raft.state.commitIndex, 3, "the term's own entry commits all before it");
});

Deno.test("§8: a leader's first entry is a no-op of its own term", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const [first] = leader.raft.state.log.slice(toLogIndex(1), toLogIndex(1));
  assert.equal(first?.kind, "certificate");
  assert.equal(first?.term, leader.raft.state.currentTerm);
  assert.equal(new TextDecoder().decode(first?.data), leader.raft.state.certificate?.note);
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
  prepare(cluster.node("n1"), [1, 1, 1], 1);
  prepare(cluster.node("n2"), [1], 7);
  cluster.isolate("n3");
  cluster.tick(6 * ELECTION_TIMEOUT_TICKS);
  assert.equal(cluster.findLeader()?.id, "n1");
  assert.deepEqual(logTerms(cluster.node("n2")), logTerms(cluster.node("n1")));
});
