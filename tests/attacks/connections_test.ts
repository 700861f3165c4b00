/**
 * Connections that say nothing, or too little, to the peer port or to the API: they take nobody's place.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { decodeUtf8 } from "../../lib/bytes.ts";
import { findPeer } from "../../lib/config/cluster_config.ts";
import { CONNECTIONS_MAX } from "../../lib/http/connections.ts";
import { encodeFrame } from "../../lib/transport/frame.ts";
import { encodeHello } from "../../lib/transport/hello.ts";
import { TRANSPORT_DEFAULTS } from "../../lib/transport/settings.ts";
import type { NodeId } from "../../lib/types.ts";
import { TestCluster } from "../e2e/harness/test_cluster.ts";
import { readProcess } from "../support/read_process.ts";
import { Crowd, type CrowdOptions } from "./crowd.ts";
import { connectMember, greetAs, routeOf } from "./member.ts";
import { PATIENT_TIMING, Witness } from "./witness.ts";

/** Writes through each node while an attack goes on. */
const COMMITS = 5;
const timing = PATIENT_TIMING;
/** How many connections a crowd opens. */
const CROWD = 10_000;
/** Descriptors that a node may hold more than before: those half open, and a few in passing. */
const MORE_DESCRIPTORS_MAX = TRANSPORT_DEFAULTS.halfOpenMax + 32;

/** A crowd at each of some nodes' peer ports. */
function crowdsAt(
  cluster: TestCluster,
  ids: readonly NodeId[],
  options: Omit<CrowdOptions, "address"> & { readonly firstWordsTo?: (id: NodeId) => Uint8Array },
): Crowd[] {
  const { firstWordsTo, ...rest } = options;
  return ids.map((id) =>
    new Crowd({
      ...rest,
      address: findPeer(cluster.config, id).peer,
      ...(firstWordsTo === undefined ? {} : { firstWords: () => firstWordsTo(id) }),
    })
  );
}

Deno.test({
  name: `${CROWD} connections that say nothing keep nobody from electing and writing`,
  ignore: !hasDescriptors(CROWD),
  fn: async () => {
    await using cluster = new TestCluster({ nodes: 3, timing, logLevel: "info" });
    const { id: old, term } = await cluster.leader();
    const others = cluster.ids.filter((id) => id !== old);
    const witness = new Witness(cluster, others);
    {
      await using idle = new AsyncDisposableStack();
      const crowds = crowdsAt(cluster, cluster.ids, { connections: CROWD / cluster.ids.length });
      for (const crowd of crowds) idle.use(crowd);
      await witness.commit(COMMITS);
      for (const id of others) {
        await witness.counted(id, "connection.dropped", TRANSPORT_DEFAULTS.halfOpenMax);
      }
      await cluster.process(old).end("SIGKILL");
      await cluster.leader(term + 1, others);
      await witness.commit(COMMITS);
      witness.assertDescriptorsBounded(MORE_DESCRIPTORS_MAX);
      const held = crowds.reduce((sum, { heldMost }) => sum + heldMost, 0);
      assert.ok(held >= TRANSPORT_DEFAULTS.acceptBurstMax, `only ${held} connections`);
    }
    // Whoever was kept from connecting connects once the crowd has left.
    cluster.start(old);
    await cluster.leader(term + 1);
    await witness.commit(COMMITS, cluster.ids);
    witness.assertMemoryBounded();
  },
});

Deno.test({
  name: `${CROWD} connections that say nothing to an API keep nobody from it, and are ended`,
  ignore: !hasDescriptors(CROWD),
  fn: async () => {
    await using cluster = new TestCluster({ nodes: 3, timing, logLevel: "info" });
    const { id } = await cluster.leader();
    const witness = new Witness(cluster, [id]);
    const address = findPeer(cluster.config, id).api;
    await using crowd = new Crowd({ address, connections: CROWD });
    await witness.commit(COMMITS);
    await witness.counted(id, "api.connection_evicted", 0);
    await witness.counted(id, "api.connection_expired", 0);
    await witness.commit(COMMITS);
    witness.assertDescriptorsBounded(CONNECTIONS_MAX + 32);
    witness.assertMemoryBounded();
    assert.ok(crowd.heldMost > CONNECTIONS_MAX, `only ${crowd.heldMost} connections`);
  },
});

Deno.test("connections opened and closed at full speed keep nobody from writing", async () => {
  await using cluster = new TestCluster({ nodes: 3, timing, logLevel: "info" });
  await cluster.leader();
  const witness = new Witness(cluster, cluster.ids);
  await using coming = new AsyncDisposableStack();
  const crowds = crowdsAt(cluster, cluster.ids, { connections: CROWD, leaves: true });
  for (const crowd of crowds) coming.use(crowd);
  await witness.commit(COMMITS);
  for (const id of cluster.ids) await witness.counted(id, "connection.delayed", 0);
  await witness.commit(COMMITS);
  witness.assertDescriptorsBounded(MORE_DESCRIPTORS_MAX);
  witness.assertMemoryBounded();
});

Deno.test("handshakes that are never finished keep nobody from writing", async () => {
  await using cluster = new TestCluster({ nodes: 3, absent: 1, timing, logLevel: "info" });
  const honest = cluster.ids.slice(0, -1);
  const from = assertDefined(cluster.ids.at(-1), "a member to stand in for");
  await cluster.leader(1, honest);
  const witness = new Witness(cluster, honest);
  await using greeting = new AsyncDisposableStack();
  // Each is a genuine hello, for which the node computes an answer.
  const firstWordsTo = (to: NodeId) =>
    encodeFrame(encodeHello(greetAs(routeOf(cluster, { from, to })).hello));
  const crowds = crowdsAt(cluster, honest, { connections: 1_000, firstWordsTo });
  for (const crowd of crowds) greeting.use(crowd);
  await witness.commit(COMMITS);
  for (const id of honest) {
    await witness.counted(id, "connection.dropped", 2 * TRANSPORT_DEFAULTS.halfOpenMax);
  }
  await witness.commit(COMMITS);
  witness.assertDescriptorsBounded(MORE_DESCRIPTORS_MAX);
  witness.assertMemoryBounded();
});

Deno.test("a member that says nothing after its handshake is given up, and takes no place", async () => {
  await using cluster = new TestCluster({ nodes: 3, absent: 1, timing, logLevel: "info" });
  const honest = cluster.ids.slice(0, -1);
  const from = assertDefined(cluster.ids.at(-1), "a member to stand in for");
  await cluster.leader(1, honest);
  const witness = new Witness(cluster, honest);
  const silent = honest.map(async (to) => {
    using connection = await connectMember(routeOf(cluster, { from, to }));
    await connection.readToEnd();
  });
  await witness.commit(COMMITS);
  await Promise.all(silent);
  await witness.commit(COMMITS);
  // The member itself, when it is back, is heard like any other.
  cluster.start(from);
  await cluster.leader();
  await witness.commit(COMMITS, cluster.ids);
});

/** Whether this process may open so many files; else it cannot be as large a crowd. */
function hasDescriptors(count: number): boolean {
  if (Deno.build.os !== "linux") return false;
  const limits = decodeUtf8(readProcess(Deno.pid, "limits"));
  return Number(/^Max open files +(\d+)/m.exec(limits)?.[1]) >= count + 1_000;
}
