/**
 * What a real cluster makes of a voter that lies and of strangers at its peer ports.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { findPeer } from "../../lib/node/cluster_config.ts";
import { toConfiguration } from "../../lib/node/config_difference.ts";
import { readIdentity } from "../../lib/node/identity.ts";
import type { AppendRequest } from "../../lib/raft/mod.ts";
import { generateKeyPair, Transport, type TransportOptions } from "../../lib/transport/mod.ts";
import { type NodeId, toClusterName, toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import type { ProcessEvent } from "./harness/events.ts";
import { put } from "./harness/persistent_client.ts";
import { type Leader, TestCluster } from "./harness/test_cluster.ts";

const LIAR = toNodeId("server_3");

/** A node's own place in a cluster, its keys included. */
function placeOf(self: NodeId, cluster: TestCluster) {
  const { config } = cluster;
  return {
    self,
    cluster: config.cluster,
    channelKeys: readIdentity(cluster.keyFolder(self)).channelKeys,
    configuration: toConfiguration(config),
    listen: findPeer(config, self).peer,
    peers: config.peers.map(({ id, peer, keys: { channelKey } }) => ({ id, ...peer, channelKey })),
  };
}

/** The third voter of a cluster of three, in the test's own hands, connected to the other two. */
async function standIn(
  cluster: TestCluster,
  options: Partial<TransportOptions> = {},
): Promise<Transport> {
  const bothConnected = Promise.withResolvers<void>();
  let connected = 0;
  const transport = new Transport({
    ...placeOf(LIAR, cluster),
    onMessage: () => {},
    onPeerConnected: () => {
      if (++connected === 2) bothConnected.resolve();
    },
    ...options,
  });
  await transport.start();
  await bothConnected.promise;
  return transport;
}

function claim(to: NodeId, term: number, certificate: string | null): AppendRequest {
  return {
    kind: "appendRequest",
    from: LIAR,
    to,
    term: toTerm(term),
    previousLogIndex: toLogIndex(0),
    previousLogTerm: toTerm(0),
    entries: [],
    leaderCommit: toLogIndex(0),
    round: 1,
    certificate,
    transferTarget: null,
  };
}

const CLAIMS: Record<string, (leader: Leader) => [term: number, note: string | null]> = {
  "without a certificate": ({ term }) => [term + 1, null],
  "with another node's certificate": ({ term, certificate }) => [term, certificate],
  "with another term's certificate": ({ term, certificate }) => [term + 1, certificate],
  "with a certificate in its own name": ({ term, certificate }) => [
    term + 1,
    certificate.replace(/^leader .*$/m, `leader ${LIAR}`).replace(/^term .*$/m, `term ${term + 1}`),
  ],
};

Deno.test("a voter that claims to lead is refused and counted, and the cluster goes on", async () => {
  await using cluster = new TestCluster({ nodes: 3, absent: 1 });
  const honest = cluster.ids.filter((id) => id !== LIAR);
  const leader = await cluster.leader(1, honest);
  const follower = assertDefined(honest.find((id) => id !== leader.id), "a follower");
  const liar = await standIn(cluster);
  try {
    for (const [what, forge] of Object.entries(CLAIMS)) {
      const from = cluster.process(follower).said.length;
      liar.send(claim(follower, ...forge(leader)));
      await cluster.process(follower).said.waitFor(
        `that it refused the claim ${what}`,
        ({ event, from: claimant }) => event === "certificate.refused" && claimant === LIAR,
        { from },
      );
    }
    const status = await (await cluster.fetch(follower, "/v1/status")).json();
    assert.equal(status.leader, leader.id);
    assert.equal(status.term, leader.term);
    assert.equal(status.counters["certificate.refused"], Object.keys(CLAIMS).length);
    await putThroughEach(cluster, honest);
  } finally {
    await liar.close();
  }
});

/** The length of a frame, before it. */
function frame(length: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 + payload.length);
  new DataView(bytes.buffer).setUint32(0, length);
  bytes.set(payload, 4);
  return bytes;
}

