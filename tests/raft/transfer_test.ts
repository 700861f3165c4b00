/**
 * Leadership transfer (Raft dissertation §3.10) and lease reads (§6.4.1).
 *
 * @module
 */

import assert from "node:assert/strict";
import { toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { ELECTION_TIMEOUT_TICKS, HEARTBEAT_TICKS, propose, TestCluster } from "./harness.ts";

const LEASE_READ = { kind: "read", readId: 1, lease: true } as const;

Deno.test("§3.10: a leader hands over to the target, at once and with a certificate", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  leader.step({ kind: "transfer", transferId: 1, target: toNodeId("n2") });
  cluster.deliver();
  assert.equal(cluster.findLeader()?.id, "n2");
  assert.equal(cluster.findLeader()?.raft.state.certificate?.leader, "n2");
  assert.deepEqual(leader.transfers, [{ kind: "handedOver", transferId: 1, target: "n2" }]);
});

Deno.test("§3.10: without a target the leader chooses the follower whose log is furthest", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.isolate("n2");
  propose(leader, "x");
  cluster.deliver();
  leader.step({ kind: "transfer", transferId: 1, target: null });
  cluster.deliver();
  assert.equal(cluster.findLeader()?.id, "n3");
});

Deno.test("§3.10: the target is told only once its log is complete", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.intercept = (message) => message.to === "n2" ? null : message;
  propose(leader, "x");
  cluster.deliver();
  const told: string[] = [];
  cluster.intercept = (message) => {
    if (message.kind === "timeoutNowRequest") told.push(message.to);
    return message;
  };
  leader.step({ kind: "transfer", transferId: 1, target: toNodeId("n2") });
  assert.deepEqual(cluster.network.filter(({ kind }) => kind === "timeoutNowRequest"), []);
  cluster.tick(2 * HEARTBEAT_TICKS);
  assert.deepEqual(told, ["n2"]);
  assert.equal(cluster.findLeader()?.id, "n2");
  assert.deepEqual(cluster.node("n2").appliedCommands, ["x"]);
});

Deno.test("§3.10: commands are not taken during a transfer, and none is lost", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  leader.step({ kind: "transfer", transferId: 1, target: toNodeId("n2") });
  propose(leader, "x", 5);
  assert.deepEqual(leader.rejected, [
    { proposalId: 5, reason: "transferring", maybeApplied: false },
  ]);
});

Deno.test("§3.10: a transfer that does not come about ends after an election timeout", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.intercept = (message) => message.kind === "timeoutNowRequest" ? null : message;
  leader.step({ kind: "transfer", transferId: 1, target: toNodeId("n2") });
  cluster.tick(ELECTION_TIMEOUT_TICKS);
  assert.equal(leader.raft.state.role.name, "leader");
  assert.deepEqual(leader.transfers, [{ kind: "aborted", transferId: 1, target: "n2" }]);
  propose(leader, "x", 5);
  cluster.deliver();
  assert.deepEqual(leader.appliedCommands, ["x"], "it leads on");
});

Deno.test("§3.10: a target that fails asks for its next election without the leader's leave", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const target = cluster.node("n2");
  leader.step({ kind: "transfer", transferId: 1, target: target.id });
  const transfers: boolean[] = [];
  cluster.intercept = (message) => {
    if (message.kind === "preVoteRequest") transfers.push(message.transfer);
    return message.kind === "preVoteResponse" ? null : message;
  };
  cluster.deliver();
  assert.deepEqual(transfers, [true, true]);
  cluster.isolate("n2");
  target.tick(4 * ELECTION_TIMEOUT_TICKS);
  const later = cluster.network.filter((message) => message.kind === "preVoteRequest");
  assert.equal(later.at(-1)?.transfer, false);
});

