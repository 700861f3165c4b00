/** Configurations in the log: dissertation §4, and what Floe adds to it. */

import assert from "node:assert/strict";
import { configurationsOf, Members } from "../../lib/raft/members.ts";
import { decodeReshareEntry, encodeReshareEntry } from "../../lib/reshare/mod.ts";
import { nodeId } from "../support/changing_key.ts";
import { ChangingCluster } from "./changing_cluster.ts";
import { ELECTION_TIMEOUT_TICKS, propose, startElection } from "./harness.ts";

const THREE = { voters: [1, 2, 3], threshold: 2 };
const FOUR = { voters: [1, 2, 3, 4], threshold: 3 };

Deno.test("the newest configuration in the log counts, committed or not", () => {
  const world = new ChangingCluster(THREE);
  const leader = world.cluster.elect("n1");
  world.append(leader, FOUR);
  assert.equal(world.configurationOf(1).isPending, true);
  assert.deepEqual(world.configurationOf(1).voters, [1, 2, 3, 4].map(nodeId));
  assert.deepEqual(world.configurationOf(2).voters, [1, 2, 3].map(nodeId));
  world.settle();
  for (const number of [1, 2, 3, 4]) {
    assert.deepEqual(world.configurationOf(number), {
      epoch: 2,
      threshold: 3,
      voters: FOUR.voters.map(nodeId),
      learners: [],
      isPending: false,
    });
  }
});

Deno.test("what is committed while a configuration is pending needs a majority of the new voters", () => {
  const world = new ChangingCluster(THREE);
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n1", "n2");
  world.append(leader, FOUR);
  propose(leader, "old majority only");
  world.settle();
  assert.deepEqual(leader.appliedCommands, []);
  assert.equal(world.configurationOf(1).isPending, true);
  world.cluster.heal();
  world.settle();
  assert.deepEqual(leader.appliedCommands, ["old majority only"]);
});

Deno.test("what is committed while a configuration is pending needs a majority of the old voters", () => {
  const world = new ChangingCluster(FOUR);
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n1", "n2");
  world.append(leader, THREE);
  propose(leader, "new majority only");
  world.settle();
  assert.deepEqual(leader.appliedCommands, []);
  assert.equal(world.configurationOf(1).isPending, true);
  world.cluster.heal();
  world.settle();
  assert.deepEqual(leader.appliedCommands, ["new majority only"]);
  assert.equal(world.configurationOf(1).isPending, false);
});

Deno.test("a leader without a quorum of one of two configurations gives up", () => {
  const world = new ChangingCluster(FOUR);
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n1", "n2");
  world.append(leader, THREE);
  world.cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.notEqual(leader.raft.state.role.name, "leader");
});

Deno.test("reads are confirmed by both majorities while a configuration is pending", () => {
  const world = new ChangingCluster(FOUR);
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n1", "n2");
  world.append(leader, THREE);
  leader.step({ kind: "clockJumped" });
  leader.step({ kind: "read", readId: 1, lease: false }, { kind: "read", readId: 2, lease: true });
  world.settle();
  assert.deepEqual(leader.reads, []);
  world.cluster.heal();
  world.settle();
  assert.deepEqual(leader.reads.map(({ kind }) => kind), ["ready", "ready"]);
});

Deno.test("a configuration that is truncated counts no more", () => {
  const world = new ChangingCluster(THREE);
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n1");
  world.append(leader, FOUR);
  assert.equal(world.configurationOf(1).epoch, 2);
  const other = world.cluster.elect("n2");
  propose(other, "instead");
  world.settle();
  world.cluster.heal();
  world.settle();
  assert.deepEqual(world.configurationOf(1), world.configurationOf(2));
  assert.deepEqual(world.configurationOf(1).voters, [1, 2, 3].map(nodeId));
  assert.deepEqual(leader.appliedCommands, ["instead"]);
});

Deno.test("a leader appends a configuration only after an entry of its own term is committed", () => {
  const world = new ChangingCluster(THREE);
  world.cluster.elect("n1");
  world.cluster.intercept = (message) => message.kind === "appendRequest" ? null : message;
  const leader = world.cluster.elect("n2");
  const entry = world.make(FOUR);
  assert.match(world.tryAppend(leader, entry) ?? "", /no entry of this term/);
  world.cluster.intercept = (message) => message;
  world.settle();
  assert.equal(world.tryAppend(leader, entry), null);
});

Deno.test("a leader appends no configuration while another one is not committed", () => {
  const world = new ChangingCluster(THREE);
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n1");
  world.append(leader, FOUR);
  const next = world.make({ voters: [1, 2, 3, 4, 5], threshold: 3 });
  assert.match(world.tryAppend(leader, next) ?? "", /not committed yet/);
  world.cluster.heal();
  world.settle();
  assert.equal(world.tryAppend(leader, next), null);
});

Deno.test("a leader appends no configuration whose voters are too few that answer", () => {
  const world = new ChangingCluster(THREE);
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n3");
  world.cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  const entry = world.make({ voters: [1, 3], threshold: 2 });
  assert.match(world.tryAppend(leader, entry) ?? "", /needs 2 voters that answer, and n3 did not/);
  assert.equal(world.configurationOf(1).isPending, false);
  propose(leader, "the old voters go on");
  world.settle();
  assert.deepEqual(leader.appliedCommands, ["the old voters go on"]);
  world.cluster.heal();
  world.settle();
  assert.equal(world.tryAppend(leader, entry), null);
  world.settle();
  assert.deepEqual(world.configurationOf(3).voters, [1, 3].map(nodeId));
});

