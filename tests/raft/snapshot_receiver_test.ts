/**
 * The follower's side of a snapshot (Raft §7), and what happens at the same time.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import type { SnapshotRequest } from "../../lib/raft/mod.ts";
import { toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { entriesOfTerms } from "./entries.ts";
import { propose } from "./harness.ts";
import { behind } from "./left_behind.ts";
import { appendRequest } from "./messages.ts";
import { ELECTION_TIMEOUT_TICKS, type TestNode } from "./test_node.ts";

function snapshotRequest(fields: Partial<SnapshotRequest>): SnapshotRequest {
  return {
    kind: "snapshotRequest",
    from: toNodeId("n2"),
    to: toNodeId("n3"),
    term: toTerm(2),
    snapshot: {
      index: toLogIndex(50),
      term: toTerm(1),
      bytes: 10,
      sha256: new Uint8Array(32),
      members: null,
    },
    offset: 0,
    data: new Uint8Array(10),
    round: 1,
    certificate: null,
    ...fields,
  };
}

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
    members: null,
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

Deno.test("a snapshot from a node without a certificate for the term is refused, and not kept", () => {
  const { leader, late } = behind(5);
  const { currentTerm, certificate } = leader.raft.state;
  const claims = [
    snapshotRequest({}),
    snapshotRequest({ certificate: certificate?.note ?? null }),
    snapshotRequest({ term: currentTerm, certificate: certificate?.note ?? null }),
  ];
  for (const message of claims) {
    const { events, storeChunks } = late.raft.step([{ kind: "message", message }]);
    assert.deepEqual(storeChunks, []);
    // One that is genuine, but another's or of another term, is kept as evidence all the same.
    const kinds = events.map(({ kind }) => kind).filter((kind) => kind !== "certificateSeen");
    assert.deepEqual(kinds, ["certificateRefused"]);
    assert.equal(late.raft.state.currentTerm, currentTerm);
  }
});

Deno.test("a snapshot installed in a step leaves nothing below it to apply", () => {
  const { leader, late } = behind(5);
  late.receive(appendRequest(leader, late.id, {
    previousLogIndex: toLogIndex(1),
    previousLogTerm: toTerm(1),
    entries: leader.raft.state.log.slice(toLogIndex(2), toLogIndex(2)),
    leaderCommit: toLogIndex(1),
  }));
  const snapshot = {
    index: toLogIndex(4),
    term: toTerm(1),
    bytes: 1,
    sha256: new Uint8Array(32),
    members: null,
  };
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
      snapshot: {
        index: toLogIndex(index),
        term: toTerm(1),
        bytes: 1,
        sha256: new Uint8Array(32),
        members: null,
      },
    },
  ]);
  assert.equal(output.installSnapshot?.index, index);
  late.disk.persist(assertDefined(output.persist, "The log changed"));
}

Deno.test("a snapshot that becomes ready when it is no news any more is discarded", () => {
  const { late } = behind(5);
  const { commitIndex: index } = late.raft.state;
  const snapshot = { index, term: toTerm(1), bytes: 1, sha256: new Uint8Array(32), members: null };
  late.step({ kind: "snapshotReady", snapshot });
  assert.equal(late.eventsOf("snapshotInstalled").length, 0);
  assert.deepEqual(late.discarded, [index]);
});

Deno.test("a snapshot of a term later than its leader's is refused", () => {
  const { leader, late } = behind(5);
  const { currentTerm, certificate } = leader.raft.state;
  late.receive(snapshotRequest({
    from: leader.id,
    term: currentTerm,
    certificate: certificate?.note ?? null,
    snapshot: {
      index: toLogIndex(50),
      term: toTerm(77),
      bytes: 10,
      sha256: new Uint8Array(32),
      members: null,
    },
  }));
  assert.equal(late.eventsOf("messageRefused").length, 1);
});

Deno.test("a snapshot that is of a term before the log's once it is ready is refused", () => {
  const { late } = behind(5);
  const snapshot = {
    index: toLogIndex(50),
    term: toTerm(1),
    bytes: 1,
    sha256: new Uint8Array(32),
    members: null,
  };
  const older = { ...snapshot, index: toLogIndex(60), term: toTerm(0) };
  late.raft.step([{ kind: "snapshotReady", snapshot }]);
  const { events, installSnapshot } = late.raft.step([{ kind: "snapshotReady", snapshot: older }]);
  assert.equal(installSnapshot, null);
  assert.deepEqual(events.map(({ kind }) => kind), ["messageRefused"]);
  assert.deepEqual(late.raft.state.log.base, { index: 50, term: 1 });
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
    snapshot: {
      index: toLogIndex(99),
      term: toTerm(1),
      bytes: 1,
      sha256: new Uint8Array(32),
      members: null,
    },
  });
  assert.equal(leader.eventsOf("snapshotInstalled").length, 0);
  assert.deepEqual(leader.discarded, [99]);
});
