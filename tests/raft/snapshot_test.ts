/**
 * Compaction and snapshots (Raft §7).
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { HELD_LOG_FACTOR, HELD_LOG_TIMEOUTS } from "../../lib/raft/config.ts";
import type { Message, SnapshotRequest } from "../../lib/raft/mod.ts";
import { toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import {
  ELECTION_TIMEOUT_TICKS,
  entriesOfTerms,
  LOG_LIMITS,
  logTerms,
  propose,
  TestCluster,
  type TestNode,
} from "./harness.ts";
import { appendRequest } from "./messages.ts";

/** A compacting cluster led by n1 whose n3 missed `count` commands. */
function behind(count: number): { cluster: TestCluster; leader: TestNode; late: TestNode } {
  const cluster = new TestCluster({ size: 3, compacts: true });
  const leader = cluster.elect("n1");
  cluster.isolate("n3");
  for (let at = 1; at <= count; at++) {
    propose(leader, `command ${at}`, at);
    cluster.deliver();
  }
  return { cluster, leader, late: cluster.node("n3") };
}

function snapshotRequest(fields: Partial<SnapshotRequest>): SnapshotRequest {
  return {
    kind: "snapshotRequest",
    from: toNodeId("n2"),
    to: toNodeId("n3"),
    term: toTerm(2),
    snapshot: { index: toLogIndex(50), term: toTerm(1), bytes: 10, sha256: new Uint8Array(32) },
    offset: 0,
    data: new Uint8Array(10),
    round: 1,
    certificate: null,
    ...fields,
  };
}

Deno.test("§7: a long log is compacted to half its limit, on disk as in memory", () => {
  const { leader } = behind(3 * LOG_LIMITS.entriesMax);
  const { log } = leader.raft.state;
  assert.ok(log.length <= LOG_LIMITS.entriesMax, `${log.length} entries`);
  assert.ok(log.base.index > 0);
  assert.equal(log.base.index, leader.disk.load().logStart.index);
  assert.equal(log.length, leader.disk.load().entries.length);
});

Deno.test("§7: nothing is compacted that the state machine has not made durable", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  for (let at = 1; at <= 30; at++) propose(leader, `command ${at}`, at);
  cluster.deliver();
  assert.equal(leader.raft.state.log.base.index, 0);
});

Deno.test("§7: a follower too far behind for the log gets a snapshot and goes on from it", () => {
  const { cluster, leader, late } = behind(30);
  cluster.heal();
  cluster.tick(4);
  assert.equal(late.eventsOf("snapshotInstalled").length, 1);
  assert.deepEqual(late.appliedCommands, leader.appliedCommands);
  propose(leader, "afterwards", 99);
  cluster.deliver();
  assert.equal(late.appliedCommands.at(-1), "afterwards");
});

Deno.test("§7: a new node with nothing catches up by a snapshot", () => {
  const { cluster, leader, late } = behind(30);
  assert.equal(late.raft.state.commitIndex, 1);
  late.restart();
  cluster.heal();
  cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.equal(late.raft.state.commitIndex, leader.raft.state.commitIndex);
});

Deno.test("§7: a node restarts from the compacted log", () => {
  const { leader } = behind(30);
  const { base, last } = leader.raft.state.log;
  leader.restart();
  assert.deepEqual(leader.raft.state.log.base, base);
  assert.equal(leader.raft.state.log.last.index, last.index);
});

Deno.test("§7: a log that conflicts with the snapshot is discarded", () => {
  const { cluster, late } = behind(30);
  const { hardState } = late.disk.load();
  late.applied.length = 0;
  late.disk.prepare({
    hardState: { ...hardState, currentTerm: toTerm(1) },
    entries: entriesOfTerms(...Array.from({ length: 60 }, () => 0)),
  });
  late.restart();
  cluster.heal();
  cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.deepEqual(late.appliedCommands, cluster.node("n1").appliedCommands);
  assert.equal(late.raft.state.log.last.index, cluster.node("n1").raft.state.log.last.index);
});

Deno.test("§7: a snapshot of what the follower has already changes nothing", () => {
  const { cluster, leader } = behind(5);
  const follower = cluster.node("n2");
  const { commitIndex, currentTerm } = follower.raft.state;
  const snapshot = {
    index: commitIndex,
    term: currentTerm,
    bytes: 10,
    sha256: new Uint8Array(32),
  };
  cluster.network = [];
  follower.receive(
    snapshotRequest({ from: leader.id, to: follower.id, term: currentTerm, snapshot }),
  );
  assert.deepEqual(cluster.network.map((message) => "outcome" in message && message.outcome), [
    { kind: "installed" },
  ]);
  assert.equal(follower.eventsOf("snapshotInstalled").length, 0);
});

