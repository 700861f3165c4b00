/**
 * A follower whose disk was put back to an older state while its leader led on: what it acknowledged is
 * gone, and the leader, which takes nothing back, can never bring it up to date.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Message } from "../../lib/raft/mod.ts";
import { toLogIndex, toTerm } from "../../lib/types.ts";
import { propose, TestCluster } from "./harness.ts";
import { appendRequest } from "./messages.ts";
import { ELECTION_TIMEOUT_TICKS, HEARTBEAT_TICKS, type TestNode } from "./test_node.ts";

/** A cluster led by n1 whose n3 has restarted with what its disk held `lost` commands ago. */
function withOlderCopy(lost: number) {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  proposeMany(cluster, leader, 5);
  const follower = cluster.node("n3");
  const [older, applied] = [follower.disk.load(), follower.applied.length];
  proposeMany(cluster, leader, lost);
  follower.disk.prepare(older);
  follower.applied.length = applied;
  follower.restart();
  return { cluster, leader, follower, heldIndex: older.entries.length };
}

function proposeMany(cluster: TestCluster, leader: TestNode, count: number): void {
  for (let at = 1; at <= count; at++) {
    propose(leader, `command ${at}`, at);
    cluster.deliver();
  }
}

Deno.test("a follower that lost acknowledged entries learns it, and so does its leader, within heartbeats", () => {
  const { cluster, leader, follower, heldIndex } = withOlderCopy(4);
  const acknowledgedIndex = leader.raft.state.log.last.index;
  cluster.tick(2 * HEARTBEAT_TICKS);
  const lost = { acknowledgedIndex, heldIndex };
  assert.deepEqual(follower.eventsOf("entriesLost"), [{
    kind: "entriesLost",
    leader: leader.id,
    lost,
  }]);
  assert.deepEqual(leader.eventsOf("followerLostEntries"), [
    { kind: "followerLostEntries", peer: follower.id, lost },
  ]);
  assert.deepEqual(follower.raft.state.lostEntries, lost);
});

Deno.test("a loss is said once, however long it lasts and whatever is written meanwhile", () => {
  const { cluster, leader, follower } = withOlderCopy(1);
  for (let round = 0; round < 10; round++) {
    cluster.tick(HEARTBEAT_TICKS);
    proposeMany(cluster, leader, 1);
  }
  assert.equal(follower.eventsOf("entriesLost").length, 1);
  assert.equal(leader.eventsOf("followerLostEntries").length, 1);
  assert.notEqual(follower.raft.state.lostEntries, null);
});

Deno.test("a loss is over when another leader has brought the log back", () => {
  const { cluster, leader, follower } = withOlderCopy(3);
  cluster.tick(2 * HEARTBEAT_TICKS);
  assert.notEqual(follower.raft.state.lostEntries, null);
  cluster.isolate(leader.id);
  follower.tick(ELECTION_TIMEOUT_TICKS);
  const next = cluster.elect("n2");
  cluster.tick(2 * HEARTBEAT_TICKS);
  assert.equal(follower.raft.state.log.last.index, next.raft.state.log.last.index);
  assert.equal(follower.raft.state.lostEntries, null);
});

Deno.test("a follower that restarts with all that it acknowledged has lost nothing", () => {
  const { cluster, leader, follower } = withOlderCopy(0);
  cluster.tick(2 * HEARTBEAT_TICKS);
  proposeMany(cluster, leader, 2);
  assert.deepEqual(follower.eventsOf("entriesLost"), []);
  assert.deepEqual(leader.eventsOf("followerLostEntries"), []);
});

Deno.test("a follower that is behind, or has entries of its own, has lost nothing", () => {
  const cluster = new TestCluster({ size: 3 });
  const first = cluster.elect("n1");
  proposeMany(cluster, first, 3);
  cluster.isolate("n1");
  // Nobody else has them: another leader's will take their place.
  for (let at = 1; at <= 4; at++) propose(first, `mine ${at}`, at);
  cluster.node("n3").tick(ELECTION_TIMEOUT_TICKS);
  const next = cluster.elect("n2");
  proposeMany(cluster, next, 8);
  cluster.heal();
  cluster.tick(4 * HEARTBEAT_TICKS);
  assert.equal(first.raft.state.log.last.index, next.raft.state.log.last.index);
  for (const node of cluster.nodes.values()) {
    assert.deepEqual(node.eventsOf("entriesLost"), []);
    assert.deepEqual(node.eventsOf("followerLostEntries"), []);
  }
});

Deno.test("a leader takes no late conflict for a loss", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const follower = cluster.node("n3");
  const conflicts: Message[] = [];
  cluster.isolate(follower.id);
  proposeMany(cluster, leader, 6);
  cluster.heal();
  cluster.intercept = (message) => {
    if (message.kind === "appendResponse" && message.outcome.kind === "conflict") {
      conflicts.push(message);
    }
    return message;
  };
  cluster.tick(4 * HEARTBEAT_TICKS);
  proposeMany(cluster, leader, 2);
  assert.notEqual(conflicts.length, 0);
  for (const message of conflicts) leader.receive(message);
  assert.deepEqual(leader.eventsOf("followerLostEntries"), []);
});

Deno.test("a follower believes nobody but its leader about what it has acknowledged", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const follower = cluster.node("n3");
  const claim = appendRequest(leader, follower.id, {
    previousLogIndex: toLogIndex(100),
    previousLogTerm: toTerm(1),
    matchIndex: toLogIndex(90),
  });
  follower.receive({ ...claim, from: cluster.node("n2").id });
  assert.equal(follower.raft.state.lostEntries, null);
});
