/**
 * One voter that lies, in every message, to all or to one: it is named, nobody else is, and it gains
 * nothing but time. The liar is server_3 of three; an honest node whose messages are changed on the
 * way is the same to the others.
 *
 * @module
 */

import fc from "fast-check";
import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import type { FaultRule, Message } from "../../lib/keygen/mod.ts";
import { nodeId } from "../certificate/cluster.ts";
import { seededRandom } from "../raft/harness.ts";
import { TestKeygen, type TestNode } from "./harness.ts";
import { envelopeOf, LIAR, LIES, tellLie } from "./lies.ts";

for (const lie of LIES) {
  for (const [whom, receivers] of [["all", [1, 2]], ["one", [2]]] as const) {
    Deno.test(`a voter that ${lie.what}, to ${whom}, is named, and the key is made without the lie`, () => {
      const cluster = createCluster();
      let isLying = true;
      cluster.intercept = (message) =>
        isLying ? tellLie(cluster, message, lie, receivers) : message;
      cluster.start();
      cluster.deliver();
      assertNamed(cluster, lie.rules);
      if (whom === "all" && lie.foundBy !== undefined) assertFoundBy(cluster, lie.foundBy);
      if (lie.isLate !== true) assertToldToAll(cluster);
      assert.ok(
        !honestNodes(cluster).every(({ key }) => key !== null),
        "the lie made no difference",
      );
      isLying = false;
      cluster.recover();
      cluster.assertOneKey();
      const attempt = assertDefined(cluster.node(1).disk.share, "no share").attempt;
      assert.equal(attempt === 1, lie.isLate ?? false);
    });
  }
}

for (const lie of LIES) {
  Deno.test(`a voter that always ${lie.what} never gets a key made, and is named every time`, () => {
    const cluster = createCluster();
    cluster.intercept = (message) => tellLie(cluster, message, lie, [1, 2]);
    cluster.start();
    cluster.deliver();
    cluster.tick(12);
    assertNamed(cluster, lie.rules);
    for (const node of honestNodes(cluster)) {
      assert.equal(node.key, null);
      // Each attempt waits longer than the one before: 1 + 2 + 3 + 4 ticks.
      assert.ok(node.eventsOf("attemptStarted").length <= 6);
    }
  });
}

Deno.test("random lies, losses and crashes never split the honest voters, and never name one", () => {
  const check = (seed: number) => {
    const random = seededRandom(seed);
    const cluster = createCluster();
    cluster.intercept = (message) => {
      if (random() < 0.05) return null;
      if (random() < 0.7) return message;
      const apt = LIES.filter(({ tell }) => tell(message, cluster) !== null);
      const lie = apt[Math.floor(random() * apt.length)];
      return lie === undefined ? message : tellLie(cluster, message, lie, [1, 2]);
    };
    cluster.crashPlan = ({ id }) => id !== LIAR && random() < 0.02 ? "beforeSend" : null;
    cluster.start();
    cluster.deliver();
    for (let tick = 0; tick < 20; tick++) {
      for (const node of cluster.nodes.values()) {
        if (!node.isUp) node.restart();
      }
      cluster.tick();
    }
    for (const node of honestNodes(cluster)) {
      assert.ok(node.eventsOf("faultFound").every(({ voter }) => voter === LIAR));
    }
    // Nobody is tied for good: every lie is taken back, and the liar signs after all.
    cluster.intercept = (message) => message;
    cluster.recover(200);
    cluster.assertOneKey();
  };
  fc.assert(fc.property(fc.nat(), check), { numRuns: 25 });
});

Deno.test("a voter that is silent is who the others wait for, round by round", () => {
  for (const silentFrom of ["hash", "reveal", "share", "ready", "signed"]) {
    const order = ["hash", "reveal", "share", "ready", "signed", "genesis"];
    const cluster = createCluster();
    cluster.intercept = (message) =>
      message.from === LIAR && order.indexOf(message.kind) >= order.indexOf(silentFrom)
        ? null
        : message;
    cluster.start();
    cluster.deliver();
    cluster.tick(20);
    for (const node of honestNodes(cluster)) {
      assert.deepEqual(node.keyGeneration.status.waitingFor, [LIAR], silentFrom);
      assert.equal(node.disk.attempt, 1, "waiting uses up no attempts");
    }
  }
});

Deno.test("a voter that is ready and does not sign ties the others until it does", () => {
  const cluster = createCluster();
  cluster.intercept = (message) =>
    message.from === LIAR && message.kind === "signed" ? null : message;
  cluster.start();
  cluster.deliver();
  for (const node of honestNodes(cluster)) {
    assert.equal(node.keyGeneration.status.phase, "signed");
    node.step([{ kind: "message", message: abortOf(node, 1) }]);
    node.step([{ kind: "message", message: abortOf(node, 2) }]);
    assert.equal(node.disk.attempt, 1);
    node.crash();
    node.restart();
    assert.equal(node.keyGeneration.status.phase, "signed");
  }
  cluster.intercept = (message) => message;
  cluster.recover();
  cluster.assertOneKey();
});

