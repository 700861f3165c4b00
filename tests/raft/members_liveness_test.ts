/** Changes and elections that must not stop for ever, whoever lies, dies or was away. */

import assert from "node:assert/strict";
import type { Message } from "../../lib/raft/mod.ts";
import type { NodeId } from "../../lib/types.ts";
import { nodeId, type Wanted } from "../support/changing_key.ts";
import { ChangingCluster } from "./changing_cluster.ts";
import { ELECTION_TIMEOUT_TICKS, seededRandom } from "./harness.ts";

/** A cluster that makes its own shares. Nobody times out by chance until `disturb` is called. */
function open(wanted: Wanted): ChangingCluster & { readonly disturb: () => void } {
  const seeded = seededRandom(5);
  let isCalm = true;
  const random = () => isCalm ? 0.99 : seeded();
  const world = new ChangingCluster({ ...wanted, isReal: true, seed: 5, random });
  return Object.assign(world, { disturb: () => isCalm = false });
}

/** Lets time pass for these nodes only, until something holds. Returns whether it does. */
function runUntil(world: ChangingCluster, numbers: readonly number[], holds: () => boolean) {
  for (let ticks = 0; ticks < 1_500 && !holds(); ticks++) {
    for (const number of numbers) world.node(number).tick();
    world.cluster.deliver();
  }
  return holds();
}

/** Only these nodes are alive: one leads by the certificate of an epoch, all have a configuration. */
function assertLed(
  world: ReturnType<typeof open>,
  numbers: readonly number[],
  { epoch, leadsBy }: { readonly epoch: number; readonly leadsBy: number },
): void {
  world.disturb();
  world.cluster.network = [];
  const isAlive = (id: NodeId) => numbers.some((number) => nodeId(number) === id);
  world.cluster.intercept = (message) =>
    isAlive(message.from) && isAlive(message.to) ? message : null;
  const hasAgreed = () =>
    world.node(numbers[0] ?? 1).raft.state.certificate?.epoch === leadsBy &&
    numbers.every((number) => {
      const { epoch: own, isPending } = world.configurationOf(number);
      return own === epoch && !isPending;
    });
  assert.ok(runUntil(world, numbers, hasAgreed));
}

function isConfiguration(message: Message): boolean {
  return message.kind === "appendRequest" &&
    message.entries.some(({ kind }) => kind === "configuration");
}

/** The leader `n1` dies when the configuration's entry has reached `n3` alone. */
function dieWithEntryAt3(world: ChangingCluster, wanted: Wanted): void {
  world.cluster.elect("n1");
  world.settle();
  let isDead = false;
  world.cluster.intercept = (message) => {
    if (isDead && (message.from === "n1" || message.to === "n1")) return null;
    if (!isConfiguration(message)) return message;
    if (message.to === "n3") world.node(3).receive(message);
    isDead ||= message.to === "n3";
    return null;
  };
  world.node(1).step({ kind: "changeMembers", proposal: world.proposal(wanted) });
  assert.ok(runUntil(world, [1, 2, 3, 4, 5], () => isDead));
  assert.equal(world.configurationOf(3).isPending, true);
}

/** Delivers everything. What `n1` sends and is sent overtakes all else. */
function deliverNearestFirst({ cluster }: ChangingCluster): void {
  while (cluster.network.length > 0) {
    const isNear = ({ from, to }: Message) => from === "n1" || to === "n1";
    const at = Math.max(0, cluster.network.findIndex(isNear));
    const rest = cluster.network.toSpliced(at, 1);
    cluster.network = cluster.network.slice(at, at + 1);
    cluster.deliverOne();
    cluster.network = [...rest, ...cluster.network];
  }
}

Deno.test("a voter that declines to sign before all others answer does not stop a change", () => {
  const world = open({ voters: [1, 2, 3, 4], threshold: 3 });
  const leader = world.cluster.elect("n4");
  world.settle();
  let declined = 0;
  world.cluster.intercept = (message) => {
    if (message.kind !== "signatureResponse" || message.from !== "n1") return message;
    if (message.session === 0) return message;
    declined++;
    return { ...message, share: null };
  };
  const wanted = { voters: [1, 2, 3, 4], learners: [5], threshold: 3, isResharing: false };
  leader.step({ kind: "changeMembers", proposal: world.proposal(wanted) });
  deliverNearestFirst(world);
  for (let ticks = 0; ticks < 20; ticks++) {
    for (const node of world.cluster.nodes.values()) node.tick();
    deliverNearestFirst(world);
  }
  assert.ok(declined > 0);
  assert.deepEqual(world.configurationOf(4).learners, [nodeId(5)]);
});

