import assert from "node:assert/strict";
import { FORWARDED_TIMEOUTS } from "../../lib/raft/config.ts";
import { toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { propose, TestCluster } from "./harness.ts";
import { ELECTION_TIMEOUT_TICKS, HEARTBEAT_TICKS } from "./test_node.ts";

/** Linearizable reads (Raft dissertation §6.4), on leaders and on followers. */

Deno.test("a forwarded read that did not leave is refused, to be asked again", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const follower = cluster.node("n2");
  follower.step({ kind: "read", readId: 1, lease: false });
  const [message] = cluster.network.splice(0);
  assert.equal(message?.kind, "readIndexRequest");
  if (message !== undefined) follower.step({ kind: "unsent", message });
  assert.deepEqual(follower.reads, [{ kind: "refused", readId: 1, reason: "noLeader" }]);
});

Deno.test("a forwarded read whose answer is lost is asked again", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const follower = cluster.node("n2");
  let lost = 0;
  cluster.intercept = (message) =>
    message.kind === "readIndexResponse" && lost++ === 0 ? null : message;
  follower.step({ kind: "read", readId: 1, lease: false });
  cluster.deliver();
  assert.deepEqual(follower.reads, []);
  cluster.tick(ELECTION_TIMEOUT_TICKS);
  assert.deepEqual(follower.reads, [{ kind: "ready", readId: 1, readIndex: 1 }]);
});

Deno.test("a forwarded read that is never answered is given up, and is asked no more", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const follower = cluster.node("n2");
  let asked = 0;
  cluster.intercept = (message) => {
    if (message.kind === "readIndexRequest") asked++;
    return message.kind === "readIndexResponse" ? null : message;
  };
  follower.step({ kind: "read", readId: 1, lease: false });
  cluster.tick((FORWARDED_TIMEOUTS - 1) * ELECTION_TIMEOUT_TICKS);
  assert.deepEqual(follower.reads, []);
  cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.deepEqual(follower.reads, [{ kind: "refused", readId: 1, reason: "leaderChanged" }]);
  const askedBefore = asked;
  cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.equal(asked, askedBefore);
});

Deno.test("read() on the leader waits for a quorum to confirm it in a later round", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  leader.step({ kind: "read", readId: 1, lease: false });
  assert.deepEqual(leader.reads, []);
  cluster.deliver();
  assert.deepEqual(leader.reads, [{ kind: "ready", readId: 1, readIndex: 1 }]);
});

Deno.test("read() is not confirmed by an answer to a round before it", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  leader.tick(2);
  const earlier = cluster.network;
  cluster.network = [];
  leader.step({ kind: "read", readId: 1, lease: false });
  cluster.network = earlier;
  cluster.deliver();
  assert.deepEqual(leader.reads, []);
});

Deno.test("read() waits until the leader's own term has committed an entry", () => {
  const cluster = new TestCluster({ size: 3 });
  // Heartbeats pass, but the no-op does not.
  cluster.intercept = (message) =>
    message.kind === "appendRequest" ? { ...message, entries: [] } : message;
  const leader = cluster.elect("n1");
  leader.step({ kind: "read", readId: 1, lease: false });
  cluster.deliver();
  assert.deepEqual(leader.reads, []);
  cluster.intercept = (message) => message;
  cluster.tick(4);
  assert.deepEqual(leader.reads, [{ kind: "ready", readId: 1, readIndex: 1 }]);
});

Deno.test("read() on a follower asks the leader, once for all reads of a step", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const follower = cluster.node("n2");
  follower.step({ kind: "read", readId: 1, lease: false }, {
    kind: "read",
    readId: 2,
    lease: false,
  });
  assert.equal(cluster.network.length, 1);
  cluster.deliver();
  assert.deepEqual(follower.reads.map(({ kind, readId }) => [kind, readId]), [
    ["ready", 1],
    ["ready", 2],
  ]);
});

