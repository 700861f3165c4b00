import assert from "node:assert/strict";
import { toClusterName, toEpoch, toLogIndex, toNodeId, toTerm } from "../../lib/types.ts";
import { createTestDoubles, electionFields } from "../certificate/cluster.ts";
import { certify } from "../certificate/election.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";
import { createCertifierDouble } from "../support/certifier_double.ts";
import { seededRandom, TestCluster } from "./harness.ts";
import { appendRequest, heartbeat } from "./messages.ts";
import { ELECTION_TIMEOUT_TICKS, type TestNode } from "./test_node.ts";

/** The proof that whoever claims to lead does, and who is followed without it: nobody. */

Deno.test("every node verifies the leader's certificate and keeps it in the same write", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  for (const name of ["n2", "n3"]) {
    const node = cluster.node(name);
    assert.equal(node.eventsOf("certificateVerified").length, 1);
    const written = node.persisted.filter(({ certificates }) => certificates.length > 0);
    assert.deepEqual(written.flatMap(({ certificates }) => certificates.map(({ term }) => term)), [
      1,
      1,
    ], "from the message, and from the log's no-op");
  }
});

const CERTIFICATES_REFUSED: Record<string, (leader: TestNode) => string | null> = {
  "no certificate": () => null,
  "another node's certificate": (leader) => leader.raft.state.certificate?.note ?? null,
  "no note at all": () => "trust me",
  "a certificate with a flipped signature": (leader) => {
    const note = leader.raft.state.certificate?.note ?? "";
    return note.replace(/(.)(=*\n)$/, (_, letter, end) => (letter === "A" ? "B" : "A") + end);
  },
};

for (const [what, forge] of Object.entries(CERTIFICATES_REFUSED)) {
  Deno.test(`a node that claims to lead with ${what} is refused and changes nothing`, () => {
    const cluster = new TestCluster({ size: 3 });
    const leader = cluster.elect("n1");
    const follower = cluster.node("n2");
    for (const term of [leader.raft.state.currentTerm, leader.raft.state.currentTerm + 1]) {
      const elapsed = follower.raft.state.electionElapsedTicks;
      follower.receive(heartbeat({ from: "n3", to: "n2", term, note: forge(leader) }));
      assert.equal(follower.raft.state.currentTerm, 1);
      assert.equal(follower.raft.state.certificate?.leader, "n1");
      assert.equal(follower.raft.state.electionElapsedTicks, elapsed, "no timer is reset");
    }
    assert.equal(follower.eventsOf("certificateRefused").length, 2);
  });
}

Deno.test("a leader's certificate of an earlier term does not let it lead a later one", () => {
  const cluster = new TestCluster({ size: 3 });
  const old = cluster.elect("n1");
  const note = old.raft.state.certificate?.note ?? null;
  cluster.elect("n2");
  const follower = cluster.node("n3");
  const { currentTerm } = follower.raft.state;
  follower.receive(heartbeat({ from: old.id, to: "n3", term: currentTerm + 1, note }));
  assert.equal(follower.raft.state.currentTerm, currentTerm);
  assert.equal(follower.eventsOf("certificateRefused").length, 1);
});

Deno.test("a certificate of another cluster is refused", () => {
  const cluster = new TestCluster({ size: 3 });
  const voters = ["n1", "n2", "n3"].map((id, at) => ({ id: toNodeId(id), identifier: at + 1 }));
  const foreign = createCertifierDouble({
    cluster: toClusterName("other"),
    epoch: toEpoch(1),
    threshold: 1,
    voters,
    self: toNodeId("n1"),
    randomBytes: seededBytes(9),
  });
  const election = {
    epoch: toEpoch(1),
    term: toTerm(1),
    leader: toNodeId("n1"),
    lastLogIndex: toLogIndex(0),
    lastLogTerm: toTerm(0),
  };
  const commitment = foreign.commit({ term: toTerm(1), candidate: toNodeId("n1") });
  const request = { election, commitments: [{ voter: toNodeId("n1"), commitment }] };
  const share = foreign.sign(foreign.takeNonce(request));
  const result = foreign.combine(request, new Map([[toNodeId("n1"), share]]));
  assert.equal(result.kind, "certificate");
  const note = result.kind === "certificate" ? result.certificate.note : null;
  cluster.node("n2").receive(heartbeat({ from: "n1", to: "n2", term: 1, note }));
  assert.equal(cluster.node("n2").raft.state.currentTerm, 0);
  assert.match(cluster.node("n2").eventsOf("certificateRefused")[0]?.reason ?? "", /other/);
});

