/** Whole changes of the members, as the nodes make them by themselves: `lib/reshare` over the log. */

import { ed25519 } from "@noble/curves/ed25519.js";
import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import type { Message } from "../../lib/raft/mod.ts";
import { interpolateAtZero } from "../reshare/harness.ts";
import { nodeId } from "../support/changing_key.ts";
import { ChangingCluster } from "./changing_cluster.ts";
import { ELECTION_TIMEOUT_TICKS, propose } from "./harness.ts";

const THREE = { voters: [1, 2, 3], threshold: 2 };
const FOUR = { voters: [1, 2, 3, 4], threshold: 3 };

/** Checks all that must hold after a change: one key, shares that make it, and nobody with an old one. */
function check(world: ChangingCluster, epoch: number, numbers: readonly number[]): void {
  const held = numbers.map((number) => {
    const { current, next } = world.node(number).shares;
    assert.equal(next, null);
    assert.equal(current?.epoch, epoch, `share of ${number}`);
    return [number, assertDefined(current, "none").secret] as const;
  });
  const { threshold, membership } = world.node(numbers[0] ?? 1).raft.state.members.newest;
  const publicKey = (shares: typeof held) =>
    ed25519.Point.BASE.multiply(interpolateAtZero(shares)).toBytes();
  assert.deepEqual(publicKey(held.slice(0, threshold)), membership?.publicKey);
  assert.deepEqual(publicKey(held.slice(-threshold)), membership?.publicKey);
  assert.notDeepEqual(publicKey(held.slice(1, threshold)), membership?.publicKey);
  for (const { id, shares: { current } } of world.cluster.nodes.values()) {
    assert.ok(current === null || current.epoch === epoch, `${id} has an old share`);
  }
}

Deno.test("a refresh gives every voter a new share, under which the next leader is elected", () => {
  const world = new ChangingCluster({ ...THREE, isReal: true });
  const leader = world.cluster.elect("n1");
  world.ask(leader, THREE);
  assert.deepEqual(world.configurationOf(3), {
    epoch: 2,
    threshold: 2,
    voters: [1, 2, 3].map(nodeId),
    learners: [],
    isPending: false,
  });
  check(world, 2, [1, 2, 3]);
  assert.equal(world.cluster.elect("n2").raft.state.certificate?.epoch, 2);
});

Deno.test("a learner joins, becomes a voter, and another leaves; writes go on", () => {
  const world = new ChangingCluster({ ...THREE, isReal: true });
  const leader = world.cluster.elect("n1");
  world.ask(leader, { ...THREE, learners: [4], isResharing: false });
  assert.deepEqual(world.configurationOf(4).learners, [nodeId(4)]);
  propose(leader, "before");
  world.ask(leader, FOUR);
  assert.equal(world.configurationOf(4).epoch, 2);
  propose(leader, "between");
  world.ask(leader, { voters: [2, 3, 4], threshold: 2 });
  world.cluster.tick(3 * ELECTION_TIMEOUT_TICKS);
  check(world, 3, [2, 3, 4]);
  assert.equal(world.node(1).shares.current, null);
  const next = world.cluster.findLeader();
  assert.ok(next !== null && next.id !== "n1");
  assert.equal(next.raft.state.certificate?.epoch, 3);
  propose(next, "after", 2);
  world.settle();
  assert.deepEqual(world.node(4).appliedCommands, ["before", "between", "after"]);
});

Deno.test("a new share is on the disk before anybody is told, and the old one goes when all is committed", () => {
  const world = new ChangingCluster({ ...THREE, isReal: true });
  const leader = world.cluster.elect("n1");
  world.cluster.intercept = (message) => {
    if (message.kind !== "memberEntryRequest") return message;
    const text = new TextDecoder().decode(message.data);
    if (!text.includes('"kind":"ready"')) return message;
    const { current, next } = world.cluster.node(message.from).shares;
    assert.deepEqual([current?.epoch, next?.epoch], [1, 2]);
    return message;
  };
  world.ask(leader, THREE);
  const written = world.node(2).sharesWritten.map(({ current, next }) => {
    return [current?.epoch ?? null, next?.epoch ?? null];
  });
  assert.deepEqual(written, [[1, 2], [2, null]]);
});

Deno.test("a leader that dies at any message of a change leaves it to the next, or no trace", () => {
  for (let at = 1; at <= 60; at += 8) {
    const world = new ChangingCluster({ ...THREE, isReal: true });
    const leader = world.cluster.elect("n1");
    world.settle();
    let messages = 0;
    const isOfChange = ({ kind }: Message) => !/Vote|readIndex|propose/.test(kind);
    world.cluster.intercept = (message) => {
      if (isOfChange(message)) messages++;
      return messages < at || ![message.from, message.to].includes(nodeId(1)) ? message : null;
    };
    leader.step({ kind: "changeMembers", proposal: world.proposal(THREE) });
    world.settle();
    if (messages < at) break;
    for (let ticks = 0; ticks < 30 * ELECTION_TIMEOUT_TICKS; ticks++) {
      world.cluster.tick();
      if (world.node(2).raft.state.leader !== "n1" && !isUnderWayAt(world, 2)) break;
    }
    world.cluster.intercept = (message) => message;
    leader.restart();
    world.cluster.tick(20 * ELECTION_TIMEOUT_TICKS);
    const next = world.cluster.findLeader();
    assert.ok(next !== null, `no leader after ${at}`);
    for (let tries = 0; tries < 5 && world.configurationOf(2).epoch === 1; tries++) {
      world.ask(world.cluster.findLeader() ?? next, THREE, 200);
    }
    assert.equal(world.configurationOf(2).epoch, 2, `after ${at} messages`);
    world.cluster.tick(4 * ELECTION_TIMEOUT_TICKS);
    check(world, 2, [1, 2, 3]);
  }
});

function isUnderWayAt(world: ChangingCluster, number: number): boolean {
  return world.node(number).raft.state.cluster.change !== null;
}
