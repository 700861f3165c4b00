/** Handing over between nodes that are far apart, or unequally: nobody fails, so nothing is aborted. */

import assert from "node:assert/strict";
import type { NodeId } from "../../lib/types.ts";
import { seededRandom } from "./harness.ts";
import { SlowNetwork, type SlowNetworkOptions } from "./slow_network.ts";

interface Case {
  readonly runs: number;
  readonly size: number;
  readonly threshold: number;
  readonly latencyMs: (random: () => number, from: NodeId, to: NodeId) => number;
  /** Neither hears nor says anything. */
  readonly down?: string;
  /** A live voter whose share the target has missed before. */
  readonly suspect?: string;
}

const isNear = (id: NodeId) => id === "n1" || id === "n2";

const CASES: Readonly<Record<string, Case>> = {
  "all round trips take 250 ms": { runs: 40, size: 5, threshold: 3, latencyMs: () => 125 },
  "leader and target are 1 ms apart, the others 20 to 100 ms": {
    runs: 40,
    size: 5,
    threshold: 4,
    latencyMs: (random, from, to) => isNear(from) && isNear(to) ? 0.5 : 20 + 80 * random(),
  },
  "one of five is down at t = 4, and a live voter is suspected": {
    runs: 40,
    size: 5,
    threshold: 4,
    latencyMs: (random) => 0.2 + random(),
    down: "n5",
    suspect: "n3",
  },
};

for (const [what, which] of Object.entries(CASES)) {
  Deno.test(`a transfer is not aborted where ${what}`, () => {
    const outcomes = Array.from({ length: which.runs }, (_, at) => handOver(which, at + 1));
    assert.deepEqual(outcomes.filter((outcome) => outcome !== "handedOver"), []);
  });
}

/** Lets n1 lead, and hand over to n2; what became of it. */
function handOver(which: Case, seed: number): string {
  const random = seededRandom(seed);
  const options: SlowNetworkOptions = {
    ...which,
    random,
    latencyMs: (from, to) => which.latencyMs(random, from, to),
  };
  const world = new SlowNetwork(options);
  if (which.down !== undefined) world.down.add(which.down);
  const leader = world.cluster.node("n1");
  for (let tick = 0; tick < 100 && leader.raft.state.role.name === "follower"; tick++) {
    leader.tick();
  }
  const count = which.down === undefined ? which.size : which.size - 1;
  assert.equal(world.waitForLeader(count)?.id, "n1");
  const target = world.cluster.node("n2");
  if (which.suspect !== undefined) target.suspect(which.suspect);
  world.run(1_000 + Math.floor(50 * random()));
  leader.step({ kind: "transfer", transferId: 1, target: target.id });
  world.run(5_000, () => leader.transfers.length > 0);
  world.run(1_000);
  if (leader.transfers[0]?.kind === "handedOver") {
    assert.equal(world.cluster.findLeader()?.id, "n2");
  }
  return leader.transfers[0]?.kind ?? "nothing";
}