Deno.test("a follower that lost the certificate is sent it again", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  cluster.tick(2);
  const follower = cluster.node("n2");
  const { hardState, entries } = follower.disk.load();
  follower.disk.prepare({ hardState, entries });
  follower.restart();
  assert.equal(follower.raft.state.report().leader, null);
  cluster.tick(6);
  assert.equal(follower.raft.state.report().leader, leader.id);
});

Deno.test("a follower knows its leader after a restart, from the stored certificate", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  cluster.node("n2").restart();
  assert.equal(cluster.node("n2").raft.state.certificate?.leader, "n1");
});

Deno.test("a leader that restarts does not lead its term again", () => {
  const cluster = new TestCluster({ size: 3, random: seededRandom(3) });
  cluster.tick(4 * ELECTION_TIMEOUT_TICKS);
  const leader = cluster.findLeader();
  assert.ok(leader !== null);
  const term = leader.raft.state.currentTerm;
  leader.restart();
  assert.deepEqual(leader.raft.state.report(), {
    role: "follower",
    term,
    leader: null,
    certificate: null,
  });
  cluster.tick(6 * ELECTION_TIMEOUT_TICKS);
  assert.ok((cluster.findLeader()?.raft.state.currentTerm ?? 0) > term);
});

Deno.test("a certificate of another epoch makes no leader", () => {
  const cluster = new TestCluster({ size: 3 });
  const certifiers = [1, 2].map((epoch) =>
    createCertifierDouble({
      cluster: toClusterName("test"),
      epoch: toEpoch(epoch),
      threshold: 1,
      voters: ["n1", "n2", "n3"].map((id, at) => ({ id: toNodeId(id), identifier: at + 1 })),
      self: toNodeId("n1"),
      randomBytes: seededBytes(epoch),
    })
  );
  for (const [at, certifier] of certifiers.entries()) {
    const election = {
      epoch: certifier.epoch,
      term: toTerm(at + 1),
      leader: toNodeId("n1"),
      lastLogIndex: toLogIndex(0),
      lastLogTerm: toTerm(0),
    };
    const commitment = certifier.commit({ term: election.term, candidate: election.leader });
    const request = { election, commitments: [{ voter: election.leader, commitment }] };
    const share = certifier.sign(certifier.takeNonce(request));
    const result = certifier.combine(request, new Map([[election.leader, share]]));
    const note = result.kind === "certificate" ? result.certificate.note : null;
    const claim = heartbeat({ from: election.leader, to: "n2", term: election.term, note });
    cluster.node("n2").receive(claim);
  }
  assert.equal(cluster.node("n2").raft.state.currentTerm, 1, "the first is of this epoch");
  assert.match(cluster.node("n2").eventsOf("certificateRefused")[0]?.reason ?? "", /epoch 2/);
});

Deno.test("a leader's second certificate entry in a term is refused before it is checked", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const follower = cluster.node("n2");
  const [certificate] = leader.raft.state.log.slice(toLogIndex(1), toLogIndex(1));
  assert.ok(certificate?.kind === "certificate");
  follower.receive(appendRequest(leader, "n2", {
    previousLogIndex: toLogIndex(1),
    previousLogTerm: toTerm(1),
    entries: [{ ...certificate, index: toLogIndex(2) }],
  }));
  assert.equal(follower.raft.state.log.last.index, 1);
  assert.match(
    follower.eventsOf("messageRefused")[0]?.reason ?? "",
    /not the first entry of term 1/,
  );
});

