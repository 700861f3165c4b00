/**
 * One test for each rule about the log of the Raft paper (extended version) that Floe follows, the
 * section in its title.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Message } from "../../lib/raft/mod.ts";
import { toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { commandEntry } from "./entries.ts";
import { logTerms, propose, restartWith, TestCluster } from "./harness.ts";
import { appendRequest, takeMessages } from "./messages.ts";
import { ELECTION_TIMEOUT_TICKS, HEARTBEAT_TICKS } from "./test_node.ts";

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
    restartWith(cluster.node("n1"), { terms: leaderTerms, currentTerm: 7 });
    restartWith(cluster.node("n2"), { terms: leaderTerms, currentTerm: 7 });
    restartWith(cluster.node("n3"), { terms, currentTerm: 7 });
    cluster.elect("n1");
    cluster.tick(4 * HEARTBEAT_TICKS);
    assert.deepEqual(logTerms(cluster.node("n3")), [...leaderTerms, 8]);
    assert.equal(cluster.node("n3").raft.state.commitIndex, leaderTerms.length + 1);
  });
}

Deno.test("§5.3: a conflict is found in one step for each term, not for each entry", () => {
  const cluster = new TestCluster({ size: 3 });
  const longTail = (term: number) => [1, 1, ...Array.from({ length: 500 }, () => term)];
  restartWith(cluster.node("n1"), { terms: longTail(4), currentTerm: 4 });
  restartWith(cluster.node("n2"), { terms: longTail(4), currentTerm: 4 });
  restartWith(cluster.node("n3"), { terms: longTail(3), currentTerm: 4 });
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
  restartWith(follower, { terms: [1, 1, 1], currentTerm: 1 });
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
      promiseTicks: 10,
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

Deno.test("§5.3: an answer given in an older term says nothing to a leader of a later one", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  propose(leader, "x");
  const unheard: Message[] = [];
  cluster.intercept = (message) => {
    if (message.kind !== "appendResponse") return message;
    unheard.push(message);
    return null;
  };
  cluster.deliver();
  const late = [...unheard];
  assert.ok(late.length > 0, "the followers have acknowledged it");
  // It gives up, and is elected again; in the new term no answer is heard either.
  leader.tick(ELECTION_TIMEOUT_TICKS);
  cluster.elect("n1");
  for (const message of late) leader.receive(message);
  const { role, currentTerm, commitIndex } = leader.raft.state;
  assert.ok(role.name === "leader" && currentTerm === 2);
  assert.deepEqual([...role.followers.values()].map(({ matchIndex }) => matchIndex), [0, 0]);
  assert.equal(commitIndex, 1);
});

Deno.test("§5.3: an acknowledgement of what the leader never sent is refused, and counts for nothing", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const { commitIndex, currentTerm, log } = leader.raft.state;
  for (const from of ["n2", "n3"]) {
    leader.receive({
      kind: "appendResponse",
      from: toNodeId(from),
      to: leader.id,
      term: currentTerm,
      round: 1,
      promiseTicks: 10,
      outcome: { kind: "accepted", matchIndex: toLogIndex(log.last.index + 1) },
    });
  }
  assert.deepEqual(leader.eventsOf("messageRefused").map(({ from }) => from), ["n2", "n3"]);
  assert.equal(leader.raft.state.commitIndex, commitIndex);
  propose(leader, "x");
  cluster.deliver();
  for (const node of cluster.nodes.values()) assert.deepEqual(node.appliedCommands, ["x"]);
});

Deno.test("§5.4.2, Figure 8: an old term's entry is not committed by counting replicas", () => {
  const cluster = new TestCluster({ size: 3 });
  for (const name of ["n1", "n2"]) {
    restartWith(cluster.node(name), { terms: [1, 2], currentTerm: 3 });
  }
  restartWith(cluster.node("n3"), { terms: [1], currentTerm: 3 });
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
