/**
 * Plans: what the members are to be in the end, reached step by step, whoever leads meanwhile.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { MembersGoal, PlannedMember } from "../../lib/reshare/mod.ts";
import type { CoreState } from "../../lib/raft/state.ts";
import { nodeId } from "../support/changing_key.ts";
import { ChangingCluster } from "./changing_cluster.ts";
import type { TestNode } from "./test_node.ts";

/** Who is to be a member in the end. */
interface Goal {
  readonly voters: readonly number[];
  readonly threshold: number;
  readonly learners?: readonly number[];
  readonly leaving?: readonly number[];
  readonly isRefresh?: boolean;
}

function toGoal(world: ChangingCluster, goal: Goal): MembersGoal {
  const { voters, threshold, learners = [], leaving = [], isRefresh = false } = goal;
  const line = (number: number): PlannedMember =>
    world.key.planned(number, voters.includes(number) ? "voter" : "learner");
  const members = [...voters, ...learners].toSorted((left, right) => left - right).map(line);
  return { threshold, members, leaving: leaving.map(line), isRefresh };
}

function open(voters: readonly number[], threshold: number): ChangingCluster {
  return new ChangingCluster({ voters, threshold, isReal: true, seed: 7 });
}

function plansOf(node: TestNode) {
  const { committed } = (node.raft.state as CoreState).cluster;
  assert.ok(committed !== null);
  return committed.log;
}

/** Lets time pass until a node knows of no plan. */
function runToEnd(world: ChangingCluster, number: number, ticks = 3_000): void {
  const node = world.node(number);
  for (let passed = 0; passed < ticks && plansOf(node).plan !== null; passed++) {
    world.cluster.tick();
  }
  assert.equal(plansOf(node).plan, null, "The plan has ended");
  world.settle();
}

function begin(world: ChangingCluster, leader: TestNode, goal: Goal): void {
  leader.step({ kind: "planMembers", goal: toGoal(world, goal) });
  world.settle();
}

Deno.test("a plan adds a voter: a statement, then new shares, without anybody's help", () => {
  const world = open([1, 2, 3], 2);
  const leader = world.cluster.elect(nodeId(1));
  begin(world, leader, { voters: [1, 2, 3, 4], threshold: 3 });
  runToEnd(world, 1);
  assert.deepEqual(plansOf(leader).endedPlan?.outcome, "completed");
  for (const number of [1, 2, 3, 4]) {
    const { epoch, voters, learners, threshold } = world.configurationOf(number);
    assert.deepEqual(
      { epoch, voters, learners, threshold },
      { epoch: 2, voters: [1, 2, 3, 4].map(nodeId), learners: [], threshold: 3 },
    );
  }
});

Deno.test("a plan goes on under the next leader, whoever that is", () => {
  const world = open([1, 2, 3, 4, 5], 3);
  const leader = world.cluster.elect(nodeId(1));
  begin(world, leader, { voters: [2, 3, 4, 5, 6], threshold: 3, leaving: [1] });
  world.cluster.isolate(nodeId(1));
  world.cluster.tick(400);
  runToEnd(world, 2);
  const { voters, epoch } = world.configurationOf(3);
  assert.deepEqual(voters, [2, 3, 4, 5, 6].map(nodeId));
  assert.ok(epoch >= 2);
  assert.equal(plansOf(world.node(2)).endedPlan?.outcome, "completed");
});

Deno.test("a leader that is to leave makes its plan, and hands over", () => {
  const world = open([1, 2, 3], 2);
  const leader = world.cluster.elect(nodeId(1));
  begin(world, leader, { voters: [2, 3, 4], threshold: 2, leaving: [1] });
  runToEnd(world, 2);
  world.cluster.tick(100);
  assert.notEqual(leader.raft.state.role.name, "leader");
  assert.deepEqual(world.configurationOf(4).voters, [2, 3, 4].map(nodeId));
});