Deno.test("a configuration that only a leaving voter has is committed, and the new epoch leads", () => {
  const world = open({ voters: [1, 2, 3, 4], threshold: 3 });
  dieWithEntryAt3(world, { voters: [1, 2, 4], threshold: 2 });
  assertLed(world, [2, 3, 4], { epoch: 2, leadsBy: 2 });
});

Deno.test("a configuration that only a voter without its share has is committed, and the new epoch leads", () => {
  const world = open({ voters: [1, 2, 3, 4, 5], threshold: 3 });
  dieWithEntryAt3(world, { voters: [1, 2, 3, 4, 5], threshold: 3, absent: [3] });
  assert.equal(world.cluster.elect("n3").raft.state.certificate?.epoch, 1);
  assertLed(world, [2, 3, 4, 5], { epoch: 2, leadsBy: 2 });
});

Deno.test("a voter without its share leads on where too few others have one", () => {
  const world = open({ voters: [1, 2, 3, 4], threshold: 3 });
  dieWithEntryAt3(world, { voters: [1, 2, 3, 4], threshold: 3, absent: [3] });
  assertLed(world, [2, 3, 4], { epoch: 2, leadsBy: 1 });
  world.cluster.tick(20 * ELECTION_TIMEOUT_TICKS);
  assert.equal(world.node(3).raft.state.role.name, "leader");
});

Deno.test("a leader that removes itself and restarts with its last entry alone stands for it", () => {
  const world = open({ voters: [1, 2, 3, 4], threshold: 3 });
  const leader = world.cluster.elect("n1");
  world.settle();
  let isDown = false;
  world.cluster.intercept = (message) => {
    isDown ||= isConfiguration(message);
    return isDown ? null : message;
  };
  const proposal = world.proposal({ voters: [2, 3, 4], threshold: 2 });
  leader.step({ kind: "changeMembers", proposal });
  assert.ok(runUntil(world, [1, 2, 3, 4], () => isDown));
  leader.restart();
  assertLed(world, [1, 3, 4], { epoch: 2, leadsBy: 2 });
});

/** From the next configuration on, `number` hears nothing. */
function cutAtConfiguration(world: ChangingCluster, number: number): void {
  let isCut = false;
  world.cluster.intercept = (message) => {
    isCut ||= isConfiguration(message);
    return isCut && [message.from, message.to].includes(nodeId(number)) ? null : message;
  };
}

Deno.test("a new voter that lacks two statements in its log is shown both, and elects", () => {
  const world = open({ voters: [1, 2, 3], threshold: 2 });
  const leader = world.cluster.elect("n1");
  world.settle();
  world.ask(leader, { voters: [1, 2, 3], learners: [4], threshold: 2, isResharing: false });
  world.settle();
  cutAtConfiguration(world, 4);
  const four = { voters: [1, 2, 3, 4], threshold: 3 };
  world.ask(leader, four);
  world.cluster.tick(10);
  world.ask(leader, { ...four, learners: [5], isResharing: false });
  world.cluster.tick(10);
  assert.deepEqual(sequencesOf(world, [2, 3, 4]), [3, 3, 1]);
  assertLed(world, [2, 3, 4], { epoch: 2, leadsBy: 2 });
});

Deno.test("statements that nobody knows to be committed after a power loss are shown, too", () => {
  const world = open({ voters: [1, 2, 3], threshold: 2 });
  const leader = world.cluster.elect("n1");
  world.settle();
  cutAtConfiguration(world, 3);
  const three = { voters: [1, 2, 3], threshold: 2 };
  world.ask(leader, three);
  world.cluster.tick(10);
  world.ask(leader, { ...three, learners: [5], isResharing: false });
  world.cluster.tick(10);
  assert.deepEqual(sequencesOf(world, [2, 3]), [2, 0]);
  // The tables of n2 lack what was last applied.
  world.node(2).applied.length = 2;
  world.node(2).restart();
  world.node(3).restart();
  assertLed(world, [2, 3], { epoch: 2, leadsBy: 2 });
});

function sequencesOf(world: ChangingCluster, numbers: readonly number[]) {
  return numbers.map((number) => {
    const { inForce } = world.node(number).raft.state.members;
    return inForce.configuration.membership?.sequence;
  });
}
