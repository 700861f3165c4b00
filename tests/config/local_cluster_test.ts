import assert from "node:assert/strict";
import {
  ClusterConfigError,
  formatClusterConfig,
  generateLocalCluster,
  parseClusterConfig,
} from "../../lib/config/cluster_config.ts";

for (const nodes of [1, 2, 3, 5, 99, 100, 101]) {
  Deno.test(`generateLocalCluster() makes a usable cluster of ${nodes}`, () => {
    const config = generateLocalCluster({ nodes });
    assert.equal(config.threshold, Math.floor(nodes / 2) + 1);
    assert.deepEqual(parseClusterConfig(formatClusterConfig(config)), config);
  });
}

Deno.test("generateLocalCluster() places peers, APIs and etcd's clients above the base port", () => {
  const config = generateLocalCluster({ nodes: 3, threshold: 3, basePort: 9000 });
  assert.equal(config.threshold, 3);
  assert.deepEqual(config.peers.map(({ peer, api, etcd }) => [peer.port, api.port, etcd?.port]), [
    [9001, 9101, 9201],
    [9002, 9102, 9202],
    [9003, 9103, 9203],
  ]);
});

for (
  const [options, path] of [
    [{ nodes: 0 }, "--nodes"],
    [{ nodes: 102 }, "--nodes"],
    [{ nodes: NaN }, "--nodes"],
    [{ nodes: 4, threshold: 2 }, "--threshold"],
    [{ nodes: 4, threshold: 5 }, "--threshold"],
    [{ nodes: 3, basePort: 0 }, "--base-port"],
    [{ nodes: 3, basePort: 65_333 }, "--base-port"],
  ] as const
) {
  Deno.test(`generateLocalCluster() refuses ${JSON.stringify(options)}`, () => {
    assert.throws(
      () => generateLocalCluster(options),
      (error) =>
        error instanceof ClusterConfigError &&
        error.faults.map((fault) => fault.path).join() === path,
    );
  });
}
