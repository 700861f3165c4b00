/**
 * What clients ask for: proposals and linearizable reads, on leaders and on followers.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  APPEND_LIMITS,
  ENTRY_OVERHEAD_BYTES,
  UNCOMMITTED_BYTES_MAX,
} from "../../lib/raft/config.ts";
import { toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import {
  ELECTION_TIMEOUT_TICKS,
  HEARTBEAT_TICKS,
  propose,
  TestCluster,
  UNREADABLE_COMMAND,
} from "./harness.ts";

Deno.test("propose() on the leader is accepted at a place in its log", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  propose(leader, "x", 7);
  assert.deepEqual(leader.accepted, [{ proposalId: 7, index: 2, term: 1 }]);
});

Deno.test("propose() on a follower reaches the leader, and the follower learns the place", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const follower = cluster.node("n3");
  propose(follower, "x", 7);
  cluster.deliver();
  assert.deepEqual(follower.accepted, [{ proposalId: 7, index: 2, term: 1 }]);
  assert.deepEqual(follower.appliedCommands, ["x"], "without waiting for a heartbeat");
});

Deno.test("propose() without a known leader is refused, and nothing is applied", () => {
  const cluster = new TestCluster({ size: 3 });
  propose(cluster.node("n1"), "x", 7);
  assert.deepEqual(cluster.node("n1").rejected, [
    { proposalId: 7, reason: "noLeader", maybeApplied: false },
  ]);
});

Deno.test("a batch of proposals costs one write and one message per follower", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const writes = leader.persisted.length;
  leader.step(
    ...Array.from({ length: 100 }, (_, at) => ({
      kind: "propose" as const,
      proposalId: at,
      command: new Uint8Array([at]),
    })),
  );
  assert.equal(leader.persisted.length, writes + 1);
  assert.deepEqual(cluster.network.map(({ kind, to }) => [kind, to]), [
    ["appendRequest", "n2"],
    ["appendRequest", "n3"],
  ]);
});

Deno.test("a node that no longer leads refuses a forwarded proposal", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const follower = cluster.node("n2");
  leader.restart();
  propose(follower, "x", 7);
  cluster.deliver();
  assert.deepEqual(follower.rejected, [
    { proposalId: 7, reason: "notLeader", maybeApplied: false },
  ]);
});

Deno.test("a forwarded proposal whose leader is lost is reported as of unknown fate", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const follower = cluster.node("n2");
  propose(follower, "x", 7);
  follower.step({ kind: "unreachable", peer: toNodeId("n1") });
  assert.deepEqual(follower.rejected, [
    { proposalId: 7, reason: "leaderChanged", maybeApplied: true },
  ]);
});

Deno.test("a forwarded proposal that did not leave was not applied", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const follower = cluster.node("n2");
  propose(follower, "x", 7);
  const [message] = cluster.network.splice(0);
  assert.equal(message?.kind, "proposeRequest");
  if (message !== undefined) follower.step({ kind: "unsent", message });
  assert.deepEqual(follower.rejected, [
    { proposalId: 7, reason: "noLeader", maybeApplied: false },
  ]);
});

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

Deno.test("a command that no state machine can read never enters the log", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const follower = cluster.node("n2");
  follower.step({ kind: "propose", proposalId: 7, command: UNREADABLE_COMMAND });
  cluster.deliver();
  assert.deepEqual(follower.rejected, [
    { proposalId: 7, reason: "unreadable", maybeApplied: false },
  ]);
  assert.equal(leader.raft.state.log.last.index, 1);
});

Deno.test("empty commands count against what a leader holds uncommitted", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.isolate("n1");
  const most = UNCOMMITTED_BYTES_MAX / ENTRY_OVERHEAD_BYTES;
  const command = new Uint8Array(0);
  const { rejected } = leader.raft.step(
    Array.from({ length: most + 1 }, (_, proposalId) => ({
      kind: "propose" as const,
      proposalId,
      command,
    })),
  );
  assert.deepEqual(rejected.map(({ proposalId, reason }) => [proposalId, reason]), [
    [most, "overloaded"],
  ]);
});

Deno.test("nobody but the leader answers for the leader", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const follower = cluster.node("n2");
  follower.step({ kind: "read", readId: 1, lease: false });
  propose(follower, "x", 7);
  const forged = {
    from: toNodeId("n3"),
    to: follower.id,
    term: toTerm(1),
    incarnation: follower.raft.state.config.incarnation,
  };
  follower.receive({ kind: "readIndexResponse", ...forged, batchId: 1, readIndex: toLogIndex(0) });
  follower.receive({
    kind: "proposeResponse",
    ...forged,
    outcomes: [{ kind: "refused", proposalId: 7, reason: "notLeader" }],
  });
  assert.deepEqual(follower.reads, []);
  assert.deepEqual(follower.rejected, []);
});

Deno.test("proposals travel in messages of a bounded size", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const command = new Uint8Array(APPEND_LIMITS.bytesMax * 0.4);
  cluster.node("n2").step(
    ...[1, 2, 3, 4, 5].map((proposalId) => ({ kind: "propose" as const, proposalId, command })),
  );
  const counts = cluster.network.map((message) =>
    message.kind === "proposeRequest" ? message.proposals.length : 0
  );
  assert.deepEqual(counts, [2, 2, 1]);
});

Deno.test("a restarted node turns to no leader that it has not heard in this life", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const follower = cluster.node("n2");
  follower.restart();
  assert.equal(follower.raft.state.report().leader, null);
  propose(follower, "x", 7);
  assert.equal(follower.rejected[0]?.reason, "noLeader");
  cluster.tick(HEARTBEAT_TICKS);
  assert.equal(follower.raft.state.report().leader, "n1");
});

Deno.test("an answer to an earlier life's proposal is not taken for this one's", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const follower = cluster.node("n2");
  propose(follower, "old", 1);
  const late = cluster.network;
  cluster.network = [];
  follower.restart();
  cluster.tick(HEARTBEAT_TICKS);
  propose(follower, "new", 1);
  cluster.network = late;
  cluster.deliver();
  assert.deepEqual(follower.accepted, []);
  assert.deepEqual(follower.rejected, [], "the new one waits for its own answer");
});

Deno.test("a leader refuses commands beyond what it may hold uncommitted", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.isolate("n1");
  const command = new Uint8Array(UNCOMMITTED_BYTES_MAX / 2 - ENTRY_OVERHEAD_BYTES);
  for (const proposalId of [1, 2, 3]) leader.step({ kind: "propose", proposalId, command });
  assert.deepEqual(leader.rejected, [
    { proposalId: 3, reason: "overloaded", maybeApplied: false },
  ]);
});

Deno.test("a leader takes commands again once earlier ones are committed", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const command = new Uint8Array(UNCOMMITTED_BYTES_MAX - ENTRY_OVERHEAD_BYTES);
  leader.step({ kind: "propose", proposalId: 1, command });
  cluster.deliver();
  leader.step({ kind: "propose", proposalId: 2, command });
  assert.deepEqual(leader.rejected, []);
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
