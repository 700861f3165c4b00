/**
 * What a real cluster makes of a voter that lies and of strangers at its peer ports.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { findPeer } from "../../lib/config/cluster_config.ts";
import { toConfiguration } from "../../lib/config/config_difference.ts";
import { readIdentity } from "../../lib/keys/identity.ts";
import type { AppendRequest } from "../../lib/raft/mod.ts";
import type { Address } from "../../lib/address.ts";
import { generateKeyPair, Transport, type TransportOptions } from "../../lib/transport/mod.ts";
import { type NodeId, toClusterName, toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { readToEnd, writeAll } from "../transport/raw_peer.ts";
import { type ProcessEvent, WAIT_TIMEOUT_MS } from "./harness/events.ts";
import { ask, leaderNow, put } from "./harness/persistent_client.ts";
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
  const connected = new Set<NodeId>();
  const transport = new Transport({
    ...placeOf(LIAR, cluster),
    onMessage: () => {},
    onPeerConnected: (peer) => {
      if (connected.add(peer).size === 2) bothConnected.resolve();
    },
    ...options,
  });
  transport.start();
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
    matchIndex: toLogIndex(0),
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
  await cluster.leader(1, honest);
  const liar = await standIn(cluster);
  const before = await leaderNow(cluster, honest);
  try {
    const least = Object.keys(CLAIMS).length;
    let [claims, refused] = [0, 0];
    for (const what of Object.keys(CLAIMS)) {
      do claims += 1; while (!await isRefused(cluster, { liar, honest, what }));
    }
    for (const id of honest) {
      const { term, leader, counters } = JSON.parse(
        (await ask(cluster, id, { path: "/v1/status" })).text,
      );
      refused += counters["certificate.refused"];
      assert.notEqual(leader, LIAR);
      // A term passes where the machine is slow and somebody asks to be elected, not by a claim.
      if (term !== before.term || leader !== before.id) {
        await Promise.any(honest.map((id) =>
          cluster.process(id).said.waitFor(
            `that it asked to be elected after term ${before.term}`,
            (said) => said.event === "prevote.started" && said["term"] === before.term + 1,
          )
        ));
      }
    }
    assert.ok(refused >= least && refused <= claims, `${refused} refusals of ${claims} claims`);
    await putThroughEach(cluster, honest);
  } finally {
    await liar.close();
  }
});

/** Claims to lead. Whether that was refused; if not, somebody was elected before it was looked at. */
async function isRefused(
  cluster: TestCluster,
  { liar, honest, what }: {
    readonly liar: Transport;
    readonly honest: readonly NodeId[];
    readonly what: string;
  },
): Promise<boolean> {
  const from = new Map(honest.map((id) => [id, cluster.process(id).said.length]));
  const leader = await leaderNow(cluster, honest);
  const follower = assertDefined(honest.find((id) => id !== leader.id), "a follower");
  const forge = assertDefined(CLAIMS[what], what);
  liar.send(claim(follower, ...forge(leader)));
  const isRefusal = ({ event, from: claimant }: ProcessEvent) =>
    event === "certificate.refused" && claimant === LIAR;
  const isElection = ({ event, term, leader: elected }: ProcessEvent) =>
    event === "role" && elected !== null && Number(term) > leader.term;
  const answer = await cluster.process(follower).said.waitFor(
    `that it refused the claim ${what}`,
    (event) => isRefusal(event) || isElection(event),
    { from: from.get(follower) ?? 0 },
  );
  return isRefusal(answer);
}

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
    const { said } = cluster.process(id);
    const from = said.length;
    const count = async () =>
      JSON.parse((await ask(cluster, id, { path: "/v1/status" })).text).counters[expected];
    const before = await count();
    const deadline = AbortSignal.timeout(WAIT_TIMEOUT_MS);
    // Who was too slow to speak in time is not heard, and comes again.
    do {
      assert.ok(!deadline.aborted, `${id} never counted that it refused who ${what}`);
      await knock(peer, bytes);
    } while (await count() === before);
    await said.waitFor(
      `that it refused who ${what}`,
      ({ event }: ProcessEvent) => event === expected,
      { from },
    );
  }
  await putThroughEach(cluster, cluster.ids);
});

/** Says something, and reads to the end, which the node makes whatever becomes of it. */
async function knock(address: Address, bytes: Uint8Array): Promise<void> {
  using connection = await Deno.connect({ ...address });
  try {
    await writeAll(connection, bytes);
  } catch (error) {
    const isHangUp = error instanceof Deno.errors.BrokenPipe ||
      error instanceof Deno.errors.ConnectionReset;
    if (!isHangUp) throw error;
  }
  await readToEnd(connection);
}

Deno.test("a node of another cluster is refused by name, and the cluster goes on", async () => {
  await using cluster = new TestCluster({ nodes: 3, absent: 1 });
  const honest = cluster.ids.filter((id) => id !== LIAR);
  const { id } = await cluster.leader(1, honest);
  const foreign = new Transport({
    ...placeOf(LIAR, cluster),
    cluster: toClusterName("another"),
    onMessage: () => assert.fail("a message crossed clusters"),
  });
  foreign.start();
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
    impostor.start();
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
