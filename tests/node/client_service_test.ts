import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { CertificateError } from "../../lib/certificate/mod.ts";
import { generateLocalCluster, type PinnedClusterConfig } from "../../lib/config/cluster_config.ts";
import { EnvironmentError } from "../../lib/errors.ts";
import { Store } from "../../lib/kv/mod.ts";
import { RequestError } from "../../lib/node/api.ts";
import { ClusterMembers } from "../../lib/node/cluster_members.ts";
import { ClientService, type ClientServiceParts } from "../../lib/node/client_service.ts";
import { LiveStore } from "../../lib/node/live_store.ts";
import { Observer } from "../../lib/node/observer.ts";
import type { Input } from "../../lib/raft/mod.ts";
import { toLogIndex, toTerm } from "../../lib/types.ts";
import { createTestDoubles, nodeId } from "../certificate/cluster.ts";
import { fakeGroup } from "../http/fake_reports.ts";
import { bytes, entryOf, putCommand } from "../kv/support.ts";
import { NO_OUTPUT, TestCluster } from "../raft/harness.ts";
import { withLostState } from "../raft/left_behind.ts";

const TIMEOUT_MS = 60_000;
const PUT = putCommand("a", "1");

Deno.test("view() answers a stale read from what the node has, and asks nobody", async () => {
  const { service, live, inputs } = createService();
  live.apply([entryOf(1, putCommand("a", "x"))]);
  const view = await service.view({ consistency: "stale", timeoutMs: 0 });
  assert.deepEqual(view.get(bytes("a"))?.value, bytes("x"));
  assert.equal(view.appliedIndex, 1);
  assert.deepEqual(inputs, []);
});

Deno.test("view() waits for the core to confirm every other read", async () => {
  for (const consistency of ["linearizable", "lease"] as const) {
    const { service, inputs } = createService();
    const read = service.view({ consistency, timeoutMs: TIMEOUT_MS });
    assert.deepEqual(inputs, [{ kind: "read", readId: 1, lease: consistency === "lease" }]);
    const readIndex = toLogIndex(0);
    service.handle({ ...NO_OUTPUT, reads: [{ kind: "ready", readId: 1, readIndex }] });
    assert.equal((await read).appliedIndex, 0);
  }
});

Deno.test("tokens() waits for the core to confirm it", async () => {
  const { service, inputs } = createService();
  const tokens = service.tokens({ timeoutMs: TIMEOUT_MS });
  assert.deepEqual(inputs, [{ kind: "read", readId: 1, lease: false }]);
  const readIndex = toLogIndex(0);
  service.handle({ ...NO_OUTPUT, reads: [{ kind: "ready", readId: 1, readIndex }] });
  assert.deepEqual(await tokens, []);
});

Deno.test("write() resolves with its result once the entry is applied", async () => {
  const { service, live, inputs } = createService();
  const write = service.write(PUT, { timeoutMs: TIMEOUT_MS });
  const [input] = inputs;
  assert.ok(input?.kind === "propose");
  const place = { index: toLogIndex(1), term: toTerm(1) };
  service.handle({ ...NO_OUTPUT, accepted: [{ proposalId: input.proposalId, ...place }] });
  const entry = { ...place, kind: "command" as const, data: input.command };
  service.applied([entry], live.apply([entry]));
  const { result, isReplay } = await write;
  assert.deepEqual([result.kind, isReplay], ["transaction", false]);
});

Deno.test("a certificate that cannot be trusted stops the node, and is not shown", () => {
  const damage = new EnvironmentError("Cannot read kv.db");
  const broken = () => {
    throw damage;
  };
  const { service, failures } = createService({
    certificates: { election: broken, elections: broken },
  });
  assert.throws(() => service.election(toTerm(1)), isStopping);
  assert.throws(() => service.elections({ limit: 1 }), isStopping);
  assert.deepEqual(failures, [damage, damage]);
});

Deno.test("stop() answers whoever waits, and refuses whoever asks after it", async () => {
  const { service } = createService();
  const write = service.write(PUT, { timeoutMs: TIMEOUT_MS });
  const read = service.view({ consistency: "linearizable", timeoutMs: TIMEOUT_MS });
  const transfer = service.transferLeadership(null);
  service.stop();
  for (const waiting of [write, read, transfer]) await assert.rejects(waiting, isStopping);
  assert.throws(() => service.write(PUT, { timeoutMs: TIMEOUT_MS }), isStopping);
  assert.throws(() => service.transferLeadership(null), isStopping);
  assert.throws(() => service.token("t"), isStopping);
  assert.throws(() => service.election(toTerm(1)), isStopping);
  assert.equal(service.status().id, nodeId(1), "what is known needs no running node");
});

Deno.test("stopServing() answers every request at once, and a hand-over still goes on", async () => {
  const { service, cluster, inputs } = createService();
  cluster.elect("server_1");
  const write = service.write(PUT, { timeoutMs: TIMEOUT_MS });
  const read = service.view({ consistency: "linearizable", timeoutMs: TIMEOUT_MS });
  const refused = { name: "RequestError", code: "stopping" };
  const refusals = [
    assert.rejects(write, { ...refused, maybeApplied: true }),
    assert.rejects(read, refused),
  ];
  service.stopServing();
  await Promise.all(refusals);
  assert.throws(() => service.transferLeadership(null), refused);

  const handedOver = service.handOver(nodeId(2));
  assert.equal(inputs.at(-1)?.kind, "transfer");
  service.stop();
  await assert.rejects(handedOver, refused);
});

