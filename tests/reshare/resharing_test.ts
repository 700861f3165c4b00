import assert from "node:assert/strict";
import { encodeHex } from "../../lib/bytes.ts";
import { explainIntersection, PROGRESS_TICKS_MAX, RESEND_TICKS } from "../../lib/reshare/mod.ts";
import { majorityOf } from "../../lib/margins.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";
import { interpolateAtZero, nodeId, TestCluster } from "./harness.ts";

function numbers(count: number, from = 1): number[] {
  return Array.from({ length: count }, (_, at) => from + at);
}

Deno.test("a refresh gives everybody a new share of the same key", () => {
  const cluster = new TestCluster({ threshold: 3, voters: 5 });
  const before = cluster.shares.map(([identifier, secret]) =>
    [identifier, secret.slice()] as const
  );
  cluster.change(3, numbers(5));
  assert.equal(cluster.membership.epoch, 2);
  cluster.check();
  const after = cluster.shares;
  after.forEach(([, secret], at) => assert.notDeepEqual(secret, before[at]?.[1]));
  const mixed = [...before.slice(0, 2), ...after.slice(2, 3)];
  assert.notEqual(interpolateAtZero(mixed), cluster.secret);
});

Deno.test("voters are added and removed, thresholds go up and down, a learner comes along", () => {
  const cluster = new TestCluster({ threshold: 3, voters: 5, joiners: 3 });
  cluster.change(4, numbers(6));
  cluster.check();
  cluster.change(3, [1, 2, 3, 4, 6]);
  cluster.check();
  cluster.change(4, [1, 2, 3, 4, 6], { members: cluster.members([1, 2, 3, 4, 6], [7]) });
  cluster.check();
  cluster.change(4, [1, 2, 3, 4, 6, 7]);
  cluster.check();
  assert.equal(cluster.membership.epoch, 5);
  assert.equal(cluster.node(nodeId(5)).record.current, null);
});

Deno.test("a change within an epoch needs no new shares", () => {
  const cluster = new TestCluster({ threshold: 2, voters: 3, joiners: 1 });
  const members = cluster.members([1, 2, 3], [4]);
  cluster.change(2, [], { isResharing: false, members });
  assert.deepEqual(cluster.log.map(({ kind }) => kind), ["begin", "configuration"]);
  assert.deepEqual([cluster.membership.epoch, cluster.membership.sequence], [1, 1]);
  cluster.check();
  cluster.change(2, [1, 2, 3, 4], { threshold: 3 });
  assert.equal(cluster.membership.epoch, 2);
  cluster.check();
});

Deno.test("every node of a cluster is replaced, one by one, under one key", () => {
  const cluster = new TestCluster({ threshold: 2, voters: 3, joiners: 3 });
  for (const gone of [1, 2, 3]) {
    cluster.lead(nodeId(gone + 1));
    cluster.change(3, numbers(4, gone));
    cluster.change(2, numbers(3, gone + 1));
  }
  cluster.check();
  assert.deepEqual(cluster.membership.members.map(({ id }) => id), [4, 5, 6].map(nodeId));
  assert.equal(cluster.membership.epoch, 7);
});

Deno.test("random changes on a network that loses, doubles and reorders come to their end", () => {
  for (let seed = 1; seed <= 15; seed++) {
    const random = seededBytes(seed);
    const pick = (least: number, most: number) => least + (random(1)[0] ?? 0) % (most - least + 1);
    const voters = pick(2, 6);
    const threshold = pick(majorityOf(voters), voters);
    const joiners = pick(0, 2);
    const all = numbers(voters + joiners);
    const after = all.filter((identifier) => identifier > voters || pick(0, 4) > 0);
    if (after.length < 2) continue;
    const next = pick(majorityOf(after.length), after.length);
    const isSafe = explainIntersection(
      { voters: numbers(voters).map(nodeId), threshold },
      { voters: after.map(nodeId), threshold: Math.max(2, next) },
    ) === null;
    const cluster = new TestCluster({ threshold, voters, joiners, seed, isUnreliable: true });
    cluster.change(Math.max(2, next), after);
    for (let ticks = 0; ticks < 300 && isSafe && cluster.membership.epoch === 1; ticks++) {
      cluster.tick(1);
      if (cluster.node(nodeId(1)).resharing.log.change === null && cluster.membership.epoch === 1) {
        cluster.change(Math.max(2, next), after);
      }
    }
    assert.equal(cluster.membership.epoch, isSafe ? 2 : 1, `seed ${seed}`);
    if (isSafe) cluster.check();
    else assert.equal(cluster.eventsOf("proposalRefused").length, 1);
  }
});

Deno.test("a node that restarts at any point costs an attempt at most", () => {
  const entries = wholeLog().length;
  for (let at = 1; at <= entries; at++) {
    for (const victim of [1, 2]) {
      const cluster = new TestCluster({ threshold: 2, voters: 3 });
      const { id } = cluster.node(nodeId(victim));
      let isDue = false;
      cluster.lies = {
        entry: (entry) => {
          isDue ||= cluster.log.length === at && cluster.node(id).lives === 0;
          return isDue ? null : entry;
        },
      };
      cluster.change(2, numbers(3));
      for (let ticks = 0; ticks < 2 * PROGRESS_TICKS_MAX; ticks++) {
        if (isDue) {
          isDue = false;
          cluster.restart(id);
        }
        cluster.tick(1);
        const { change, current } = cluster.node(cluster.leader).resharing.log;
        if (current.epoch === 2) break;
        if (change === null) cluster.change(2, numbers(3));
      }
      assert.equal(cluster.membership.epoch, 2, `${victim} at ${at}`);
      cluster.check();
    }
  }
});

