import assert from "node:assert/strict";
import { TRANSFER_TIMEOUTS } from "../../lib/raft/config.ts";
import type { Message } from "../../lib/raft/mod.ts";
import { toCertificateProof } from "../../lib/raft/term_proof.ts";
import { toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { propose, TestCluster } from "./harness.ts";
import { preVoteRequest, proof } from "./messages.ts";
import { ELECTION_TIMEOUT_TICKS, HEARTBEAT_TICKS } from "./test_node.ts";

/** Leadership transfer (Raft dissertation §3.10). */

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

Deno.test("§3.10: a transfer that does not come about ends after two election timeouts", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.intercept = (message) => message.kind === "timeoutNowRequest" ? null : message;
  leader.step({ kind: "transfer", transferId: 1, target: toNodeId("n2") });
  cluster.tick(TRANSFER_TIMEOUTS * ELECTION_TIMEOUT_TICKS);
  assert.equal(leader.raft.state.role.name, "leader");
  assert.deepEqual(leader.transfers, [{ kind: "aborted", transferId: 1, target: "n2" }]);
  propose(leader, "x", 5);
  cluster.deliver();
  assert.deepEqual(leader.appliedCommands, ["x"], "it leads on");
});

Deno.test("§3.10: a leader helps its target although another told it of the target's term", () => {
  const cluster = new TestCluster({ size: 3, threshold: 3 });
  const held: Message[] = [];
  const handOver = (from: string, target: string) => {
    cluster.node(from).step({ kind: "transfer", transferId: 1, target: toNodeId(target) });
    cluster.deliver();
  };
  cluster.elect("n1");
  handOver("n1", "n2");
  assert.equal(cluster.findLeader()?.id, "n2");
  cluster.intercept = (message) => {
    const isRequest = message.kind === "voteRequest" && message.to === "n2";
    if (isRequest) held.push(message);
    return isRequest ? null : message;
  };
  handOver("n2", "n3");
  const former = cluster.node("n2");
  for (let tick = 0; tick < HEARTBEAT_TICKS; tick++) former.tick();
  cluster.deliver();
  assert.equal(former.raft.state.currentTerm, 3, "n1 has shown the proof of n3's term");
  for (const message of held) former.receive(message);
  cluster.deliver();
  assert.equal(cluster.findLeader()?.id, "n3");
});

Deno.test("§3.10: what the leader said before it hands over takes back nothing when it comes late", () => {
  const cluster = new TestCluster({ size: 3, threshold: 3 });
  const leader = cluster.elect("n1");
  const earlier: Message[] = [];
  cluster.intercept = (message) => {
    if (message.kind === "appendRequest" && message.to === "n3") earlier.push(message);
    return message;
  };
  cluster.tick(HEARTBEAT_TICKS);
  cluster.intercept = (message) => {
    if (message.kind !== "voteRequest" || message.to !== "n3") return message;
    for (const late of earlier.splice(0)) cluster.node("n3").receive(late);
    return message;
  };
  leader.step({ kind: "transfer", transferId: 1, target: toNodeId("n2") });
  cluster.deliver();
  assert.deepEqual(earlier, []);
  assert.equal(cluster.findLeader()?.id, "n2");
});

Deno.test("§3.10: a voter that learned of a new leader from another one heeds the transfer of that leader", () => {
  const cluster = new TestCluster({ size: 4, threshold: 3 });
  cluster.elect("n1");
  cluster.tick(10 * HEARTBEAT_TICKS);
  const voter = cluster.node("n3");
  cluster.isolate("n3");
  cluster.node("n1").step({ kind: "transfer", transferId: 1, target: toNodeId("n2") });
  cluster.deliver();
  const leader = cluster.findLeader();
  assert.equal(leader?.id, "n2");
  const { certificate } = leader.raft.state;
  assert.ok(certificate !== null);
  const shown = { proof: toCertificateProof(certificate) };
  voter.tick(ELECTION_TIMEOUT_TICKS);
  voter.receive(preVoteRequest({ from: "n4", to: "n3", term: 3 }, shown));
  assert.equal(voter.raft.state.currentTerm, 2);
  cluster.heal();
  cluster.tick(HEARTBEAT_TICKS);
  cluster.isolate("n4");
  leader.step({ kind: "transfer", transferId: 2, target: toNodeId("n1") });
  cluster.deliver();
  assert.equal(cluster.findLeader()?.id, "n1", "three of four must sign, and n3 is one of them");
});

Deno.test("§3.10: the leave that a transfer gives is for one term, however often its target asks", () => {
  const cluster = new TestCluster({ size: 4, threshold: 3 });
  const leader = cluster.elect("n1");
  const term = leader.raft.state.currentTerm;
  const voter = cluster.node("n3");
  cluster.intercept = (message) => message.kind === "timeoutNowRequest" ? null : message;
  leader.step({ kind: "transfer", transferId: 1, target: toNodeId("n2") });
  cluster.deliver();
  const ask = (asked: number): string[] => {
    const last = { lastLogIndex: toLogIndex(9), lastLogTerm: toTerm(term) };
    const request = preVoteRequest({ from: "n2", to: voter.id, term: asked }, { transfer: true });
    voter.receive({ ...request, ...last, proof: proof("n2", asked - 1) });
    return cluster.network.splice(0).map(({ kind }) => kind);
  };
  assert.deepEqual(ask(term + 1), ["preVoteResponse"]);
  assert.deepEqual(ask(term + 2), []);
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