Deno.test("a voter that names ever higher attempts is followed at a slowing pace, and named", () => {
  const cluster = createCluster();
  const node = cluster.node(1);
  node.step([]);
  for (let tick = 0; tick < 40; tick++) {
    const attempt = node.disk.attempt + 1;
    node.step([{ kind: "tick" }, {
      kind: "message",
      message: abortOf(node, attempt),
    }]);
  }
  const started = node.eventsOf("attemptStarted");
  assert.ok(started.length > 3 && started.length < 12, `${started.length} attempts`);
  assert.ok(started.slice(1).every(({ raisedBy }) => raisedBy === LIAR));
});

Deno.test("a voter that aborts is followed, and its accusation is told as its word only", () => {
  const cluster = createCluster();
  cluster.intercept = (message) =>
    message.from === LIAR && message.kind === "reveal" && message.attempt === 1
      ? { ...envelopeOf(message), kind: "abort", voter: nodeId(1), rule: "bad-share" }
      : message;
  cluster.start();
  cluster.deliver();
  const [reported] = cluster.node(2).eventsOf("faultReported");
  assert.equal(reported?.by, LIAR);
  assert.equal(reported?.voter, nodeId(1));
  assert.deepEqual(cluster.node(2).eventsOf("faultFound"), []);
  cluster.recover();
  cluster.assertOneKey();
});

Deno.test("one voter that is two, with a polynomial for each peer, is named by what they pass on", () => {
  const cluster = createCluster();
  // The second self hears everything too, and is the one that server_2 hears.
  const other = createCluster(9);
  const second = other.node(3);
  cluster.intercept = (message) => {
    if (message.to === LIAR) second.step([{ kind: "message", message }]);
    if (message.from !== LIAR) return message;
    return message.to === nodeId(2) || message.kind === "abort" ? null : message;
  };
  const deliver = () => {
    do {
      deliverFromSecondSelf(other, cluster);
      cluster.deliver();
    } while (other.network.length > 0);
  };
  cluster.start();
  second.step([]);
  deliver();
  assertNamed(cluster, ["equivocation"]);
  for (let tick = 0; tick < 10; tick++) {
    second.step([{ kind: "tick" }]);
    cluster.tick();
    deliver();
  }
  for (const node of honestNodes(cluster)) assert.equal(node.key, null);
});

Deno.test("a signed share is for good: no other attempt, no abort and no other signature moves it", () => {
  const cluster = createCluster();
  cluster.intercept = (message) => message.kind === "signed" ? null : message;
  cluster.start();
  cluster.deliver();
  const node = cluster.node(1);
  const before = structuredClone(node.disk);
  assert.ok(before.share?.signed);
  const donor = new TestKeygen(2, 3, 5);
  for (const other of donor.nodes.values()) other.disk = { ...other.disk, attempt: 1 };
  for (const other of donor.nodes.values()) other.restart();
  for (const message of donor.network.filter(({ to }) => to === node.id)) {
    assert.equal(message.attempt, 2);
    node.step([{ kind: "message", message }]);
  }
  assert.deepEqual(node.disk, before);
  assert.equal(node.keyGeneration.status.phase, "signed");
});

function createCluster(seed = 1): TestKeygen {
  const cluster = new TestKeygen(2, 3, seed);
  cluster.liars.add(LIAR);
  return cluster;
}

/** The liar gives up an attempt, and blames nobody. */
function abortOf(node: TestNode, attempt: number): Message {
  const { configuration } = node.disk;
  return {
    from: LIAR,
    to: node.id,
    configuration,
    attempt,
    kind: "abort",
    voter: null,
    rule: "bad-share",
  };
}

function honestNodes(cluster: TestKeygen): TestNode[] {
  return [cluster.node(1), cluster.node(2)];
}

/** An honest node saw the fault, by one of these rules, and no honest node blamed another. */
function assertNamed(cluster: TestKeygen, rules: readonly FaultRule[]): void {
  const faults = honestNodes(cluster).flatMap((node) => node.eventsOf("faultFound"));
  assert.ok(faults.length > 0, "nobody noticed");
  for (const { voter, rule, reason } of faults) {
    assert.equal(voter, LIAR, reason);
    assert.ok(rules.includes(rule), `${rule}: ${reason}`);
  }
}

function assertFoundBy(cluster: TestKeygen, rule: FaultRule): void {
  const faults = honestNodes(cluster).flatMap((node) => node.eventsOf("faultFound"));
  assert.ok(faults.some((fault) => fault.rule === rule), `found by ${faults[0]?.rule}`);
}

/** Every honest node gave up the first attempt, and knows because of whom: itself, or by the other. */
function assertToldToAll(cluster: TestKeygen): void {
  for (const node of honestNodes(cluster)) {
    const told = [...node.eventsOf("faultFound"), ...node.eventsOf("faultReported")];
    assert.ok(
      told.some(({ attempt, voter }) => attempt === 1 && voter === LIAR),
      `${node.id} does not know`,
    );
  }
}

function deliverFromSecondSelf(other: TestKeygen, cluster: TestKeygen): void {
  for (const message of other.network.splice(0)) {
    if (message.from !== LIAR || message.to !== nodeId(2) || message.kind === "abort") continue;
    cluster.node(2).step([{ kind: "message", message }]);
  }
}
