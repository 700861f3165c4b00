/**
 * A cluster of which one follower has fallen behind.
 *
 * @module
 */

import assert from "node:assert/strict";
import { propose, TestCluster } from "./harness.ts";
import { LOG_LIMITS, type TestNode } from "./test_node.ts";

/** A compacting cluster led by n1 whose n3 missed `count` commands. */
export function behind(count: number): { cluster: TestCluster; leader: TestNode; late: TestNode } {
  const cluster = new TestCluster({ size: 3, compacts: true });
  const leader = cluster.elect("n1");
  cluster.isolate("n3");
  for (let at = 1; at <= count; at++) {
    propose(leader, `command ${at}`, at);
    cluster.deliver();
  }
  return { cluster, leader, late: cluster.node("n3") };
}

/** Has the leader commit so many commands, one after the other. */
export function proposeMany(leader: TestNode, cluster: TestCluster, count: number): void {
  for (let at = 0; at < count; at++) {
    propose(leader, `one of ${count}: ${at}`, 1_000 + at);
    cluster.deliver();
  }
}

/** A compacting cluster led by n1 whose n3 has restarted without its state machine. */
export function withLostState(): { cluster: TestCluster; leader: TestNode; lost: TestNode } {
  const cluster = new TestCluster({ size: 3, compacts: true });
  const leader = cluster.elect("n1");
  for (let at = 1; at <= 3 * LOG_LIMITS.entriesMax; at++) {
    propose(leader, `command ${at}`, at);
    cluster.deliver();
  }
  const lost = cluster.node("n3");
  lost.applied.length = 0;
  lost.restart();
  assert.equal(lost.raft.state.lacksState, true);
  return { cluster, leader, lost };
}