Deno.test("§3.10: only the leader's own word makes a node stand for election", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  cluster.node("n2").receive({
    kind: "timeoutNowRequest",
    from: toNodeId("n3"),
    to: toNodeId("n2"),
    term: toTerm(1),
    round: 1,
    certificate: null,
  });
  assert.equal(cluster.node("n2").raft.state.role.name, "follower");
  assert.equal(cluster.node("n2").eventsOf("certificateRefused").length, 1);
});

const REFUSALS = {
  "on a node that does not lead": { node: "n2", target: null, reason: "notLeader" },
  "to the leader itself": { node: "n1", target: toNodeId("n1"), reason: "noTarget" },
  "to a stranger": { node: "n1", target: toNodeId("n9"), reason: "noTarget" },
} as const;

for (const [what, { node, target, reason }] of Object.entries(REFUSALS)) {
  Deno.test(`a transfer ${what} is refused`, () => {
    const cluster = new TestCluster({ size: 3 });
    cluster.elect("n1");
    cluster.node(node).step({ kind: "transfer", transferId: 1, target });
    assert.deepEqual(cluster.node(node).transfers, [{ kind: "refused", transferId: 1, reason }]);
  });
}

Deno.test("a second transfer is refused while one is under way", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  leader.step({ kind: "transfer", transferId: 1, target: toNodeId("n2") });
  leader.step({ kind: "transfer", transferId: 2, target: toNodeId("n3") });
  assert.deepEqual(leader.transfers, [
    { kind: "refused", transferId: 2, reason: "transferring" },
  ]);
});

Deno.test("a cluster of one has nobody to hand over to", () => {
  const cluster = new TestCluster({ size: 1 });
  const leader = cluster.elect("n1");
  leader.step({ kind: "transfer", transferId: 1, target: null });
  assert.deepEqual(leader.transfers, [{ kind: "refused", transferId: 1, reason: "noTarget" }]);
});

Deno.test("§6.4.1: a leader with a lease answers reads without asking anyone", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.tick(HEARTBEAT_TICKS);
  leader.step(LEASE_READ);
  assert.deepEqual(leader.reads, [{ kind: "ready", readId: 1, readIndex: 1 }]);
  assert.deepEqual(cluster.network, []);
});

Deno.test("§6.4.1: a follower's lease read costs one question to the leader", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.tick(HEARTBEAT_TICKS);
  const sent: string[] = [];
  cluster.intercept = (message) => {
    sent.push(message.kind);
    return message;
  };
  cluster.node("n2").step(LEASE_READ);
  cluster.deliver();
  assert.deepEqual(sent, ["readIndexRequest", "readIndexResponse"]);
  assert.equal(leader.raft.state.commitIndex, toLogIndex(1));
});

Deno.test("§6.4.1: the lease is counted from when the answered heartbeats were sent", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.tick(HEARTBEAT_TICKS);
  // The answers to what is sent now arrive only when their lease is over.
  const late = 7;
  leader.tick(HEARTBEAT_TICKS);
  const heartbeats = cluster.network;
  cluster.network = [];
  leader.tick(late);
  cluster.network = heartbeats;
  cluster.deliver();
  leader.step(LEASE_READ);
  assert.deepEqual(leader.reads, [], "it asks a quorum");
});

Deno.test("§6.4.1: without a fresh quorum a lease read asks for one", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.tick(HEARTBEAT_TICKS);
  cluster.isolate("n1");
  leader.tick(ELECTION_TIMEOUT_TICKS - 1);
  leader.step(LEASE_READ);
  assert.deepEqual(leader.reads, []);
});

Deno.test("§6.4.1: a jump of the clock ends the lease until a quorum answers anew", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.tick(HEARTBEAT_TICKS);
  leader.step({ kind: "clockJumped" }, LEASE_READ);
  assert.deepEqual(leader.reads, []);
  cluster.deliver();
  assert.equal(leader.reads.length, 1, "the quorum confirmed it");
  cluster.tick(2 * HEARTBEAT_TICKS);
  leader.step({ ...LEASE_READ, readId: 2 });
  assert.equal(leader.reads.length, 2, "and the lease is back");
});