Deno.test("§7: a transfer that is cut goes on where it stopped", () => {
  const { cluster, leader, late } = behind(60);
  cluster.heal();
  let chunks = 0;
  const offsets: number[] = [];
  cluster.intercept = (message) => {
    if (message.kind !== "snapshotRequest") return message;
    offsets.push(message.offset);
    return ++chunks === 5 ? null : message;
  };
  cluster.tick(2);
  assert.equal(late.eventsOf("snapshotInstalled").length, 0);
  leader.step({ kind: "unreachable", peer: late.id });
  cluster.deliver();
  assert.equal(late.eventsOf("snapshotInstalled").length, 1);
  assert.equal(offsets.filter((offset) => offset === 0).length, 1, "it began once");
});

Deno.test("§7: a chunk that is lost without notice is sent again after an election timeout", () => {
  const { cluster, late } = behind(60);
  cluster.heal();
  let chunks = 0;
  cluster.intercept = (message) =>
    message.kind === "snapshotRequest" && ++chunks === 3 ? null : message;
  cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.equal(late.eventsOf("snapshotInstalled").length, 1);
});

Deno.test("§7: a snapshot that is not what it claims is refused and sent anew", () => {
  const { cluster, late } = behind(30);
  cluster.heal();
  let spoiled = false;
  cluster.intercept = (message) => {
    if (message.kind !== "snapshotRequest" || spoiled) return message;
    spoiled = true;
    return { ...message, data: message.data.map((byte) => byte ^ 1) };
  };
  cluster.tick(3);
  assert.equal(late.eventsOf("snapshotInstalled").length, 0);
  cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.equal(late.eventsOf("snapshotInstalled").length, 1);
});

