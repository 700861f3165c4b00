/**
 * Log compaction (Raft §7), and what it leaves for whoever is sent a snapshot.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { HELD_LOG_FACTOR, HELD_LOG_TIMEOUTS } from "../../lib/raft/config.ts";
import type { Message } from "../../lib/raft/mod.ts";
import { toLogIndex, toTerm } from "../../lib/types.ts";
import { entriesOfTerms } from "./entries.ts";
import { logTerms, propose, TestCluster } from "./harness.ts";
import { behind, proposeMany } from "./left_behind.ts";
import { appendRequest } from "./messages.ts";
import { ELECTION_TIMEOUT_TICKS, LOG_LIMITS, type TestNode } from "./test_node.ts";

Deno.test("§7: a long log is compacted to half its limit, on disk as in memory", () => {
  const { leader } = behind(3 * LOG_LIMITS.entriesMax);
  const { log } = leader.raft.state;
  assert.ok(log.length <= LOG_LIMITS.entriesMax, `${log.length} entries`);
  assert.ok(log.base.index > 0);
  assert.equal(log.base.index, leader.disk.load().logStart.index);
  assert.equal(log.length, leader.disk.load().entries.length);
});

Deno.test("§7: a short log of large entries is compacted by its bytes", () => {
  const { cluster, leader } = behind(0);
  const large = "x".repeat(LOG_LIMITS.bytesMax / 4);
  for (let count = 1; count <= 5; count++) {
    propose(leader, large, count);
    cluster.deliver();
  }
  const { log } = leader.raft.state;
  assert.ok(log.last.index < LOG_LIMITS.entriesMax, "by their number nothing would be");
  assert.ok(log.base.index > 0);
  assert.ok(log.bytes <= LOG_LIMITS.bytesMax, `${log.bytes} bytes`);
});

Deno.test("§7: nothing is compacted that the state machine has not made durable", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  for (let at = 1; at <= 30; at++) propose(leader, `command ${at}`, at);
  cluster.deliver();
  assert.equal(leader.raft.state.log.base.index, 0);
});

Deno.test("§7: a node restarts from the compacted log", () => {
  const { leader } = behind(30);
  const { base, last } = leader.raft.state.log;
  leader.restart();
  assert.deepEqual(leader.raft.state.log.base, base);
  assert.equal(leader.raft.state.log.last.index, last.index);
});

Deno.test("§7: one snapshot suffices, however far the log moves on while it is sent", () => {
  const { cluster, leader, late } = behind(30);
  const base = sendingSnapshot({ cluster, leader });
  proposeMany(leader, cluster, 5 * LOG_LIMITS.entriesMax);
  assert.equal(leader.raft.state.log.base.index, base, "kept for the receiver");
  cluster.intercept = (message) => message;
  cluster.tick(3 * ELECTION_TIMEOUT_TICKS);
  assert.deepEqual(late.appliedCommands, leader.appliedCommands);
  assert.equal(leader.eventsOf("snapshotSending").length, 1);
  assert.equal(late.eventsOf("snapshotInstalled").length, 1);
});

Deno.test("§7: entries after a snapshot are kept until its receiver has them", () => {
  const { cluster, leader, late } = behind(30);
  const base = sendingSnapshot({ cluster, leader });
  proposeMany(leader, cluster, LOG_LIMITS.entriesMax);
  const isEntriesForLate = (message: Message) =>
    message.kind === "appendRequest" && message.to === late.id && message.entries.length > 0;
  cluster.intercept = (message) => isEntriesForLate(message) ? null : message;
  cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.equal(late.eventsOf("snapshotInstalled").length, 1);
  proposeMany(leader, cluster, 5 * LOG_LIMITS.entriesMax);
  assert.equal(leader.raft.state.log.base.index, base, "kept for the receiver");

  cluster.intercept = (message) => message;
  cluster.tick(3 * ELECTION_TIMEOUT_TICKS);
  assert.deepEqual(late.appliedCommands, leader.appliedCommands);
  assert.equal(leader.eventsOf("snapshotSending").length, 1);
  proposeMany(leader, cluster, LOG_LIMITS.entriesMax);
  assert.ok(leader.raft.state.log.length <= LOG_LIMITS.entriesMax, "and then no longer");
});

Deno.test("§7: entries are kept for a snapshot's receiver, but not for ever", () => {
  const { cluster, leader, late } = behind(30);
  const base = sendingSnapshot({ cluster, leader });
  const held = HELD_LOG_FACTOR * LOG_LIMITS.entriesMax;
  proposeMany(leader, cluster, held + 1);
  assert.ok(leader.raft.state.log.base.index > base);
  assert.ok(leader.raft.state.log.length <= LOG_LIMITS.entriesMax);
  assert.deepEqual(leader.eventsOf("followerLeftBehind"), [
    { kind: "followerLeftBehind", peer: late.id, index: base },
  ]);
  cluster.intercept = (message) => message;
  cluster.tick(3 * ELECTION_TIMEOUT_TICKS);
  assert.deepEqual(late.appliedCommands, leader.appliedCommands, "it starts over");
  assert.equal(leader.eventsOf("snapshotSending").length, 2);
});

Deno.test("§7: entries are not kept for a snapshot's receiver that is silent", () => {
  const { cluster, leader } = behind(30);
  const base = sendingSnapshot({ cluster, leader });
  cluster.isolate("n3");
  cluster.tick(HELD_LOG_TIMEOUTS * ELECTION_TIMEOUT_TICKS);
  proposeMany(leader, cluster, LOG_LIMITS.entriesMax);
  assert.equal(leader.raft.state.log.base.index, base, "it may be restarting");
  cluster.tick(1);
  proposeMany(leader, cluster, 1);
  assert.ok(leader.raft.state.log.base.index > base);
  assert.ok(leader.raft.state.log.length <= LOG_LIMITS.entriesMax);
});

Deno.test("§7: entries are not kept for a receiver that cannot keep the snapshot", () => {
  const { cluster, leader, late } = behind(30);
  const base = sendingSnapshot({ cluster, leader });
  const [{ index } = { index: toLogIndex(0) }] = leader.eventsOf("snapshotSending");
  const { currentTerm: term } = leader.raft.state;
  const outcome = { kind: "refused" } as const;
  leader.receive({ kind: "snapshotResponse", from: late.id, to: leader.id, term, index, outcome });
  proposeMany(leader, cluster, LOG_LIMITS.entriesMax);
  assert.ok(leader.raft.state.log.base.index > base);
});

/** Lets the leader begin to send n3 a snapshot of which nothing arrives; where it stands. */
function sendingSnapshot(
  { cluster, leader }: { readonly cluster: TestCluster; readonly leader: TestNode },
): number {
  cluster.heal();
  cluster.intercept = (message) => message.kind === "snapshotRequest" ? null : message;
  cluster.tick(2);
  const [sending] = leader.eventsOf("snapshotSending");
  return assertDefined(sending, "A snapshot is sent").index;
}

Deno.test("an append that begins in what the follower has compacted is matched above it", () => {
  const { cluster, leader } = behind(30);
  const follower = cluster.node("n2");
  const { base, last } = follower.raft.state.log;
  assert.ok(base.index > 2);
  cluster.network = [];
  follower.receive(appendRequest(leader, follower.id, {
    previousLogIndex: toLogIndex(1),
    previousLogTerm: toTerm(1),
    entries: entriesOfTerms(...logTermsFrom(1, last.index)).slice(1),
    leaderCommit: last.index,
  }));
  assert.deepEqual(cluster.network.map((message) => "outcome" in message && message.outcome), [
    { kind: "accepted", matchIndex: last.index },
  ]);
  assert.equal(logTerms(follower).length, logTerms(leader).length);
});

function logTermsFrom(term: number, count: number): readonly number[] {
  return Array.from({ length: count }, () => term);
}
