/** What is known of the members survives restarts, compaction and snapshots. */

import assert from "node:assert/strict";
import type { Cluster } from "../../lib/raft/cluster.ts";
import { decodeMembersRecord, encodeMembersRecord } from "../../lib/reshare/mod.ts";
import { toLogIndex } from "../../lib/types.ts";
import { nodeId } from "../support/changing_key.ts";
import { ChangingCluster } from "./changing_cluster.ts";
import { ELECTION_TIMEOUT_TICKS, propose, startElection } from "./harness.ts";

const THREE = { voters: [1, 2, 3], threshold: 2 };
const FOUR = { voters: [1, 2, 3, 4], threshold: 3 };

/** Enough commands that every log is compacted. */
function fill(world: ChangingCluster): void {
  for (let round = 0; round < 8; round++) {
    const leader = world.cluster.findLeader();
    assert.ok(leader !== null);
    for (let command = 0; command < 4; command++) propose(leader, `${round} ${command}`);
    world.settle();
  }
}

Deno.test("a node that restarts counts by the configurations that its log has, committed and not", () => {
  const world = new ChangingCluster(THREE);
  const leader = world.cluster.elect("n1");
  world.change(leader, { ...THREE, learners: [4], isResharing: false });
  world.cluster.isolate("n1");
  world.append(leader, FOUR);
  const before = world.configurationOf(1);
  assert.equal(before.isPending, true);
  leader.restart();
  assert.deepEqual(world.configurationOf(1), before);
  world.node(2).restart();
  assert.deepEqual(world.configurationOf(2).learners, [nodeId(4)]);
});

Deno.test("a node whose log begins later counts by what its beginning says, after a restart as well", () => {
  const world = new ChangingCluster({ ...THREE, compacts: true });
  const leader = world.cluster.elect("n1");
  world.change(leader, FOUR);
  fill(world);
  const { log } = world.node(2).raft.state;
  assert.ok(log.base.index > world.node(2).raft.state.members.inForce.index);
  const before = world.configurationOf(2);
  world.node(2).restart();
  assert.deepEqual(world.configurationOf(2), before);
  world.cluster.isolate("n1");
  world.cluster.elect("n2");
  assert.equal(world.node(2).raft.state.certificate?.epoch, 2);
});

Deno.test("a snapshot brings the configuration and its certificates", () => {
  const world = new ChangingCluster({ ...THREE, compacts: true });
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n3", "n5");
  world.change(leader, FOUR);
  world.change(leader, { ...FOUR, learners: [5], isResharing: false });
  fill(world);
  world.cluster.heal();
  world.cluster.tick(3 * ELECTION_TIMEOUT_TICKS);
  for (const number of [3, 5]) {
    assert.equal(world.node(number).eventsOf("snapshotInstalled").length, 1);
    assert.deepEqual(world.configurationOf(number), world.configurationOf(1));
    assert.equal(world.node(number).raft.state.cluster.certificates.length, 2);
    world.node(number).restart();
    assert.deepEqual(world.configurationOf(number), world.configurationOf(1));
  }
  // The one that was away through all of it is elected under the epoch that it learned so.
  propose(leader, "and on");
  world.settle();
  world.cluster.isolate("n1");
  assert.equal(world.cluster.elect("n3").raft.state.certificate?.epoch, 2);
});

Deno.test("a snapshot whose record of the members does not verify is refused", () => {
  const world = new ChangingCluster({ ...THREE, compacts: true });
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n3");
  world.change(leader, FOUR);
  fill(world);
  world.cluster.heal();
  let lies = 0;
  world.cluster.intercept = (message) => {
    if (message.kind !== "snapshotRequest" || message.snapshot.members === null) return message;
    const record = decodeMembersRecord(message.snapshot.members);
    const certificates = record.certificates.map(({ byOld }) => ({ byOld, byNew: byOld }));
    const wrong = [encodeMembersRecord({ ...record, certificates }), "{}"][lies++ % 2] ?? "";
    return { ...message, snapshot: { ...message.snapshot, members: wrong } };
  };
  world.cluster.tick(3 * ELECTION_TIMEOUT_TICKS);
  assert.ok(lies > 1);
  assert.equal(world.node(3).eventsOf("snapshotInstalled").length, 0);
  assert.equal(world.configurationOf(3).epoch, 1);
  world.cluster.intercept = (message) => message;
  world.cluster.tick(3 * ELECTION_TIMEOUT_TICKS);
  assert.equal(world.configurationOf(3).epoch, 2);
});

