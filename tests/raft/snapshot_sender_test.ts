/**
 * The leader's side of a snapshot (Raft §7).
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  HELD_SNAPSHOTS_MAX,
  type SnapshotRequest,
  SNAPSHOTS_FORGOTTEN_TIMEOUTS,
} from "../../lib/raft/mod.ts";
import { Progress } from "../../lib/raft/progress.ts";
import { toLogIndex, toTerm } from "../../lib/types.ts";
import { TestCluster } from "./harness.ts";
import { behind, proposeMany } from "./left_behind.ts";
import { ELECTION_TIMEOUT_TICKS, LOG_LIMITS, type TestNode } from "./test_node.ts";

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

Deno.test("a doubled answer to a chunk starts no second stream", () => {
  const { cluster, late } = behind(60);
  cluster.heal();
  const offsets: number[] = [];
  cluster.intercept = doubling(cluster, offsets);
  cluster.tick(4);
  assert.equal(late.eventsOf("snapshotInstalled").length, 1);
  assert.equal(new Set(offsets).size, offsets.length, "each chunk is sent once");
});

Deno.test("an answer given in an older term moves no snapshot on", () => {
  const { cluster, leader, late } = behind(60);
  cluster.heal();
  const sent: SnapshotRequest[] = [];
  cluster.intercept = (message) => {
    if (message.kind !== "snapshotRequest") return message;
    sent.push(message);
    return null;
  };
  cluster.tick(2);
  const [{ snapshot } = assert.fail("no chunk")] = sent;
  const { role, currentTerm } = leader.raft.state;
  assert.ok(role.name === "leader");
  const matchIndex = () => role.followers.get(late.id)?.matchIndex ?? assert.fail("no follower");
  const before = matchIndex();
  assert.ok(before < snapshot.index);
  leader.receive({
    kind: "snapshotResponse",
    from: late.id,
    to: leader.id,
    term: toTerm(currentTerm - 1),
    index: snapshot.index,
    outcome: { kind: "installed" },
  });
  assert.equal(matchIndex(), before);
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

/** A leader whose n3 wants a snapshot of all that is committed, again and again, while others write. */
function insatiable(
  options: { readonly timeouts: number; readonly writes: number },
): { readonly leader: TestNode; readonly longest: number } {
  const cluster = new TestCluster({ size: 3, compacts: true });
  const leader = cluster.elect("n1");
  cluster.intercept = (message) => message.kind === "snapshotRequest" ? null : message;
  let longest = 0;
  for (let ticks = 0; ticks < options.timeouts * ELECTION_TIMEOUT_TICKS; ticks++) {
    proposeMany(leader, cluster, options.writes);
    const { currentTerm: term, commitIndex: index, log } = leader.raft.state;
    longest = log.length;
    const [from, outcome] = [cluster.node("n3").id, { kind: "wanted" }] as const;
    leader.receive({ kind: "snapshotResponse", from, to: leader.id, term, index, outcome });
    cluster.tick(1);
  }
  return { leader, longest };
}

Deno.test("a follower that wants a snapshot all the time is made one ever less often", () => {
  const { leader } = insatiable({ timeouts: 100, writes: 1 });
  // One at once, then after 1, 2, 4, 8 and every 16 election timeouts.
  assert.ok(leader.snapshotsMade >= 5 && leader.snapshotsMade <= 11, `${leader.snapshotsMade}`);
});

Deno.test("the log is not kept for ever for a follower that wants a snapshot all the time", () => {
  const { leader, longest } = insatiable({ timeouts: 20, writes: 3 });
  assert.ok(leader.snapshotsMade > HELD_SNAPSHOTS_MAX);
  assert.ok(longest <= LOG_LIMITS.entriesMax, `${longest} entries are kept`);
});

Deno.test("a follower that needed no snapshot for long is made one at once again", () => {
  const progress = new Progress({ nextIndex: toLogIndex(1), nowTick: 0 });
  const made = (nowTick: number) => progress.takeSnapshotTurn(nowTick, 10);
  for (const tick of [0, 10, 30, 70]) assert.ok(made(tick), `tick ${tick}`);
  assert.ok(!made(149));
  const muchLater = 70 + 10 * SNAPSHOTS_FORGOTTEN_TIMEOUTS;
  assert.ok(made(muchLater));
  assert.ok(!made(muchLater + 9));
  assert.ok(made(muchLater + 10));
});