Deno.test("status() tells a leader's view of its followers, and everything that was counted", () => {
  const { service, cluster } = createService();
  assert.deepEqual(service.status().peers.map(({ matchIndex }) => matchIndex), [null, null]);
  cluster.elect("server_1");
  const { role, term, leader, lastLogIndex, peers, counters } = service.status();
  assert.deepEqual([role, term, leader, lastLogIndex], ["leader", 1, nodeId(1), 1]);
  assert.deepEqual(peers, [
    { id: nodeId(2), connected: true, matchIndex: toLogIndex(1) },
    { id: nodeId(3), connected: false, matchIndex: toLogIndex(1) },
  ]);
  assert.deepEqual(counters, { "inbox.dropped": 3, "frame.refused": 4 });
});

Deno.test("status() tells a follower's view of how far its leader is, once it has heard one", () => {
  const { service, cluster } = createService();
  assert.equal(service.status().leaderCommitIndex, null);
  const leader = cluster.elect("server_2");
  cluster.tick(2);
  const { commitIndex } = leader.raft.state;
  assert.deepEqual([service.status().leaderCommitIndex, commitIndex], [1, 1]);
  assert.equal(service.status().trouble, null);
});

Deno.test("status() tells of a node that lost its data", () => {
  const { service } = createService({ state: withLostState().lost.raft.state });
  assert.match(service.status().trouble ?? "", /its data were lost/);
});

Deno.test("leader() tells where the leader's API is, with its certificate, once it is known", () => {
  const { service, cluster } = createService();
  assert.deepEqual(service.leader(), { leader: null, term: 0, api: null, certificate: null });
  const { certificate } = cluster.elect("server_2").raft.state;
  const known = service.leader();
  assert.deepEqual([known.leader, known.term, known.api], [nodeId(2), 1, "127.0.0.1:7302"]);
  assert.equal(known.certificate?.note, certificate?.note);
});

Deno.test("elections() and election() show certificates that verify", () => {
  const { service, cluster, notes } = createService();
  assert.equal(service.election(toTerm(1)), null);
  const { certificate } = cluster.elect("server_2").raft.state;
  const { note } = assertDefined(certificate, "no certificate");
  notes.push(note);
  assert.equal(service.election(toTerm(1))?.note, note);
  assert.deepEqual(service.elections({ limit: 1 }).map(({ leader }) => leader), [nodeId(2)]);
  notes[0] = note.replace("leader server_2", "leader server_1");
  assert.throws(() => service.election(toTerm(1)), CertificateError);
});

Deno.test("keyGeneration() tells of peers what the connections know", () => {
  const report = createService().service.keyGeneration();
  assert.equal(report.phase, "dealt");
  assert.deepEqual(
    report.peers.map(({ id, connected, configuration }) => [id, connected, configuration]),
    [[nodeId(2), true, "equal"], [nodeId(3), false, "unknown"]],
  );
});

function isStopping(error: unknown): boolean {
  return error instanceof RequestError && error.code === "stopping";
}

/** The service of `server_1` of three, with a record of what it asks of its node. */
function createService(parts: Partial<ClientServiceParts> = {}) {
  const certifiers = createTestDoubles({ threshold: 2, voters: 3 });
  const cluster = new TestCluster({ size: 3, certifiers });
  const { certifier, raft: { state } } = cluster.node("server_1");
  const live = new LiveStore(new Store());
  const inputs: Input[] = [];
  const failures: unknown[] = [];
  const notes: string[] = [];
  const service = new ClientService({
    members: new ClusterMembers({ config: createConfig(), group: fakeGroup }, null),
    genesis: null,
    founding: null,
    certifier,
    state,
    live,
    certificates: { election: () => notes[0] ?? null, elections: () => notes },
    evidence: { report: { twoLeaders: [], refusedCount: 0, lastRefused: null } },
    network: {
      isConnected: (peer) => peer === nodeId(2),
      isConfigurationEqual: (peer) => peer === nodeId(2) ? true : null,
      sendLease: () => false,
      counters: { "frame.refused": 4 },
    },
    counters: () => ({ "inbox.dropped": 3 }),
    watchCluster: () => ({ read: () => [], end: () => {} }),
    saveSnapshot: () => Promise.reject(new Error("no snapshot here")),
    observer: new Observer(),
    figures: () => ({ ...new Observer().figures, spareNonces: 0 }),
    submit: (input) => inputs.push(input),
    fail: (error) => failures.push(error),
    ...parts,
  });
  return { service, cluster, live, inputs, failures, notes };
}

function createConfig(): PinnedClusterConfig {
  const config = generateLocalCluster({ nodes: 3, basePort: 7200 });
  const keys = { signingKey: new Uint8Array(32), channelKey: new Uint8Array(32) };
  return { ...config, peers: config.peers.map((peer) => ({ ...peer, keys })) };
}
