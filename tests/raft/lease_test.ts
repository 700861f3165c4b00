import assert from "node:assert/strict";
import { TRANSFER_TIMEOUTS } from "../../lib/raft/config.ts";
import type { Message } from "../../lib/raft/mod.ts";
import { toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { propose, TestCluster } from "./harness.ts";
import { preVoteRefusal, preVoteRequest, proof } from "./messages.ts";
import { ELECTION_TIMEOUT_TICKS, HEARTBEAT_TICKS } from "./test_node.ts";

/** The leader's lease, and the voters' promises that it rests on (Raft dissertation §6.4.1). */

const LEASE_READ = { kind: "read", readId: 1, lease: true } as const;

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

Deno.test("§6.4.1: a lease is no longer than what voters promise whose election timeout is shorter", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const short = 4;
  cluster.intercept = (message) =>
    message.kind === "appendResponse" ? { ...message, promiseTicks: short } : message;
  cluster.tick(HEARTBEAT_TICKS);
  leader.step(LEASE_READ);
  assert.equal(leader.reads.length, 1, "for as long as they promise there is one");
  cluster.isolate("n1");
  leader.tick(short - 1);
  leader.step({ ...LEASE_READ, readId: 2 });
  assert.equal(leader.reads.length, 1, "then it asks a quorum, though its own timeout is longer");
});

Deno.test("§6.4.1: a follower says for how long it helps nobody else", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const promised: number[] = [];
  cluster.intercept = (message) => {
    if (message.kind === "appendResponse") promised.push(message.promiseTicks);
    return message;
  };
  cluster.tick(HEARTBEAT_TICKS);
  assert.deepEqual(promised, [ELECTION_TIMEOUT_TICKS, ELECTION_TIMEOUT_TICKS]);
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
  voter.receive(preVoteRefusal({ from: "n1", to: voter.id, term: 2 }, proof("n1", 2)));
  assert.equal(voter.raft.state.currentTerm, 2);
  cluster.network = [];
  voter.receive(preVoteRequest({ from: "n2", to: voter.id, term: 3 }));
  assert.deepEqual(cluster.network, []);
});

Deno.test("§6.4.1: a candidate's own word does not waive the voters' promise", () => {
  const cluster = new TestCluster({ size: 4, threshold: 3 });
  const leader = cluster.elect("n1");
  cluster.tick(HEARTBEAT_TICKS);
  const ask = (to: string) =>
    cluster.node(to).receive(preVoteRequest({ from: "n2", to, term: 2 }, { transfer: true }));
  cluster.network = [];
  for (const to of ["n1", "n3", "n4"]) ask(to);
  assert.deepEqual(cluster.network, []);
  assert.equal(leader.raft.state.role.name, "leader");
});

Deno.test("§6.4.1: after an aborted transfer there is no lease for the rest of the term", () => {
  const { cluster, leader } = afterAbortedTransfer({ isEndHeard: true });
  leader.step(LEASE_READ);
  assert.deepEqual(leader.reads, [], "it asks a quorum");
  cluster.deliver();
  assert.deepEqual(leader.reads.map(({ readId }) => readId), [1]);
  assert.equal(cluster.node("n3").raft.state.voterPromise.transferTarget, null);
});

Deno.test("§6.4.1: late messages of an aborted transfer replace no leader that serves on a lease", () => {
  const { cluster, leader, late } = afterAbortedTransfer({ isEndHeard: false });
  cluster.isolate("n1");
  for (const message of late) cluster.nodes.get(message.to)?.receive(message);
  cluster.deliver();
  assert.equal(cluster.findLeader()?.id, "n2", "a promise that was waived stays waived");
  propose(cluster.node("n2"), "newer");
  cluster.deliver();
  assert.equal(leader.raft.state.role.name, "leader", "which it does not know");
  leader.step(LEASE_READ);
  assert.deepEqual(leader.reads, []);
});

/** n1 led on after its transfer to n2 failed, as what it said about it is `late`. */
function afterAbortedTransfer({ isEndHeard }: { readonly isEndHeard: boolean }) {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.tick(HEARTBEAT_TICKS);
  const late: Message[] = [];
  cluster.intercept = (message) => {
    const isOfTransfer = message.kind === "timeoutNowRequest" ||
      (message.kind === "appendRequest" && message.transferTarget !== null);
    if (isOfTransfer) late.push(message);
    return message.kind === "timeoutNowRequest" ? null : message;
  };
  leader.step({ kind: "transfer", transferId: 1, target: toNodeId("n2") });
  cluster.tick(TRANSFER_TIMEOUTS * ELECTION_TIMEOUT_TICKS - 1);
  cluster.intercept = (message) => message;
  leader.tick();
  cluster.network = [];
  assert.equal(leader.transfers[0]?.kind, "aborted");
  if (isEndHeard) cluster.tick(3 * HEARTBEAT_TICKS);
  // The voters' word of it comes before the target's.
  late.sort((left, right) => left.kind < right.kind ? -1 : 1);
  return { cluster, leader, late };
}

Deno.test("§6.4.1: a voter that restarts keeps the promise that it made its leader", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const voter = cluster.node("n2");
  voter.restart();
  const ask = () => voter.receive(preVoteRequest({ from: "n3", to: voter.id, term: 2 }));
  cluster.network = [];
  ask();
  assert.deepEqual(cluster.network, []);
  voter.tick(ELECTION_TIMEOUT_TICKS);
  ask();
  assert.deepEqual(cluster.network.map(({ kind }) => kind), ["preVoteResponse"]);
});
