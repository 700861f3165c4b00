import assert from "node:assert/strict";
import type { LeaderView } from "../../../lib/raft/mod.ts";
import type { VoterPromise } from "../../../lib/raft/voter.ts";
import { toNodeId } from "../../../lib/types.ts";
import { TestCluster } from "../../raft/harness.ts";
import { HEARTBEAT_TICKS, type TestNode } from "../../raft/test_node.ts";
import { Violation } from "../violation.ts";
import type { NodeView } from "../watcher.ts";
import { checkLease } from "./lease_checker.ts";

/** A cluster of three led by n1 with a lease, and a check of it. */
function leased(): { cluster: TestCluster; check: () => void } {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.tick(HEARTBEAT_TICKS);
  const view = (node: TestNode): NodeView =>
    ({ id: node.id, isHonest: true, state: node.raft.state }) as NodeView;
  const check = () =>
    checkLease(view(leader), {
      state: leader.raft.state,
      leader: leader.raft.state.role as LeaderView,
      nodes: [...cluster.nodes.values()].map(view),
    });
  return { cluster, check };
}

Deno.test("checkLease() accepts a lease that a majority's promises stand behind", () => {
  leased().check();
});

Deno.test("checkLease() catches voters whose promise has run out", () => {
  const { cluster, check } = leased();
  for (const name of ["n2", "n3"]) promiseOf(cluster, name).heardTick = -99;
  assert.throws(check, Violation);
});

Deno.test("checkLease() catches voters that may help the target of a transfer", () => {
  const { cluster, check } = leased();
  for (const name of ["n2", "n3"]) {
    Object.assign(promiseOf(cluster, name), { transferTarget: toNodeId("n2"), transferTerm: 2 });
  }
  assert.throws(check, Violation);
});

/** What a node promised, for the test to spoil. */
function promiseOf(cluster: TestCluster, name: string): VoterPromise {
  return cluster.node(name).raft.state.voterPromise;
}
