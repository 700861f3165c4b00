/**
 * A node whose state machine is lost while its log is whole, and does not reach back to the beginning.
 *
 * @module
 */

import assert from "node:assert/strict";
import { toLogIndex, toTerm } from "../../lib/types.ts";
import { entriesOfTerms } from "./entries.ts";
import { logTerms, propose, startElection } from "./harness.ts";
import { withLostState } from "./left_behind.ts";
import { appendRequest, preVoteRequest } from "./messages.ts";
import { ELECTION_TIMEOUT_TICKS, type TestNode } from "./test_node.ts";

Deno.test("a node that lost its state gets it in a snapshot, keeps its log and goes on", () => {
  const { cluster, leader, lost } = withLostState();
  const { base, last } = lost.raft.state.log;
  cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.equal(lost.eventsOf("snapshotInstalled").length, 1);
  assert.equal(lost.raft.state.lacksState, false);
  assert.deepEqual(lost.appliedCommands, leader.appliedCommands);
  assert.ok(lost.raft.state.log.base.index >= base.index);
  assert.equal(lost.raft.state.log.last.index, last.index);
  propose(leader, "afterwards", 99);
  cluster.deliver();
  assert.equal(lost.appliedCommands.at(-1), "afterwards");
  assert.equal(leader.eventsOf("snapshotSending").length, 1);
});

Deno.test("a node that lacks its state is sent a snapshot though its log matches the leader's", () => {
  const { cluster, leader, lost } = withLostState();
  let isHeld = true;
  cluster.intercept = (message) => isHeld && message.kind === "snapshotRequest" ? null : message;
  cluster.tick(2);
  assert.equal(matchIndexOf(leader, lost), leader.raft.state.log.last.index);
  isHeld = false;
  cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.deepEqual(lost.appliedCommands, leader.appliedCommands);
});

Deno.test("a node that lacks its state asks for no election, and takes over from nobody", () => {
  const { cluster, leader, lost } = withLostState();
  cluster.isolate("n3");
  lost.tick(10 * ELECTION_TIMEOUT_TICKS);
  lost.receive({
    kind: "timeoutNowRequest",
    from: leader.id,
    to: lost.id,
    term: leader.raft.state.currentTerm,
    round: 1,
    certificate: leader.raft.state.certificate?.note ?? null,
  });
  assert.deepEqual(lost.eventsOf("preVoteStarted"), []);
  assert.equal(lost.raft.state.role.name, "follower");
});

Deno.test("a leader does not hand over to a node that lacks its state", () => {
  const { cluster, leader } = withLostState();
  cluster.intercept = (message) => message.kind === "snapshotRequest" ? null : message;
  cluster.tick(2);
  cluster.isolate("n2");
  leader.step({ kind: "transfer", transferId: 1, target: null });
  cluster.deliver();
  const [{ target } = { target: null }] = leader.eventsOf("transferStarted");
  assert.notEqual(target, "n3");
});

Deno.test("a node that lacks its state votes by its whole log", () => {
  const { cluster, lost } = withLostState();
  cluster.isolate("n1");
  lost.tick(ELECTION_TIMEOUT_TICKS);
  const other = cluster.node("n2");
  startElection(other);
  cluster.deliver();
  assert.equal(other.raft.state.role.name, "leader");
  cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.deepEqual(lost.appliedCommands, other.appliedCommands);
});

Deno.test("a node that lacks its state refuses its vote to a shorter log", () => {
  const { cluster, lost } = withLostState();
  lost.tick(ELECTION_TIMEOUT_TICKS);
  const { index } = lost.raft.state.log.last;
  cluster.network = [];
  const asked = { lastLogIndex: toLogIndex(index - 1), lastLogTerm: toTerm(1) };
  lost.receive(preVoteRequest({ from: "n2", to: "n3", term: 2 }, asked));
  assert.deepEqual(cluster.network.map((message) => "granted" in message && message.granted), [
    false,
  ]);
});

Deno.test("a node that lacks its state keeps entries and helps to commit them", () => {
  const { cluster, leader, lost } = withLostState();
  cluster.isolate("n2");
  // A new leader may not know what is committed, and need this help before it can send a snapshot.
  const { commitIndex } = leader.raft.state;
  wantSnapshot(leader, lost, commitIndex + 1);
  cluster.intercept = (message) =>
    message.kind === "snapshotResponse" || message.kind === "snapshotRequest" ? null : message;
  propose(leader, "one more", 77);
  cluster.tick(2);
  assert.equal(leader.raft.state.commitIndex, commitIndex + 1);
  assert.equal(logTerms(lost).length, logTerms(leader).length);
  assert.equal(lost.raft.state.commitIndex, 0);
});

Deno.test("a node that lacks its state takes no snapshot that its log does not go on from", () => {
  const { cluster, leader, lost } = withLostState();
  const { log, certificate, currentTerm: term } = leader.raft.state;
  const index = toLogIndex(lost.raft.state.log.base.index - 1);
  lost.receive(appendRequest(leader, "n3", {}));
  cluster.network = [];
  lost.receive({
    kind: "snapshotRequest",
    from: leader.id,
    to: lost.id,
    term,
    snapshot: { index, term: log.base.term, bytes: 10, sha256: new Uint8Array(32), members: null },
    offset: 0,
    data: new Uint8Array(10),
    round: 1,
    certificate: certificate?.note ?? null,
  });
  assert.deepEqual(cluster.network, [{
    kind: "snapshotResponse",
    from: lost.id,
    to: leader.id,
    term,
    index: lost.raft.state.log.base.index,
    outcome: { kind: "wanted" },
  }]);
  assert.equal(lost.raft.state.lacksState, true);
});

Deno.test("a node that lacks its state refuses entries that differ from what it has forgotten", () => {
  const { leader, lost } = withLostState();
  const { base, last } = lost.raft.state.log;
  const terms = Array.from({ length: base.index + 1 }, () => 0);
  lost.receive(appendRequest(leader, lost.id, { entries: entriesOfTerms(...terms) }));
  assert.match(lost.eventsOf("messageRefused")[0]?.reason ?? "", /differs from the one committed/);
  assert.deepEqual(lost.raft.state.log.last, last);
});

function matchIndexOf(leader: TestNode, follower: TestNode): number {
  const { role } = leader.raft.state;
  assert.equal(role.name, "leader");
  return role.name === "leader" ? role.followers.get(follower.id)?.matchIndex ?? 0 : 0;
}

function wantSnapshot(leader: TestNode, follower: TestNode, index: number): void {
  const { currentTerm: term } = leader.raft.state;
  leader.receive({
    kind: "snapshotResponse",
    from: follower.id,
    to: leader.id,
    term,
    index: toLogIndex(index),
    outcome: { kind: "wanted" },
  });
}
