/** Changes and elections that must not stop for ever, whoever lies, dies or was away. */

import assert from "node:assert/strict";
import type { Message } from "../../lib/raft/mod.ts";
import { nodeId } from "../support/changing_key.ts";
import { ChangingCluster } from "./changing_cluster.ts";
import type { Wanted } from "../support/changing_key.ts";

/** Nodes `n1` to `n4` make their own shares. */
function open(wanted: Wanted): ChangingCluster {
  return new ChangingCluster({ ...wanted, isReal: true, seed: 5 });
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