Deno.test("a leader appends nothing that does not verify, nor the same configuration twice", () => {
  const world = new ChangingCluster(THREE);
  const leader = world.cluster.elect("n1");
  const entry = world.make(FOUR);
  const { byOld, byNew } = entry;
  for (const wrong of [{ byNew: null }, { byNew: byOld }, { byOld: byNew ?? "" }, { byOld: "" }]) {
    assert.match(world.tryAppend(leader, { ...entry, ...wrong }) ?? "", /Cannot/);
  }
  assert.equal(world.tryAppend(leader, entry), null);
  world.settle();
  assert.match(world.tryAppend(leader, entry) ?? "", /it is by epoch 1, not 2/);
});

Deno.test("a follower takes no configuration that does not verify, and nothing that comes with it", () => {
  const world = new ChangingCluster(THREE);
  const leader = world.cluster.elect("n1");
  const before = world.node(2).raft.state.log.last.index;
  world.cluster.intercept = (message) => {
    if (message.kind !== "appendRequest") return message;
    const entries = message.entries.map((entry) => {
      if (entry.kind !== "configuration") return entry;
      const said = decodeReshareEntry(entry.data);
      assert.ok(said.kind === "configuration");
      const wrong = { ...said, byNew: said.byOld };
      return { ...entry, data: encodeReshareEntry(wrong) };
    });
    return { ...message, entries };
  };
  world.append(leader, FOUR);
  propose(leader, "after it");
  world.settle();
  assert.equal(world.node(2).raft.state.log.last.index, before);
  assert.equal(world.configurationOf(2).epoch, 1);
  assert.ok(
    world.node(2).eventsOf("messageRefused").some(({ reason }) => /configuration/.test(reason)),
  );
  world.cluster.intercept = (message) => message;
  world.settle();
  assert.deepEqual(world.node(2).appliedCommands, ["after it"]);
});

Deno.test("an entry that a snapshot has brought already must be one of its memberships", () => {
  const world = new ChangingCluster(THREE);
  world.change(world.cluster.elect("n1"), FOUR);
  const { members: { inForce }, cluster, log } = world.node(2).raft.state;
  const members = new Members(inForce);
  const entry = log.entryAt(inForce.index);
  assert.ok(entry?.kind === "configuration");
  const known = () => cluster.certificates;
  assert.deepEqual(configurationsOf(members, [entry], known), []);
  const said = decodeReshareEntry(entry.data);
  assert.ok(said.kind === "configuration");
  const forged = { ...entry, data: encodeReshareEntry({ ...said, byNew: said.byOld }) };
  assert.throws(() => configurationsOf(members, [forged], known), /none of the memberships/);
});

Deno.test("a node whose log has gaps of several configurations catches up with all of them", () => {
  const world = new ChangingCluster(THREE);
  const leader = world.cluster.elect("n1");
  world.cluster.isolate("n3");
  world.change(leader, FOUR);
  world.change(leader, { voters: [1, 2, 3, 4, 5], threshold: 4 });
  world.change(leader, {
    voters: [1, 2, 3, 4, 5],
    threshold: 4,
    learners: [6],
    isResharing: false,
  });
  assert.equal(world.configurationOf(3).epoch, 1);
  world.cluster.heal();
  world.settle();
  assert.deepEqual(world.configurationOf(3), {
    epoch: 3,
    threshold: 4,
    voters: [1, 2, 3, 4, 5].map(nodeId),
    learners: [nodeId(6)],
    isPending: false,
  });
});

Deno.test("a learner gets the log, is read from, and neither counts nor stands", () => {
  const world = new ChangingCluster(THREE);
  const leader = world.cluster.elect("n1");
  world.change(leader, { ...THREE, learners: [4], isResharing: false });
  propose(leader, "for everybody");
  world.settle();
  assert.deepEqual(world.node(4).appliedCommands, ["for everybody"]);
  world.node(4).step({ kind: "read", readId: 1, lease: false });
  world.settle();
  assert.deepEqual(world.node(4).reads.map(({ kind }) => kind), ["ready"]);
  world.cluster.isolate("n1", "n4");
  propose(leader, "two of three, and no more");
  world.settle();
  assert.equal(leader.appliedCommands.length, 1);
  world.node(4).tick(4 * ELECTION_TIMEOUT_TICKS);
  assert.deepEqual(world.node(4).eventsOf("preVoteStarted"), []);
});

Deno.test("a learner becomes a voter, and its vote is needed", () => {
  const world = new ChangingCluster(THREE);
  const leader = world.cluster.elect("n1");
  world.change(leader, { ...THREE, learners: [4], isResharing: false });
  world.change(leader, FOUR);
  world.cluster.isolate("n2");
  world.cluster.elect("n4");
  assert.equal(world.cluster.findLeader()?.raft.state.certificate?.epoch, 2);
  world.cluster.isolate("n3");
  startElection(world.node(1));
  world.settle();
  assert.notEqual(world.node(1).raft.state.role.name, "leader");
});