Deno.test("read() sees the index of every write acknowledged before it", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  propose(leader, "x");
  cluster.deliver();
  cluster.node("n3").step({ kind: "read", readId: 1, lease: false });
  cluster.deliver();
  assert.deepEqual(cluster.node("n3").reads, [
    { kind: "ready", readId: 1, readIndex: leader.raft.state.commitIndex },
  ]);
});

Deno.test("read() of a leader that was deposed without knowing it is never answered", () => {
  const cluster = new TestCluster({ size: 3 });
  const old = cluster.elect("n1");
  cluster.isolate("n1");
  cluster.letLeaseExpire("n1");
  for (let passed = 0; cluster.node("n2").raft.state.role.name !== "leader"; passed++) {
    assert.ok(passed < 4 * ELECTION_TIMEOUT_TICKS);
    cluster.node("n2").tick();
    cluster.deliver();
  }
  propose(cluster.node("n2"), "newer");
  cluster.deliver();
  old.step({ kind: "read", readId: 1, lease: false });
  cluster.deliver();
  old.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.deepEqual(old.reads, [{ kind: "refused", readId: 1, reason: "leaderChanged" }]);
});

Deno.test("read() without a known leader is refused", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.node("n1").step({ kind: "read", readId: 1, lease: false });
  assert.deepEqual(cluster.node("n1").reads, [{ kind: "refused", readId: 1, reason: "noLeader" }]);
});

Deno.test("read() is not confirmed by an answer to a round that was never begun", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const { role, currentTerm, log } = leader.raft.state;
  assert.ok(role.name === "leader");
  leader.receive({
    kind: "appendResponse",
    from: toNodeId("n2"),
    to: leader.id,
    term: currentTerm,
    round: role.rounds.current + 9,
    promiseTicks: 10,
    outcome: { kind: "accepted", matchIndex: log.last.index },
  });
  leader.step({ kind: "read", readId: 1, lease: false });
  assert.deepEqual(leader.reads, []);
  cluster.deliver();
  assert.deepEqual(leader.reads, [{ kind: "ready", readId: 1, readIndex: 1 }]);
});

Deno.test("read() on a follower is refused when whom it asked leads no more, to be asked again", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const follower = cluster.node("n2");
  follower.step({ kind: "read", readId: 1, lease: false });
  leader.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.notEqual(leader.raft.state.role.name, "leader");
  cluster.network = cluster.network.filter(({ kind }) => kind === "readIndexRequest");
  cluster.deliver();
  assert.deepEqual(follower.reads, [{ kind: "refused", readId: 1, reason: "notLeader" }]);
});

Deno.test("read() on a follower whose leader is lost is refused, to be asked again", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const follower = cluster.node("n2");
  follower.step({ kind: "read", readId: 1, lease: false });
  follower.step({ kind: "unreachable", peer: toNodeId("n1") });
  assert.deepEqual(follower.reads, [{ kind: "refused", readId: 1, reason: "leaderChanged" }]);
});

Deno.test("an answer to an earlier life's read is not taken for this one's", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const follower = cluster.node("n2");
  follower.step({ kind: "read", readId: 1, lease: false });
  const early = cluster.network;
  follower.restart();
  cluster.network = [];
  cluster.tick(HEARTBEAT_TICKS);
  follower.step({ kind: "read", readId: 1, lease: false });
  cluster.network = early;
  cluster.deliver();
  assert.deepEqual(follower.reads, []);
  assert.equal(leader.raft.state.commitIndex, toLogIndex(1));
});

Deno.test("nobody but the leader answers a read", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const follower = cluster.node("n2");
  follower.step({ kind: "read", readId: 1, lease: false });
  follower.receive({
    kind: "readIndexResponse",
    from: toNodeId("n3"),
    to: follower.id,
    term: toTerm(1),
    incarnation: follower.raft.state.config.incarnation,
    batchId: 1,
    readIndex: toLogIndex(0),
  });
  assert.deepEqual(follower.reads, []);
});