Deno.test("a follower keeps the commit index that its leader names, though it lacks the entries", () => {
  const cluster = new TestCluster({ size: 3 });
  const leader = cluster.elect("n1");
  const follower = cluster.node("n2");
  const route = { from: "n1", to: "n2", term: leader.raft.state.currentTerm, note: null };
  const committed = follower.raft.state.commitIndex;
  follower.receive(heartbeat(route, { leaderCommit: toLogIndex(5_000) }));
  assert.equal(follower.raft.state.leaderCommit, 5_000);
  assert.equal(follower.raft.state.commitIndex, committed);
  follower.receive(heartbeat({ ...route, from: "n3" }, { leaderCommit: toLogIndex(9_000) }));
  assert.equal(follower.raft.state.leaderCommit, 5_000, "nobody else's word counts");
});

Deno.test("a leader that was elected without what is committed here is refused, and says nothing", () => {
  const cluster = new TestCluster({ size: 3 });
  const restored = cluster.node("n3");
  const position = { index: toLogIndex(50), term: toTerm(0) };
  restored.disk.persist({
    sequence: 1,
    hardState: null,
    logStart: { position, keepsRest: false, members: null },
    entries: [],
    certificates: [],
    grants: null,
  });
  restored.applied.push({ ...position, kind: "command", data: new Uint8Array() });
  restored.restart();
  cluster.elect("n1");
  assert.equal(restored.raft.state.certificate, null);
  assert.equal(restored.raft.state.log.last.index, 50);
  const [refused] = restored.eventsOf("certificateRefused");
  assert.match(refused?.reason ?? "", /ended at entry 0 when it was elected, and entry 50 is/);
});

/** A certificate of another leader: the certifiers' copies sign once more, as voters that lie would. */
function secondCertificate(term: number, leader: string): string {
  const certifiers = createTestDoubles({ threshold: 2, voters: 3, seed: 2 });
  const [epoch, lastLogTerm] = [1, 0];
  const fields = electionFields({ term, leader: toNodeId(leader), epoch });
  const position = { lastLogIndex: toLogIndex(9), lastLogTerm: toTerm(lastLogTerm) };
  return certify(certifiers, [0, 1], { ...fields, ...position });
}

function clusterOfDoubles(): TestCluster {
  const certifiers = createTestDoubles({ threshold: 2, voters: 3 });
  return new TestCluster({ size: 3, certifiers });
}

Deno.test("a second certificate of a term is not followed, and is reported to be kept", () => {
  const cluster = clusterOfDoubles();
  const { currentTerm: term } = cluster.elect("server_1").raft.state;
  const note = secondCertificate(term, "server_3");
  // The leader itself, and a follower.
  for (const name of ["server_1", "server_2"]) {
    const node = cluster.node(name);
    node.receive(heartbeat({ from: "server_3", to: name, term, note }));
    assert.equal(node.raft.state.certificate?.leader, "server_1");
    assert.deepEqual(node.eventsOf("certificateSeen").map((seen) => seen.certificate.note), [note]);
    assert.equal(node.eventsOf("certificateRefused").length, 1);
  }
});

Deno.test("a valid certificate of a term that is over is reported, and a forged one is not", () => {
  const cluster = clusterOfDoubles();
  cluster.elect("server_1");
  const { currentTerm } = cluster.elect("server_2").raft.state;
  const node = cluster.node("server_1");
  const note = secondCertificate(1, "server_3");
  for (const forged of [note.replace("term 1", "term 2"), "floe/election/v1\n", null]) {
    node.receive(heartbeat({ from: "server_3", to: "server_1", term: 1, note: forged }));
  }
  assert.equal(node.eventsOf("certificateSeen").length, 0);
  node.receive(heartbeat({ from: "server_3", to: "server_1", term: 1, note }));
  assert.deepEqual(node.eventsOf("certificateSeen").map((seen) => seen.certificate.note), [note]);
  assert.equal(node.raft.state.currentTerm, currentTerm);
});
