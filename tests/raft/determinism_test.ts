import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { propose, seededRandom, TestCluster } from "./harness.ts";

/** Runs a cluster through losses, restarts and proposals drawn from a seed; a digest of all it did. */
function run(seed: number): string {
  const random = seededRandom(seed);
  const cluster = new TestCluster({ size: 5, random: seededRandom(seed + 1) });
  const digest = createHash("sha256");
  cluster.intercept = (message) => {
    digest.update(JSON.stringify(message, (_, value) => {
      return value instanceof Uint8Array ? value.toHex() : value;
    }));
    return random() < 0.1 ? null : message;
  };
  const nodes = [...cluster.nodes.values()];
  for (let step = 0; step < 400; step++) {
    const node = nodes[Math.floor(random() * nodes.length)] ?? cluster.node("n1");
    if (random() < 0.02) node.restart();
    if (random() < 0.3) propose(node, `command ${step}`, step);
    cluster.tick();
  }
  for (const node of nodes) {
    digest.update(JSON.stringify([node.disk.load().hardState, node.applied.length]));
    digest.update(JSON.stringify(node.events));
  }
  assert.ok(
    nodes.some(({ appliedCommands }) => appliedCommands.length > 10),
    "the run did something",
  );
  return digest.digest("hex");
}

Deno.test("Raft is deterministic: the same seed and inputs give byte-identical outputs", () => {
  assert.equal(run(42), run(42));
});

Deno.test("Raft depends on its inputs: another seed gives another run", () => {
  assert.notEqual(run(42), run(43));
});
