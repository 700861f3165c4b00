import assert from "node:assert/strict";
import { propose, seededRandom, TestCluster } from "./harness.ts";
import { ELECTION_TIMEOUT_TICKS, HEARTBEAT_TICKS } from "./test_node.ts";

/** Networks that are neither whole nor parted: nobody may keep the others waiting, or depose a leader. */

/** Five nodes of which n3 reaches all, n1 and n2 each other, and n4 and n5 each other. */
function bridged(seed: number): TestCluster {
  const cluster = new TestCluster({ size: 5, random: seededRandom(seed) });
  cutBetween(cluster, ["n1", "n2"], ["n4", "n5"]);
  return cluster;
}

function cutBetween(cluster: TestCluster, left: readonly string[], right: readonly string[]): void {
  for (const one of left) {
    for (const other of right) {
      cluster.cut(one, other);
      cluster.cut(other, one);
    }
  }
}

for (let seed = 1; seed <= 10; seed++) {
  Deno.test(`a bridge node keeps no two halves waiting: one leads, and is let lead (seed ${seed})`, () => {
    const cluster = bridged(seed);
    cluster.tick(10 * ELECTION_TIMEOUT_TICKS);
    const leader = cluster.findLeader();
    assert.ok(leader !== null);
    const term = leader.raft.state.currentTerm;
    cluster.tick(10 * ELECTION_TIMEOUT_TICKS);
    assert.equal(leader.raft.state.role.name, "leader");
    assert.equal(leader.raft.state.currentTerm, term);
    propose(leader, "x");
    cluster.deliver();
    assert.deepEqual(leader.appliedCommands, ["x"]);
  });
}

Deno.test("a bridge node that loses its leader's half takes part in the other", () => {
  const cluster = bridged(1);
  const old = cluster.elect("n1");
  cutBetween(cluster, ["n1", "n2"], ["n3"]);
  cluster.tick(10 * ELECTION_TIMEOUT_TICKS);
  assert.notEqual(old.raft.state.role.name, "leader");
  assert.ok(["n3", "n4", "n5"].includes(cluster.findLeader()?.id ?? ""));
});

Deno.test("a node that is heard and hears nobody disturbs no leader", () => {
  const cluster = new TestCluster({ size: 3, random: seededRandom(1) });
  const leader = cluster.elect("n1");
  for (const other of ["n1", "n2"]) cluster.cut(other, "n3");
  cluster.tick(10 * ELECTION_TIMEOUT_TICKS);
  assert.equal(leader.raft.state.role.name, "leader");
  assert.equal(leader.raft.state.currentTerm, 1);
});

Deno.test("a leader that is heard and hears nobody gives way to another", () => {
  const cluster = new TestCluster({ size: 3, random: seededRandom(1) });
  const old = cluster.elect("n1");
  for (const other of ["n2", "n3"]) cluster.cut(other, "n1");
  cluster.tick(10 * ELECTION_TIMEOUT_TICKS);
  assert.notEqual(old.raft.state.role.name, "leader");
  assert.ok(["n2", "n3"].includes(cluster.findLeader()?.id ?? ""));
});

for (let seed = 1; seed <= 10; seed++) {
  Deno.test(`a leader that stands still loses all followers in two election timeouts (seed ${seed})`, () => {
    const cluster = new TestCluster({ size: 5, random: seededRandom(seed) });
    const stalled = cluster.elect("n1");
    cluster.tick(2 * HEARTBEAT_TICKS);
    // Its disk hangs, or its loop: nothing is heard of it, and no time passes for it.
    cluster.isolate("n1");
    const others = [...cluster.nodes.values()].filter((node) => node !== stalled);
    for (let passed = 0; passed < 2 * ELECTION_TIMEOUT_TICKS; passed++) {
      for (const node of others) node.tick();
      cluster.deliver();
    }
    for (const { raft } of others) assert.notEqual(raft.state.certificate?.leader, stalled.id);
    assert.notEqual(cluster.findLeader()?.id, stalled.id, "and there is another by then");
  });
}
