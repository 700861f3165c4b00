/**
 * Every node is killed at every step of a key generation, and the network loses, doubles and reorders:
 * it ends in the same key for all, in this attempt or in a clean new one.
 *
 * @module
 */

import fc from "fast-check";
import assert from "node:assert/strict";
import type { Message } from "../../lib/keygen/mod.ts";
import { seededRandom } from "../raft/harness.ts";
import { type CrashPoint, TestKeygen, type TestNode } from "./harness.ts";

const CRASHES: readonly (readonly [string, CrashPoint])[] = [
  ["before it persists", "beforePersist"],
  ["after it persisted and before it sends", "beforeSend"],
  ["after the first message that it sends", "afterFirstSend"],
  ["at its end", "afterStep"],
];

/** How many steps three nodes take when nothing goes wrong. */
const STEPS = countSteps();

for (const [when, point] of CRASHES) {
  Deno.test(`a node that dies in any step, ${when}, comes back to one key for all`, () => {
    for (let step = 0; step < STEPS; step++) {
      const cluster = new TestKeygen(2, 3);
      crashAt(cluster, step, () => point);
      runWith(cluster);
    }
  });
}

Deno.test("any node that dies while another steps comes back to one key for all", () => {
  for (let step = 0; step < STEPS; step++) {
    for (const number of [1, 2, 3]) {
      const cluster = new TestKeygen(2, 3);
      crashAt(cluster, step, (stepping) => {
        const victim = cluster.node(number);
        if (victim !== stepping) victim.crash();
        return null;
      });
      runWith(cluster);
    }
  }
});

Deno.test("a cluster that dies as a whole at any step comes back to one key for all", () => {
  for (let step = 0; step < STEPS; step++) {
    const cluster = new TestKeygen(2, 3);
    crashAt(cluster, step, (stepping) => {
      for (const node of cluster.nodes.values()) {
        if (node !== stepping) node.crash();
      }
      cluster.network = [];
      return "afterFirstSend";
    });
    runWith(cluster);
  }
});

Deno.test("a node that dies at any step twice in a row comes back to one key for all", () => {
  for (let step = 0; step < STEPS; step += 2) {
    const cluster = new TestKeygen(3, 3);
    crashAt(cluster, step, () => "beforeSend");
    cluster.start();
    cluster.deliver();
    for (const node of cluster.nodes.values()) {
      if (!node.isUp) node.restart();
    }
    crashAt(cluster, step % 7, () => "afterFirstSend");
    cluster.deliver();
    cluster.recover();
    cluster.assertOneKey();
  }
});

Deno.test("losses, repeats, reordering and crashes end in one key for all", () => {
  const check = (seed: number) => {
    const random = seededRandom(seed);
    const cluster = new TestKeygen(2, 3, seed % 50);
    cluster.crashPlan = () =>
      random() < 0.02 ? CRASHES[Math.floor(random() * CRASHES.length)]?.[1] ?? null : null;
    cluster.start();
    for (let tick = 0; tick < 25 && !cluster.isFinished; tick++) {
      deliverBadly(cluster, random);
      for (const node of cluster.nodes.values()) {
        if (node.isUp) cluster.step(node, [{ kind: "tick" }]);
        else if (random() < 0.5) node.restart();
      }
    }
    cluster.recover();
    cluster.assertOneKey();
  };
  fc.assert(fc.property(fc.nat(), check), { numRuns: 25 });
});

function runWith(cluster: TestKeygen): void {
  cluster.start();
  cluster.deliver();
  // The others go on and send into the void, as long as somebody is down.
  cluster.tick(6);
  cluster.recover();
  cluster.assertOneKey();
  const attempts = [...cluster.nodes.values()].map(({ disk }) => disk.share?.attempt);
  assert.equal(new Set(attempts).size, 1);
  assert.ok((attempts[0] ?? 0) <= 3, `attempt ${attempts[0]}`);
}

/** Dies once, at the step with this number, as `how` says. */
function crashAt(
  cluster: TestKeygen,
  step: number,
  how: (stepping: TestNode) => CrashPoint | null,
): void {
  let count = 0;
  cluster.crashPlan = (node) => count++ === step ? how(node) : null;
}

function countSteps(): number {
  const cluster = new TestKeygen(2, 3);
  let count = 0;
  cluster.crashPlan = () => {
    count++;
    return null;
  };
  cluster.start();
  cluster.deliver();
  assert.ok(cluster.isFinished);
  return count;
}

/** Takes what is under way in any order, losing some and repeating some. */
function deliverBadly(cluster: TestKeygen, random: () => number): void {
  const underWay: Message[] = cluster.network;
  cluster.network = [];
  while (underWay.length > 0) {
    const at = Math.floor(random() * underWay.length);
    const [message] = underWay.splice(at, 1);
    if (message === undefined || random() < 0.15) continue;
    cluster.receive(message);
    if (random() < 0.15) cluster.network.push(message);
  }
}