Deno.test("a snapshot whose record does not continue the node's own chain is refused", () => {
  const world = new ChangingCluster({ ...THREE, compacts: true });
  const leader = world.cluster.elect("n1");
  world.change(leader, { ...THREE, learners: [4], isResharing: false });
  world.cluster.isolate("n3");
  world.change(leader, FOUR);
  fill(world);
  world.cluster.heal();
  const reasons = new Set<string>();
  let lies = 0;
  world.cluster.intercept = (message) => {
    if (message.kind !== "snapshotRequest" || message.snapshot.members === null) return message;
    const record = decodeMembersRecord(message.snapshot.members);
    const [first, ...rest] = record.certificates;
    assert.ok(first !== undefined);
    const wrong = [
      { ...record, certificates: [{ byOld: "garbage", byNew: null }, ...rest] },
      { ...record, certificates: [] },
      { ...record, index: toLogIndex(1) },
    ];
    const members = encodeMembersRecord(wrong[lies++ % wrong.length] ?? record);
    const snapshot = { ...message.snapshot, members };
    const why = world.node(3).raft.state.cluster as Cluster;
    reasons.add((why.explainRecord(snapshot) ?? "none").replaceAll(/[0-9]+/g, "#"));
    return { ...message, snapshot };
  };
  world.cluster.tick(6 * ELECTION_TIMEOUT_TICKS);
  assert.deepEqual([...reasons].toSorted(), [
    "they are those before entry #",
    "they do not begin as this node's own",
    "they end at #, and # is in force",
  ]);
  assert.equal(world.node(3).eventsOf("snapshotInstalled").length, 0);
  world.cluster.intercept = (message) => message;
  world.cluster.tick(3 * ELECTION_TIMEOUT_TICKS);
  assert.equal(world.configurationOf(3).epoch, 2);
});

Deno.test("a snapshot that is newer than a pending configuration settles it", () => {
  const world = new ChangingCluster({ ...THREE, compacts: true });
  const leader = world.cluster.elect("n1");
  world.cluster.intercept = (message) =>
    message.kind === "appendResponse" && message.from !== "n2" ? null : message;
  world.append(leader, { ...THREE, learners: [4], isResharing: false });
  world.cluster.deliver();
  world.cluster.intercept = (message) => message;
  world.cluster.isolate("n3");
  world.settle();
  fill(world);
  world.cluster.heal();
  world.cluster.tick(3 * ELECTION_TIMEOUT_TICKS);
  assert.deepEqual(world.configurationOf(3), world.configurationOf(1));
  assert.equal(world.configurationOf(3).isPending, false);
});

Deno.test("a node that restarts just after a snapshot knows the change under way", () => {
  const world = new ChangingCluster({ ...THREE, compacts: true, isReal: true });
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n3");
  world.ask(leader, THREE, 2);
  fill(world);
  const { change } = leader.raft.state.cluster;
  assert.ok(change !== null);
  world.cluster.heal();
  const node = world.node(3);
  for (let tick = 0; node.eventsOf("snapshotInstalled").length === 0; tick++) {
    assert.ok(tick < 3 * ELECTION_TIMEOUT_TICKS, "a snapshot comes");
    world.cluster.tick(1);
  }
  node.restart();
  world.cluster.tick(1);
  assert.deepEqual(node.raft.state.cluster.change?.id, change.id);
});

Deno.test("a cluster that is started anew goes on with its newest members", () => {
  const world = new ChangingCluster({ ...THREE, compacts: true });
  world.change(world.cluster.elect("n1"), FOUR);
  fill(world);
  for (const number of [1, 2, 3, 4]) world.node(number).restart();
  world.cluster.network = [];
  world.cluster.letLeaseExpire("n3");
  startElection(world.node(3));
  world.cluster.deliver();
  assert.equal(world.node(3).raft.state.certificate?.epoch, 2);
  world.settle();
  assert.equal(world.cluster.findLeader()?.id, "n3");
});