Deno.test("a leader that dies at any entry leaves a change that the next one completes", () => {
  const entries = wholeLog().length;
  for (let at = 1; at < entries; at++) {
    const cluster = new TestCluster({ threshold: 2, voters: 3 });
    let isDead = false;
    cluster.lies = { entry: (entry) => cluster.log.length >= at && !isDead ? null : entry };
    cluster.change(2, numbers(3));
    assert.equal(cluster.log.length, at);
    isDead = true;
    cluster.stop(nodeId(1));
    cluster.leader = nodeId(2);
    cluster.step(nodeId(2), [{ kind: "leading", isLeader: true }]);
    cluster.tick(2 * RESEND_TICKS);
    cluster.start(nodeId(1));
    for (let ticks = 0; ticks < 2 * PROGRESS_TICKS_MAX; ticks++) {
      cluster.tick(1);
      if (cluster.node(nodeId(2)).resharing.log.change === null) break;
    }
    if (cluster.membership.epoch === 1) cluster.change(2, numbers(3));
    assert.equal(cluster.membership.epoch, 2, `at ${at}`);
    cluster.check();
  }
});

Deno.test("a voter that is down may stay without a share, while another is replaced", () => {
  const cluster = new TestCluster({ threshold: 3, voters: 5, joiners: 1 });
  cluster.stop(nodeId(4));
  cluster.stop(nodeId(5));
  cluster.change(4, numbers(6), { absent: [nodeId(4), nodeId(5)] });
  cluster.check();
  cluster.change(3, [1, 2, 3, 5, 6], { absent: [nodeId(5)] });
  cluster.check();
  cluster.start(nodeId(5));
  assert.equal(cluster.node(nodeId(5)).record.current, null);
  cluster.change(3, [1, 2, 3, 5, 6]);
  cluster.check();
  assert.equal(cluster.shares.length, 5);
});

Deno.test("the same inputs give the same outputs", () => {
  const logs = [1, 2].map(() => {
    const cluster = new TestCluster({ threshold: 3, voters: 5, joiners: 1, isUnreliable: true });
    cluster.change(4, numbers(6));
    cluster.tick(20);
    return cluster.log;
  });
  assert.deepEqual(logs[0], logs[1]);
});

Deno.test("an aborted change leaves no share, and the next attempt deals afresh", () => {
  const cluster = new TestCluster({
    threshold: 2,
    voters: 3,
    lies: { entry: (entry) => entry.kind === "proof" ? null : entry },
  });
  cluster.change(2, numbers(3));
  assert.ok(cluster.node(nodeId(2)).record.next !== null);
  const first = cluster.log.flatMap((entry) => entry.kind === "deal" ? [entry.elements[1]] : []);
  cluster.step(cluster.leader, [{ kind: "cancel", reason: "the operator says so" }]);
  cluster.settle();
  for (const id of numbers(3).map(nodeId)) assert.equal(cluster.node(id).record.next, null);
  assert.equal(cluster.eventsOf("aborted")[0]?.reason, "the operator says so");
  cluster.lies = {};
  cluster.change(2, numbers(3));
  const later = cluster.log.flatMap((entry) => entry.kind === "deal" ? [entry.elements[1]] : []);
  const hexes = later.map((element) => encodeHex(element ?? new Uint8Array()));
  assert.equal(new Set(hexes).size, 2 * first.length);
  cluster.check();
});

Deno.test("a change that nothing comes of is aborted, and names whom it waited for", () => {
  const cluster = new TestCluster({ threshold: 2, voters: 3 });
  cluster.stop(nodeId(3));
  cluster.change(2, numbers(3));
  cluster.tick(PROGRESS_TICKS_MAX + RESEND_TICKS);
  assert.match(cluster.eventsOf("aborted")[0]?.reason ?? "", /waiting for server_3/);
  assert.equal(cluster.membership.epoch, 1);
  cluster.change(2, [1, 2]);
  assert.equal(cluster.membership.epoch, 2);
  cluster.check();
});

Deno.test("a removed node learns that it is, and its share is erased", () => {
  const cluster = new TestCluster({ threshold: 3, voters: 5 });
  cluster.change(3, numbers(4));
  const adoption = cluster.adopted.get(nodeId(5));
  assert.equal(adoption?.secret, null);
  assert.ok(!adoption?.membership.members.some(({ id }) => id === nodeId(5)));
  assert.deepEqual(cluster.node(nodeId(5)).record, { current: null, next: null });
});

/** The entries of one whole change. */
function wholeLog() {
  const cluster = new TestCluster({ threshold: 2, voters: 3 });
  cluster.change(2, numbers(3));
  return cluster.log;
}