const STRANGERS: Record<string, [bytes: Uint8Array<ArrayBuffer>, event: string]> = {
  "speaks another protocol": [encodeUtf8("GET / HTTP/1.1\r\nhost: node\r\n\r\n"), "frame.refused"],
  "announces an oversized frame": [frame(0xffff_ffff, new Uint8Array(0)), "frame.refused"],
  "sends garbage for a hello": [frame(64, new Uint8Array(64).fill(0xa5)), "hello.refused"],
};

Deno.test("strangers at a peer port are refused and counted, and the cluster goes on", async () => {
  await using cluster = new TestCluster({ nodes: 3 });
  const { id } = await cluster.leader();
  const { peer } = findPeer(cluster.config, id);
  for (const [what, [bytes, expected]] of Object.entries(STRANGERS)) {
    const from = cluster.process(id).said.length;
    using connection = await Deno.connect(peer);
    await connection.write(bytes);
    await cluster.process(id).said.waitFor(
      `that it refused who ${what}`,
      ({ event }: ProcessEvent) => event === expected,
      { from },
    );
  }
  await putThroughEach(cluster, cluster.ids);
});

Deno.test("a node of another cluster is refused by name, and the cluster goes on", async () => {
  await using cluster = new TestCluster({ nodes: 3, absent: 1 });
  const honest = cluster.ids.filter((id) => id !== LIAR);
  const { id } = await cluster.leader(1, honest);
  const foreign = new Transport({
    ...placeOf(LIAR, cluster),
    cluster: toClusterName("another"),
    onMessage: () => assert.fail("a message crossed clusters"),
  });
  await foreign.start();
  try {
    const refused = await cluster.process(id).said.waitFor(
      "that it refused another cluster",
      ({ event }) => event === "hello.refused",
    );
    assert.match(String(refused["error"]), /another/);
    await putThroughEach(cluster, honest);
  } finally {
    await foreign.close();
  }
});

Deno.test("a member's name is worth nothing without its key, and the cluster goes on", async () => {
  await using cluster = new TestCluster({ nodes: 3, absent: 1 });
  const honest = cluster.ids.filter((id) => id !== LIAR);
  const { id } = await cluster.leader(1, honest);
  for (
    const channelKeys of [generateKeyPair(), readIdentity(cluster.keyFolder(id)).channelKeys]
  ) {
    const from = cluster.process(id).said.length;
    const impostor = new Transport({
      ...placeOf(LIAR, cluster),
      channelKeys,
      onMessage: () => assert.fail("a message reached an impostor"),
      onPeerConnected: () => assert.fail("an impostor got past the handshake"),
    });
    await impostor.start();
    try {
      const refused = await cluster.process(id).said.waitFor(
        "that it refused who does not have the key",
        ({ event, error }) =>
          event === "hello.refused" && /does not have the channelKey/.test(String(error)),
        { from },
      );
      assert.equal(refused["peer"], null);
    } finally {
      await impostor.close();
    }
  }
  await putThroughEach(cluster, honest);
});

Deno.test("nodes say who differs from them in what, and work together all the same", async () => {
  await using cluster = new TestCluster({ nodes: 3, absent: 1 });
  const honest = cluster.ids.filter((id) => id !== LIAR);
  await cluster.leader(1, honest);
  const timing = { ...cluster.config.timing, heartbeatMs: 42 };
  const different = { configuration: toConfiguration({ ...cluster.config, timing }) };
  const other = await standIn(cluster, different);
  try {
    for (const id of honest) {
      const told = await cluster.process(id).said.waitFor(
        "who differs in what",
        ({ event }) => event === "configuration.different",
      );
      assert.equal(told["peer"], LIAR);
      assert.deepEqual(told["differences"], ["timing.heartbeatMs is 50 here and 42 there"]);
    }
    await putThroughEach(cluster, honest);
  } finally {
    await other.close();
  }
});

async function putThroughEach(cluster: TestCluster, ids: readonly NodeId[]): Promise<void> {
  for (const id of ids) {
    await put(cluster, id, { key: `through-${id}`, value: "x" });
  }
}
