/**
 * A node is killed wherever it writes or sends, and started again: all end in one key. The network, the
 * files and the timers are real; only the process is not.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Killed, LiveCluster, type LiveNode, type Point } from "./harness.ts";

/** Each of three nodes writes three times at least, and sends five messages to each of two peers. */
const POINTS_MIN = 2 * 3 + 2 * 10;

Deno.test("a node killed wherever it writes or sends comes back to one key for all", async () => {
  // How often it writes depends on what arrives together; so until there is no such point.
  let at = 0;
  for (; await comesBackFrom(at); at++);
  assert.ok(at >= POINTS_MIN, `only ${at} points`);
});

Deno.test("nodes that all die when one of them writes come back to one key for all", async () => {
  for (const write of [0, 1, 2]) {
    await using cluster = new LiveCluster(3);
    const death = killAt(cluster.node(1), nthOf("afterPersist", write));
    cluster.start();
    await death;
    for (const node of cluster.nodes) await node.kill();
    cluster.node(1).atPoint = () => {};
    cluster.start();
    await cluster.finished();
    cluster.assertOneKey();
  }
});

/** Kills the second of three nodes at its point with this number; false when there was none. */
async function comesBackFrom(at: number): Promise<boolean> {
  await using cluster = new LiveCluster(3);
  const victim = cluster.node(2);
  let count = 0;
  const death = killAt(victim, () => count++ === at);
  cluster.start();
  const hasDied = await Promise.race([death, victim.finished.then(() => false, () => true)]);
  if (hasDied) {
    await victim.kill();
    victim.atPoint = () => {};
    victim.start();
  }
  await cluster.finished();
  cluster.assertOneKey();
  return hasDied;
}

/** Resolves once the node has died, at the first point that `isDeadly`. */
function killAt(node: LiveNode, isDeadly: (point: Point) => boolean): Promise<true> {
  const { promise, resolve } = Promise.withResolvers<true>();
  node.atPoint = (point) => {
    if (!isDeadly(point)) return;
    resolve(true);
    throw new Killed();
  };
  return promise;
}

function nthOf(point: Point, number: number): (at: Point) => boolean {
  let count = 0;
  return (at) => at === point && count++ === number;
}