Deno.test("§7: heartbeats reach a follower that is sent a snapshot, and count for the quorum", () => {
  const { cluster, leader, late } = behind(30);
  cluster.isolate("n2");
  cluster.cut("n1", "n2");
  cluster.heal();
  cluster.isolate("n2");
  cluster.intercept = (message) => message.kind === "snapshotRequest" ? null : message;
  cluster.tick(3 * ELECTION_TIMEOUT_TICKS);
  assert.equal(leader.raft.state.role.name, "leader");
  assert.equal(late.raft.state.role.name, "follower");
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

Deno.test("§7: no snapshot is made for a follower that is down, but as soon as it is heard", () => {
  const { cluster, leader, late } = behind(5);
  cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  proposeMany(leader, cluster, 3 * LOG_LIMITS.entriesMax);
  cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.ok(leader.raft.state.log.base.index > late.raft.state.log.last.index);
  assert.equal(leader.snapshotsMade, 0);
  cluster.heal();
  cluster.tick(2 * ELECTION_TIMEOUT_TICKS);
  assert.equal(late.eventsOf("snapshotInstalled").length, 1);
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

function proposeMany(leader: TestNode, cluster: TestCluster, count: number): void {
  for (let at = 0; at < count; at++) {
    propose(leader, `one of ${count}: ${at}`, 1_000 + at);
    cluster.deliver();
  }
}

Deno.test("a snapshot from a node without a certificate for the term is refused", () => {
  const { late } = behind(5);
  late.receive(snapshotRequest({}));
  assert.equal(late.raft.state.currentTerm, 1);
  assert.equal(late.eventsOf("certificateRefused").length, 1);
});

Deno.test("a snapshot installed in a step leaves nothing below it to apply", () => {
  const { leader, late } = behind(5);
  late.receive(appendRequest(leader, late.id, {
    previousLogIndex: toLogIndex(1),
    previousLogTerm: toTerm(1),
    entries: leader.raft.state.log.slice(toLogIndex(2), toLogIndex(2)),
    leaderCommit: toLogIndex(1),
  }));
  const snapshot = { index: toLogIndex(4), term: toTerm(1), bytes: 1, sha256: new Uint8Array(32) };
  const append = appendRequest(leader, late.id, {
    previousLogIndex: toLogIndex(4),
    previousLogTerm: toTerm(1),
    entries: leader.raft.state.log.slice(toLogIndex(5), toLogIndex(5)),
    leaderCommit: toLogIndex(5),
  });
  const commit = { ...append, previousLogIndex: toLogIndex(2), entries: [] };
  const output = late.raft.step([
    { kind: "message", message: { ...commit, leaderCommit: toLogIndex(2) } },
    { kind: "snapshotReady", snapshot },
    { kind: "message", message: append },
  ]);
  assert.equal(output.installSnapshot?.index, 4);
  assert.deepEqual(output.apply.map(({ index }) => index), [5]);
});

Deno.test("a snapshot may be ready in the very step in which its entries arrive", () => {
  const { leader, late } = behind(5);
  overtake(leader, late, 4);
  const { log } = late.raft.state;
  assert.deepEqual(log.base, { index: 4, term: 1 });
  assert.equal(log.last.index, leader.raft.state.log.last.index);
  assert.deepEqual(
    late.disk.load().entries,
    leader.raft.state.log.slice(toLogIndex(5), log.last.index),
  );
});

Deno.test("a snapshot brings back no entry that was replaced in the same step", () => {
  const { leader, late } = behind(5);
  late.applied.length = 0;
  late.disk.prepare({
    hardState: { currentTerm: toTerm(1), votedFor: null },
    entries: entriesOfTerms(0, 0, 0, 0, 0, 0, 0, 0, 0),
  });
  late.restart();
  const { last } = leader.raft.state.log;
  overtake(leader, late, last.index);
  assert.deepEqual(late.raft.state.log.base, { index: last.index, term: last.term });
  assert.deepEqual(late.disk.load().entries, []);
});

/** In one step, all entries of the leader arrive and a snapshot of some of them is ready. */
function overtake(leader: TestNode, late: TestNode, index: number): void {
  const { log } = leader.raft.state;
  const output = late.raft.step([
    {
      kind: "message",
      message: appendRequest(leader, late.id, {
        entries: log.slice(toLogIndex(1), log.last.index),
      }),
    },
    {
      kind: "snapshotReady",
      snapshot: { index: toLogIndex(index), term: toTerm(1), bytes: 1, sha256: new Uint8Array(32) },
    },
  ]);
  assert.equal(output.installSnapshot?.index, index);
  late.disk.persist(assertDefined(output.persist, "The log changed"));
}

Deno.test("a snapshot that becomes ready when it is no news any more is discarded", () => {
  const { late } = behind(5);
  const { commitIndex: index } = late.raft.state;
  const snapshot = { index, term: toTerm(1), bytes: 1, sha256: new Uint8Array(32) };
  late.step({ kind: "snapshotReady", snapshot });
  assert.equal(late.eventsOf("snapshotInstalled").length, 0);
  assert.deepEqual(late.discarded, [index]);
});

Deno.test("a doubled answer to a chunk starts no second stream", () => {
  const { cluster, late } = behind(60);
  cluster.heal();
  const offsets: number[] = [];
  cluster.intercept = doubling(cluster, offsets);
  cluster.tick(4);
  assert.equal(late.eventsOf("snapshotInstalled").length, 1);
  assert.equal(new Set(offsets).size, offsets.length, "each chunk is sent once");
});

/** Delivers the first five answers to chunks twice, and notes the offsets of the chunks. */
function doubling(cluster: TestCluster, offsets: number[]): TestCluster["intercept"] {
  let doubled = 0;
  return (message) => {
    if (message.kind === "snapshotRequest") offsets.push(message.offset);
    if (message.kind === "snapshotResponse" && doubled++ < 5) {
      cluster.nodes.get(message.to)?.receive(message);
    }
    return message;
  };
}

Deno.test("a snapshot of a term later than its leader's is refused", () => {
  const { leader, late } = behind(5);
  const { currentTerm, certificate } = leader.raft.state;
  late.receive(snapshotRequest({
    from: leader.id,
    term: currentTerm,
    certificate: certificate?.note ?? null,
    snapshot: { index: toLogIndex(50), term: toTerm(77), bytes: 10, sha256: new Uint8Array(32) },
  }));
  assert.equal(late.eventsOf("messageRefused").length, 1);
});

Deno.test("a snapshot chunk that ends beyond its snapshot is refused", () => {
  const { leader, late } = behind(5);
  const { currentTerm, certificate } = leader.raft.state;
  late.receive(snapshotRequest({
    from: leader.id,
    term: currentTerm,
    certificate: certificate?.note ?? null,
    data: new Uint8Array(11),
  }));
  assert.equal(late.eventsOf("messageRefused").length, 1);
});

Deno.test("a snapshot that becomes ready on a leader is left alone", () => {
  const { leader } = behind(5);
  leader.step({
    kind: "snapshotReady",
    snapshot: { index: toLogIndex(99), term: toTerm(1), bytes: 1, sha256: new Uint8Array(32) },
  });
  assert.equal(leader.eventsOf("snapshotInstalled").length, 0);
  assert.deepEqual(leader.discarded, [99]);
});

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
