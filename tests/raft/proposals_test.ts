import assert from "node:assert/strict";
import {
  APPEND_LIMITS,
  ENTRY_OVERHEAD_BYTES,
  UNCOMMITTED_BYTES_MAX,
} from "../../lib/raft/config.ts";
import { toNodeId, toTerm } from "../../lib/types.ts";
import { propose, TestCluster } from "./harness.ts";
import { HEARTBEAT_TICKS, UNREADABLE_COMMAND } from "./test_node.ts";

/** Clients' commands: proposed on leaders and on followers, and what is not taken. */

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
  const count = 1_000;
  const large = new Uint8Array(UNCOMMITTED_BYTES_MAX - (count + 1) * ENTRY_OVERHEAD_BYTES);
  const commands = [large, ...Array.from({ length: count + 1 }, () => new Uint8Array(0))];
  const { rejected } = leader.raft.step(
    commands.map((command, proposalId) => ({ kind: "propose" as const, proposalId, command })),
  );
  assert.deepEqual(rejected.map(({ proposalId, reason }) => [proposalId, reason]), [
    [count + 1, "overloaded"],
  ]);
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

Deno.test("nobody but the leader answers for the leader's log", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const follower = cluster.node("n2");
  propose(follower, "x", 7);
  follower.receive({
    kind: "proposeResponse",
    from: toNodeId("n3"),
    to: follower.id,
    term: toTerm(1),
    incarnation: follower.raft.state.config.incarnation,
    outcomes: [{ kind: "refused", proposalId: 7, reason: "notLeader" }],
  });
  assert.deepEqual(follower.rejected, []);
});
