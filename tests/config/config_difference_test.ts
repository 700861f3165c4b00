import { ed25519 } from "@noble/curves/ed25519.js";
import assert from "node:assert/strict";
import { encodeHex, encodeUtf8 } from "../../lib/bytes.ts";
import {
  type ClusterConfig,
  generateLocalCluster,
  parseClusterConfig,
} from "../../lib/config/cluster_config.ts";
import { PEERS_MAX } from "../../lib/config/cluster_config_schema.ts";
import {
  describeDifferences,
  DIFFERENCES_MAX,
  toConfiguration,
} from "../../lib/config/config_difference.ts";
import { CONFIGURATION_BYTES_MAX } from "../../lib/transport/mod.ts";
import { toClusterName, toNodeId } from "../../lib/types.ts";

const config = generateLocalCluster({ nodes: 3 });

function differences(theirs: ClusterConfig): readonly string[] {
  return describeDifferences(config, toConfiguration(theirs).text);
}

function withPeer(index: number, change: Partial<ClusterConfig["peers"][number]>): ClusterConfig {
  const peers = config.peers.map((peer, at) => at === index ? { ...peer, ...change } : peer);
  return { ...config, peers };
}

Deno.test("toConfiguration() knows no difference in form, order or defaults", () => {
  const text = `{ "peers": [ { "api": "h:2", "peer": "h:1", "id": "a" } ],
    "threshold": 1, "cluster": "c" }`;
  const full = `{"cluster":"c","threshold":1,"peers":[{"id":"a","peer":"h:1","api":"h:2"}],` +
    `"timing":{"signingTimeoutMs":100,"heartbeatMs":50,"electionTimeoutMs":500}}`;
  assert.deepEqual(
    toConfiguration(parseClusterConfig(text)),
    toConfiguration(parseClusterConfig(full)),
  );
});

Deno.test("toConfiguration() has the SHA-256 of a text that anyone can make", () => {
  const { text, digest } = toConfiguration(generateLocalCluster({ nodes: 1 }));
  assert.equal(
    new TextDecoder().decode(text),
    '{"cluster":"floe-local","threshold":1,"peers":[{"id":"server_1","peer":"127.0.0.1:7101",' +
      '"api":"127.0.0.1:7201","etcd":"127.0.0.1:7301"}],"timing":{"heartbeatMs":50,"electionTimeoutMs":500,' +
      '"signingTimeoutMs":100},"log":{"entriesMax":25000,"bytesMax":33554432},' +
      '"history":{"changesMax":100000,"bytesMax":33554432,"ageSecondsMax":null}}',
  );
  assert.equal(digest.length, 32);
});

Deno.test("the largest configuration fits into an introduction", () => {
  const label = "x".repeat(63);
  const hostname = [label, label, label, "y".repeat(61)].join(".");
  const peers = Array.from({ length: PEERS_MAX }, (_, index) => ({
    id: toNodeId(`${index}`.padEnd(64, "z")),
    peer: { hostname, port: 10_000 + index },
    api: { hostname, port: 20_000 + index },
    etcd: { hostname, port: 30_000 + index },
    keys: {
      signingKey: new Uint8Array(32).fill(index),
      channelKey: new Uint8Array(32).fill(index + 1),
    },
  }));
  const cluster = toClusterName("c".repeat(64));
  assert.ok(toConfiguration({ ...config, cluster, peers }).text.length <= CONFIGURATION_BYTES_MAX);
});

Deno.test("describeDifferences() says nothing of what is the same", () => {
  assert.deepEqual(differences(config), []);
});

Deno.test("describeDifferences() names each place and both values", () => {
  for (
    const [theirs, expected] of [
      [{ ...config, threshold: 3 }, ["threshold is 2 here and 3 there"]],
      [withPeer(1, { api: { hostname: "h", port: 9 } }), [
        'peers[1].api is "127.0.0.1:7202" here and "h:9" there',
      ]],
      [{ ...config, timing: { ...config.timing, heartbeatMs: 40 } }, [
        "timing.heartbeatMs is 50 here and 40 there",
      ]],
      [{ ...config, peers: config.peers.slice(0, 2) }, [
        'peers[2].id is "server_3" here and absent there',
        'peers[2].peer is "127.0.0.1:7103" here and absent there',
        'peers[2].api is "127.0.0.1:7203" here and absent there',
        'peers[2].etcd is "127.0.0.1:7303" here and absent there',
      ]],
    ] as const
  ) {
    assert.deepEqual(differences(theirs), expected);
  }
});

Deno.test("describeDifferences() tells keys that one pins and the other does not", () => {
  const peers = config.peers.map((peer, index) => ({
    ...peer,
    keys: {
      signingKey: ed25519.getPublicKey(new Uint8Array(32).fill(index)),
      channelKey: new Uint8Array(32).fill(0x21 + index),
    },
  }));
  const told = differences({ ...config, peers });
  assert.equal(told.length, 6);
  const key = encodeHex(peers[0]?.keys.signingKey ?? new Uint8Array());
  assert.equal(told[0], `peers[0].signingKey is absent here and "${key}" there`);
});

Deno.test("describeDifferences() tells no more than so many, and how many it left out", () => {
  const theirs = { ...config, peers: config.peers.toReversed(), threshold: 3 };
  const many = generateLocalCluster({ nodes: 20 });
  assert.equal(differences(theirs).length, 1 + 8);
  const told = differences(many);
  assert.equal(told.length, DIFFERENCES_MAX + 1);
  assert.equal(told.at(-1), "and 59 more");
});

Deno.test("describeDifferences() takes whatever comes", () => {
  for (const text of ["", "null", "[".repeat(100_000), "{}", '{"peers":7}', "\ufffd"]) {
    assert.deepEqual(describeDifferences(config, encodeUtf8(text)), [
      "its configuration cannot be read here",
    ]);
  }
  assert.deepEqual(describeDifferences(config, new Uint8Array([0xff])), [
    "its configuration cannot be read here",
  ]);
});