Deno.test("§6.4.1: a leader that hands over has no lease", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.tick(HEARTBEAT_TICKS);
  leader.step({ kind: "transfer", transferId: 1, target: toNodeId("n2") }, LEASE_READ);
  assert.deepEqual(leader.reads, []);
});

Deno.test("§6.4.1: a voter keeps its promise when it learns of a higher term", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  cluster.tick(HEARTBEAT_TICKS);
  const voter = cluster.node("n3");
  // It stands for election at its leader's wish, and learns that another term has begun.
  const toVoter = { from: toNodeId("n1"), to: voter.id };
  voter.receive({
    kind: "timeoutNowRequest",
    ...toVoter,
    term: toTerm(1),
    round: 1,
    certificate: null,
  });
  const refusal = { term: toTerm(2), granted: false, commitment: null };
  voter.receive({ kind: "preVoteResponse", ...toVoter, ...refusal });
  assert.equal(voter.raft.state.currentTerm, 2);
  cluster.network = [];
  voter.receive({
    kind: "preVoteRequest",
    from: toNodeId("n2"),
    to: voter.id,
    term: toTerm(3),
    lastLogIndex: toLogIndex(9),
    lastLogTerm: toTerm(1),
    transfer: false,
  });
  assert.deepEqual(cluster.network, []);
});

Deno.test("§6.4.1: a candidate's own word does not waive the voters' promise", () => {
  const cluster = new TestCluster({ size: 4, threshold: 3 });
  const leader = cluster.elect("n1");
  cluster.tick(HEARTBEAT_TICKS);
  const ask = (to: string) =>
    cluster.node(to).receive({
      kind: "preVoteRequest",
      from: toNodeId("n2"),
      to: toNodeId(to),
      term: toTerm(2),
      lastLogIndex: toLogIndex(9),
      lastLogTerm: toTerm(1),
      transfer: true,
    });
  cluster.network = [];
  for (const to of ["n1", "n3", "n4"]) ask(to);
  assert.deepEqual(cluster.network, []);
  assert.equal(leader.raft.state.role.name, "leader");
});

Deno.test("§6.4.1: after an aborted transfer the lease is back only once a quorum renewed it", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.tick(HEARTBEAT_TICKS);
  cluster.intercept = (message) => message.kind === "timeoutNowRequest" ? null : message;
  leader.step({ kind: "transfer", transferId: 1, target: toNodeId("n2") });
  cluster.tick(ELECTION_TIMEOUT_TICKS - 1);
  leader.tick();
  assert.equal(leader.transfers[0]?.kind, "aborted");
  leader.step(LEASE_READ);
  assert.deepEqual(leader.reads, [], "the voters may still help the target");
  cluster.network = [];
  cluster.tick(3 * HEARTBEAT_TICKS);
  leader.reads.length = 0;
  leader.step({ ...LEASE_READ, readId: 2 });
  assert.deepEqual(leader.reads.map(({ readId }) => readId), [2]);
  assert.equal(cluster.node("n3").raft.state.promise.transferTarget, null);
});

Deno.test("§6.4.1: a voter that restarts keeps the promise that it made its leader", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const voter = cluster.node("n2");
  voter.restart();
  const ask = () =>
    voter.receive({
      kind: "preVoteRequest",
      from: toNodeId("n3"),
      to: voter.id,
      term: toTerm(2),
      lastLogIndex: toLogIndex(9),
      lastLogTerm: toTerm(1),
      transfer: false,
    });
  cluster.network = [];
  ask();
  assert.deepEqual(cluster.network, []);
  voter.tick(ELECTION_TIMEOUT_TICKS);
  ask();
  assert.deepEqual(cluster.network.map(({ kind }) => kind), ["preVoteResponse"]);
});