Deno.test("a plan refreshes shares though nothing else changes", () => {
  const world = open([1, 2, 3], 2);
  const leader = world.cluster.elect(nodeId(2));
  begin(world, leader, { voters: [1, 2, 3], threshold: 2, isRefresh: true });
  runToEnd(world, 2);
  assert.equal(world.configurationOf(1).epoch, 2);
});

Deno.test("a plan waits for a joiner that is down, and can be cancelled", () => {
  const world = open([1, 2, 3], 2);
  const leader = world.cluster.elect(nodeId(1));
  world.cluster.isolate(nodeId(4));
  begin(world, leader, { voters: [1, 2, 3, 4], threshold: 3 });
  world.cluster.tick(300);
  assert.notEqual(plansOf(leader).plan, null);
  leader.step({ kind: "cancelChange", reason: "not today" });
  runToEnd(world, 1, 50);
  const { outcome, reason } = plansOf(leader).endedPlan ?? {};
  assert.deepEqual([outcome, reason], ["cancelled", "not today"]);
  assert.deepEqual(world.configurationOf(2).learners, [nodeId(4)]);
});

Deno.test("planMembers is refused where a goal cannot follow, and while a plan is under way", () => {
  const world = open([1, 2, 3], 2);
  const leader = world.cluster.elect(nodeId(1));
  const refusals = () =>
    leader.events.flatMap((event) =>
      event.kind === "resharing" && event.event.kind === "planRefused" ? [event.event.reason] : []
    );
  begin(world, leader, { voters: [1, 2, 3], threshold: 1 });
  assert.match(refusals().at(-1) ?? "", /1 of 3 voters is not more than half/);
  world.cluster.isolate(nodeId(4));
  begin(world, leader, { voters: [1, 2, 3, 4], threshold: 3 });
  begin(world, leader, { voters: [1, 2, 3], threshold: 2, isRefresh: true });
  assert.match(refusals().at(-1) ?? "", /another change is under way/);
  const other = world.node(2);
  begin(world, other, { voters: [1, 2, 3], threshold: 2, isRefresh: true });
  assert.equal(plansOf(other).plan?.id, plansOf(leader).plan?.id);
});

Deno.test("of two plans at once the second is refused, before the log has the first", () => {
  const world = open([1, 2, 3], 2);
  const leader = world.cluster.elect(nodeId(1));
  world.settle();
  const first = toGoal(world, { voters: [1, 2, 3], threshold: 2, isRefresh: true });
  const second = toGoal(world, { voters: [1, 2], threshold: 2, leaving: [3] });
  for (const goal of [first, second]) leader.step({ kind: "planMembers", goal });
  const refused = leader.events.flatMap((event) =>
    event.kind === "resharing" && event.event.kind === "planRefused" ? [event.event.goal] : []
  );
  assert.equal(refused.length, 1);
  assert.equal(refused[0], second);
  runToEnd(world, 1);
  world.cluster.tick(500);
  assert.equal(world.configurationOf(1).epoch, 2);
});

Deno.test("attempts that failed before a plan began do not end it", () => {
  const world = open([1, 2, 3], 2);
  const leader = world.cluster.elect(nodeId(1));
  world.settle();
  world.cluster.intercept = (message) => message.kind === "memberEntryRequest" ? null : message;
  for (let attempt = 1; attempt <= 8; attempt++) {
    leader.step({
      kind: "changeMembers",
      proposal: world.proposal({ voters: [1, 2, 3], threshold: 2 }),
    });
    world.cluster.deliver();
    leader.step({ kind: "cancelChange", reason: "an attempt that fails" });
    world.settle();
  }
  world.cluster.intercept = (message) => message;
  assert.deepEqual([plansOf(leader).attempt, plansOf(leader).attemptsFailed], [8, 8]);
  begin(world, leader, { voters: [1, 2, 3], threshold: 2, isRefresh: true });
  assert.equal(plansOf(leader).attemptsFailed, 0);
  runToEnd(world, 1);
  assert.equal(plansOf(leader).endedPlan?.outcome, "completed");
  assert.equal(world.configurationOf(2).epoch, 2);
});
