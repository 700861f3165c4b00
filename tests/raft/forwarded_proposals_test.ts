import assert from "node:assert/strict";
import { TRANSFER_TIMEOUTS } from "../../lib/raft/config.ts";
import { FORWARDED_TIMEOUTS } from "../../lib/raft/config.ts";
import { LIVES_PER_ORIGIN_MAX } from "../../lib/raft/forwarding.ts";
import { propose, TestCluster } from "./harness.ts";
import { ELECTION_TIMEOUT_TICKS, HEARTBEAT_TICKS } from "./test_node.ts";

/** A forwarded proposal takes effect at most once, and what is said of its fate is true. */

Deno.test("a forwarded proposal whose leader leads another term is reported as of unknown fate", () => {
  const { cluster, leader, follower } = forwarding();
  cluster.network = [];
  cluster.isolate("n2");
  leader.tick(2 * ELECTION_TIMEOUT_TICKS);
  cluster.elect("n1");
  cluster.heal();
  cluster.tick(HEARTBEAT_TICKS);
  assert.equal(follower.raft.state.leader, "n1");
  assert.deepEqual(follower.rejected, [
    { proposalId: 7, reason: "leaderChanged", maybeApplied: true },
  ]);
});

Deno.test("a leader that stepped down refuses a forwarded proposal that it never took", () => {
  const { cluster, leader, follower } = forwarding();
  leader.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.equal(leader.raft.state.role.name, "follower");
  cluster.deliver();
  assert.deepEqual(follower.rejected, [
    { proposalId: 7, reason: "notLeader", maybeApplied: false },
  ]);
});

Deno.test("a leader that restarted cannot tell whether it took a forwarded proposal", () => {
  const { cluster, leader, follower } = forwarding();
  leader.restart();
  cluster.deliver();
  assert.deepEqual(follower.rejected, [
    { proposalId: 7, reason: "leaderChanged", maybeApplied: true },
  ]);
});

Deno.test("a forwarded batch that arrives twice takes effect once and is answered once", () => {
  const { cluster, leader, follower, request } = forwarding();
  cluster.network.push(request);
  cluster.deliver();
  cluster.network.push(request);
  cluster.deliver();
  assert.deepEqual(leader.appliedCommands, ["x"]);
  assert.deepEqual(follower.accepted, [{ proposalId: 7, index: 2, term: 1 }]);
  assert.deepEqual(follower.rejected, []);
  assert.equal(leader.eventsOf("messageRefused").length, 2);
});

Deno.test("a copy that arrives after its leader stepped down is not said to be refused", () => {
  const { cluster, leader, follower, request } = forwarding();
  cluster.cut("n1", "n2");
  cluster.deliver();
  leader.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.equal(leader.raft.state.role.name, "follower");
  cluster.heal();
  cluster.network = [request];
  cluster.deliver();
  assert.deepEqual(follower.rejected, [], "the first copy is in the leader's log");
});

Deno.test("a copy that arrives at the next leader has no second effect", () => {
  const { cluster, request } = forwarding();
  cluster.deliver();
  const next = cluster.elect("n3");
  cluster.network.push({ ...request, to: next.id });
  cluster.deliver();
  assert.deepEqual(next.appliedCommands, ["x"]);
});

Deno.test("a copy that arrives at the same leader in a later term has no second effect", () => {
  const { cluster, leader, follower, request } = forwarding();
  cluster.deliver();
  cluster.elect("n3");
  assert.equal(cluster.elect("n1"), leader);
  cluster.network.push(request);
  cluster.deliver();
  assert.deepEqual(leader.appliedCommands, ["x"]);
  assert.deepEqual(follower.rejected, []);
});

Deno.test("a copy of what was refused during a transfer is not taken after it", () => {
  const { cluster, leader, follower, request } = forwarding();
  cluster.intercept = (message) => message.kind === "timeoutNowRequest" ? null : message;
  leader.step({ kind: "transfer", transferId: 1, target: null });
  cluster.deliver();
  assert.equal(follower.rejected[0]?.reason, "transferring");
  cluster.tick(TRANSFER_TIMEOUTS * ELECTION_TIMEOUT_TICKS);
  assert.equal(leader.transfers[0]?.kind, "aborted");
  cluster.network.push(request);
  cluster.deliver();
  assert.deepEqual(leader.appliedCommands, []);
});

Deno.test("a copy from an earlier life of its origin has no second effect", () => {
  const { cluster, leader, follower, request } = forwarding();
  cluster.deliver();
  follower.restart();
  cluster.tick(HEARTBEAT_TICKS);
  propose(follower, "y", 7);
  cluster.network.push(request);
  cluster.deliver();
  assert.deepEqual(leader.appliedCommands, ["x", "y"]);
});

Deno.test("an origin that lived too often in one term is refused, and is heard in the next", () => {
  const { cluster, leader, follower, request } = forwarding();
  cluster.network = [];
  for (let life = 1; life <= LIVES_PER_ORIGIN_MAX; life++) {
    leader.receive({ ...request, incarnation: 1_000 + life });
  }
  cluster.network = [request];
  cluster.deliver();
  assert.deepEqual(follower.rejected, [
    { proposalId: 7, reason: "overloaded", maybeApplied: false },
  ]);
  cluster.elect("n3");
  propose(follower, "again", 8);
  cluster.deliver();
  assert.equal(leader.appliedCommands.at(-1), "again");
});

Deno.test("a forwarded proposal that is never answered is given up, as of unknown fate", () => {
  const { cluster, follower } = forwarding();
  cluster.intercept = (message) => message.kind === "proposeResponse" ? null : message;
  cluster.tick((FORWARDED_TIMEOUTS - 1) * ELECTION_TIMEOUT_TICKS);
  assert.deepEqual(follower.rejected, []);
  cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.deepEqual(follower.rejected, [
    { proposalId: 7, reason: "leaderChanged", maybeApplied: true },
  ]);
});

Deno.test("a forwarded command in the log keeps nothing else of its message", () => {
  const { cluster, leader, request } = forwarding();
  const payload = new Uint8Array(1_000_000);
  const command = payload.subarray(10, 20);
  cluster.network = [{ ...request, proposals: [{ proposalId: 7, command }] }];
  cluster.deliver();
  const { log } = leader.raft.state;
  const data = log.entryAt(log.last.index)?.data;
  assert.deepEqual(data, command);
  assert.equal(data?.buffer.byteLength, command.length);
});

/** A cluster led by n1, with a proposal of n2's client on its way to the leader. */
function forwarding() {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const follower = cluster.node("n2");
  propose(follower, "x", 7);
  const [request] = cluster.network;
  assert.ok(request?.kind === "proposeRequest");
  return { cluster, leader, follower, request };
}
