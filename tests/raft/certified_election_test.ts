/**
 * The certified election (DESIGN, "The certified election"): every MUST of a voter and a follower,
 * and what becomes of signers that die or cheat between the rounds.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createCertifierDouble } from "../../lib/certificate/certifier_double.ts";
import { TERM_ADVANCE_MAX, TERM_ADVANCES_PER_TIMEOUT_MAX } from "../../lib/raft/config.ts";
import type { AppendRequest, Message, VoteRequest, VoteResponse } from "../../lib/raft/mod.ts";
import {
  type NodeId,
  toClusterName,
  toEpoch,
  toLogIndex,
  toNodeId,
  toTerm,
} from "../../lib/types.ts";
import {
  ELECTION_TIMEOUT_TICKS,
  propose,
  seededRandom,
  SIGNING_TIMEOUT_TICKS,
  startElection,
  TestCluster,
  type TestNode,
} from "./harness.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";

/** Delivers until the vote requests of the first session are on their way, and takes them out. */
function catchVoteRequests(cluster: TestCluster, candidate: TestNode): readonly VoteRequest[] {
  const caught: VoteRequest[] = [];
  cluster.intercept = (message) => {
    if (message.kind !== "voteRequest") return message;
    caught.push(message);
    return null;
  };
  startElection(candidate);
  cluster.deliver();
  cluster.intercept = (message) => message;
  return caught;
}

function takeVoteResponse(cluster: TestCluster): VoteResponse {
  const found = cluster.network.find(({ kind }) => kind === "voteResponse");
  cluster.network = [];
  assert.equal(found?.kind, "voteResponse");
  return found as VoteResponse;
}

function requestTo(requests: readonly VoteRequest[], to: string): VoteRequest {
  const found = requests.find((request) => request.to === to);
  assert.ok(found !== undefined, `a vote request to ${to}`);
  return found;
}

function heartbeatFrom(
  leader: { readonly id: NodeId; readonly term: number; readonly note: string | null },
  to: string,
): AppendRequest {
  return {
    kind: "appendRequest",
    from: leader.id,
    to: toNodeId(to),
    term: toTerm(leader.term),
    previousLogIndex: toLogIndex(0),
    previousLogTerm: toTerm(0),
    entries: [],
    leaderCommit: toLogIndex(0),
    round: 1,
    certificate: leader.note,
    transferTarget: null,
  };
}

Deno.test("a leader holds a certificate of its own term that names it", () => {
  const cluster = new TestCluster({ size: 5 });
  const leader = cluster.elect("n2");
  const { certificate, currentTerm } = leader.raft.state;
  assert.equal(certificate?.leader, "n2");
  assert.equal(certificate?.term, currentTerm);
});

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

Deno.test("a leader of one voter signs alone", () => {
  const cluster = new TestCluster({ size: 1 });
  const leader = cluster.elect("n1");
  propose(leader, "x");
  assert.deepEqual(leader.appliedCommands, ["x"]);
});

Deno.test("an election takes two rounds: pre-vote with commitments, vote with shares", () => {
  const cluster = new TestCluster({ size: 5 });
  const kinds = new Set<Message["kind"]>();
  let rounds = 0;
  startElection(cluster.node("n1"));
  while (cluster.node("n1").raft.state.role.name !== "leader") {
    rounds++;
    const sent = cluster.network;
    cluster.network = [];
    for (const message of sent) {
      kinds.add(message.kind);
      cluster.nodes.get(message.to)?.receive(message);
    }
  }
  assert.equal(rounds, 4, "two requests and two answers");
  assert.deepEqual([...kinds], [
    "preVoteRequest",
    "preVoteResponse",
    "voteRequest",
    "voteResponse",
  ]);
});

Deno.test("MUST 3: the vote is durable before the share is computed and leaves", () => {
  const cluster = new TestCluster({ size: 3 });
  const [request] = catchVoteRequests(cluster, cluster.node("n1"));
  assert.ok(request);
  const voter = cluster.node(request.to);
  const voted = voter.raft.step([{ kind: "message", message: request }]);
  assert.deepEqual([...voted.send, ...voted.sendAfterPersist], []);
  assert.deepEqual(voted.persist?.hardState, { currentTerm: 1, votedFor: "n1" });
  const sequence = voted.persist?.sequence ?? 0;
  const answered = voter.raft.step([{ kind: "persisted", sequence }]);
  assert.deepEqual(answered.send.map(({ kind }) => kind), ["voteResponse"]);
});

Deno.test("MUST 3: a voter that crashes before its vote is durable has said nothing", () => {
  const cluster = new TestCluster({ size: 3 });
  const [request] = catchVoteRequests(cluster, cluster.node("n1"));
  assert.ok(request);
  const voter = cluster.node(request.to);
  voter.raft.step([{ kind: "message", message: request }]);
  voter.restart();
  assert.equal(voter.raft.state.votedFor, null);
  assert.deepEqual(cluster.network, []);
});

Deno.test("MUST 4: a voter signs for one candidate in a term, whatever the epoch", () => {
  const cluster = new TestCluster({ size: 3 });
  const requests = catchVoteRequests(cluster, cluster.node("n1"));
  const voter = cluster.node("n2");
  voter.receive(requestTo(requests, "n2"));
  cluster.network = [];
  voter.receive({ ...requestTo(requests, "n2"), from: toNodeId("n3") });
  assert.equal(takeVoteResponse(cluster).granted, false);
  voter.receive({ ...requestTo(requests, "n2"), from: toNodeId("n3"), epoch: toEpoch(2) });
  assert.deepEqual(cluster.network, []);
});

Deno.test("an exact repeat of a vote request gets the very same answer", () => {
  const cluster = new TestCluster({ size: 3 });
  const request = requestTo(catchVoteRequests(cluster, cluster.node("n1")), "n2");
  const voter = cluster.node("n2");
  voter.receive(request);
  const first = takeVoteResponse(cluster);
  voter.receive(request);
  assert.ok(first.share !== null);
  assert.deepEqual(takeVoteResponse(cluster), first);
});

Deno.test("a candidate gets shares for one statement in a term, whatever else it asks", () => {
  const cluster = new TestCluster({ size: 3 });
  const request = requestTo(catchVoteRequests(cluster, cluster.node("n1")), "n2");
  const voter = cluster.node("n2");
  voter.receive(request);
  const first = takeVoteResponse(cluster);
  // The same nonce for a statement that claims another log.
  voter.receive({ ...request, lastLogIndex: toLogIndex(9), lastLogTerm: toTerm(9) });
  const second = takeVoteResponse(cluster);
  assert.ok(first.share !== null);
  assert.equal(second.granted, false);
  assert.equal(second.share, null);
});

Deno.test("a nonce asked to sign with other signers is refused, and the vote stands", () => {
  const cluster = new TestCluster({ size: 5 });
  const requests = catchVoteRequests(cluster, cluster.node("n1"));
  const request = requests.find(({ commitments }) => commitments.length > 0);
  assert.ok(request !== undefined);
  const voter = cluster.node(request.to);
  voter.receive(request);
  const first = takeVoteResponse(cluster);
  const stranger = ["n4", "n5"].map(toNodeId).find((id) =>
    request.commitments.every((entry) => entry.voter !== id)
  );
  const extra = cluster.node(stranger ?? "n5");
  const commitment = extra.certifier.commit({ term: request.term, candidate: request.from });
  const commitments = [...request.commitments, { voter: extra.id, commitment }]
    .toSorted((left, right) => left.voter < right.voter ? -1 : 1);
  voter.receive({ ...request, commitments });
  const second = takeVoteResponse(cluster);
  assert.equal(second.granted, true);
  assert.equal(second.share, null);
  assert.deepEqual(second.commitment, first.commitment);
  assert.match(voter.eventsOf("messageRefused")[0]?.reason ?? "", /nonce/);
});

Deno.test("a voter that restarts between the rounds votes, without a share, and names a new nonce", () => {
  const cluster = new TestCluster({ size: 3 });
  const request = requestTo(catchVoteRequests(cluster, cluster.node("n1")), "n2");
  const voter = cluster.node("n2");
  voter.certifier.forgetBelow(toTerm(99));
  voter.restart();
  voter.receive(request);
  const answer = takeVoteResponse(cluster);
  assert.equal(answer.granted, true);
  assert.equal(answer.share, null);
  assert.ok(answer.commitment !== null);
  cluster.node("n1").receive(answer);
  cluster.deliver();
  assert.equal(cluster.findLeader()?.id, "n1", "the next session makes the certificate");
});

Deno.test("nonces of an ended term are erased", () => {
  const cluster = new TestCluster({ size: 3 });
  const request = requestTo(catchVoteRequests(cluster, cluster.node("n1")), "n2");
  const voter = cluster.node("n2");
  voter.receive({ ...request, from: toNodeId("n3"), term: toTerm(2), commitments: [] });
  cluster.network = [];
  assert.throws(() =>
    voter.certifier.takeNonce({
      election: {
        epoch: request.epoch,
        term: toTerm(1),
        leader: toNodeId("n1"),
        lastLogIndex: request.lastLogIndex,
        lastLogTerm: request.lastLogTerm,
      },
      commitments: request.commitments,
    }), /no nonce/);
});

Deno.test("a signer that dies between the rounds costs one more signing session", () => {
  const cluster = new TestCluster({ size: 5 });
  const candidate = cluster.node("n1");
  const requests = catchVoteRequests(cluster, candidate);
  const signers = requests.filter(({ commitments }) => commitments.length > 0).map(({ to }) => to);
  const dead = signers[0] ?? candidate.id;
  cluster.isolate(dead);
  cluster.network = [...requests];
  cluster.deliver();
  assert.equal(candidate.raft.state.role.name, "candidate");
  cluster.tick(SIGNING_TIMEOUT_TICKS);
  assert.equal(candidate.raft.state.role.name, "leader");
  assert.equal(candidate.raft.state.currentTerm, 1);
  const [session] = candidate.eventsOf("signingSessionOpened");
  assert.deepEqual(session?.missing, [dead]);
  assert.equal(session?.session, 2);
});

Deno.test("a wrong share costs one more signing session at once, and its sender is named", () => {
  const cluster = new TestCluster({ size: 5 });
  const candidate = cluster.node("n1");
  let cheater: NodeId | null = null;
  cluster.intercept = (message) => {
    if (message.kind !== "voteResponse" || message.share === null) return message;
    cheater ??= message.from;
    return message.from === cheater
      ? { ...message, share: message.share.map((byte) => byte ^ 1) }
      : message;
  };
  startElection(candidate);
  cluster.deliver();
  assert.equal(candidate.raft.state.role.name, "leader", "without waiting for a deadline");
  assert.deepEqual(candidate.eventsOf("cheaterFound").map(({ voter }) => voter), [cheater]);
  assert.equal(candidate.eventsOf("signingSessionOpened").length, 1);
});

Deno.test("n - t liars cannot stop an election: n - t + 1 sessions are enough", () => {
  const cluster = new TestCluster({ size: 5, threshold: 3 });
  const candidate = cluster.node("n1");
  const liars = new Set(["n2", "n3"]);
  cluster.intercept = (message) =>
    message.kind === "voteResponse" && message.share !== null && liars.has(message.from)
      ? { ...message, share: new Uint8Array(7) }
      : message;
  startElection(candidate);
  cluster.deliver();
  cluster.tick(3 * SIGNING_TIMEOUT_TICKS);
  assert.equal(candidate.raft.state.role.name, "leader");
  assert.equal(candidate.raft.state.currentTerm, 1);
  const sessions = 1 + candidate.eventsOf("signingSessionOpened").length;
  assert.ok(sessions <= 3, `${sessions} sessions`);
});

Deno.test("a pre-vote grant with a forged commitment is not counted", () => {
  const cluster = new TestCluster({ size: 3 });
  const candidate = cluster.node("n1");
  cluster.intercept = (message) =>
    message.kind === "preVoteResponse" ? { ...message, commitment: new Uint8Array(64) } : message;
  startElection(candidate);
  cluster.deliver();
  assert.equal(candidate.raft.state.role.name, "preCandidate");
  assert.equal(candidate.eventsOf("messageRefused").length, 2);
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
      follower.receive(heartbeatFrom({ id: toNodeId("n3"), term, note: forge(leader) }, "n2"));
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
  follower.receive(heartbeatFrom({ id: old.id, term: currentTerm + 1, note }, "n3"));
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
  cluster.node("n2").receive(heartbeatFrom({ id: toNodeId("n1"), term: 1, note }, "n2"));
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

Deno.test("an unproven message cannot use terms up", () => {
  const cluster = new TestCluster({ size: 3 });
  const voter = cluster.node("n2");
  const request: VoteRequest = {
    kind: "voteRequest",
    from: toNodeId("n3"),
    to: voter.id,
    term: toTerm(TERM_ADVANCE_MAX + 1),
    epoch: toEpoch(1),
    lastLogIndex: toLogIndex(0),
    lastLogTerm: toTerm(0),
    transfer: false,
    session: 1,
    commitments: [],
  };
  voter.receive(request);
  assert.equal(voter.raft.state.currentTerm, TERM_ADVANCE_MAX);
  assert.equal(voter.raft.state.votedFor, null);
  voter.receive({ ...request, term: toTerm(Number.MAX_SAFE_INTEGER) });
  assert.equal(voter.raft.state.currentTerm, 2 * TERM_ADVANCE_MAX);
  assert.equal(voter.raft.state.votedFor, null);
  voter.receive({ ...request, term: toTerm(3 * TERM_ADVANCE_MAX) });
  assert.equal(voter.raft.state.currentTerm, 3 * TERM_ADVANCE_MAX);
  assert.equal(voter.raft.state.votedFor, request.from);
});

Deno.test("a flood of unproven messages raises the term at a bounded rate", () => {
  const cluster = new TestCluster({ size: 3 });
  const voter = cluster.node("n2");
  const flood = () => {
    for (let count = 0; count < 100; count++) {
      voter.receive({
        kind: "voteRequest",
        from: toNodeId("n3"),
        to: voter.id,
        term: toTerm(Number.MAX_SAFE_INTEGER),
        epoch: toEpoch(1),
        lastLogIndex: toLogIndex(0),
        lastLogTerm: toTerm(0),
        transfer: false,
        session: 1,
        commitments: [],
      });
    }
  };
  const most = TERM_ADVANCES_PER_TIMEOUT_MAX * TERM_ADVANCE_MAX;
  flood();
  assert.equal(voter.raft.state.currentTerm, most);
  voter.tick(ELECTION_TIMEOUT_TICKS);
  flood();
  assert.equal(voter.raft.state.currentTerm, 2 * most);
});

Deno.test("a node learns terms only from answers that it waits for", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const follower = cluster.node("n2");
  const refusal = { from: toNodeId("n3"), to: follower.id, term: toTerm(9), granted: false };
  follower.receive({ kind: "preVoteResponse", ...refusal, commitment: null });
  follower.receive({ kind: "voteResponse", ...refusal, session: 1, share: null, commitment: null });
  follower.receive({
    kind: "appendResponse",
    ...refusal,
    round: 1,
    outcome: { kind: "staleTerm" },
  });
  assert.equal(follower.raft.state.currentTerm, 1);
  assert.equal(follower.raft.state.leader, "n1");
});

Deno.test("a voter that declines to sign once is asked again, twice it is left out and named", () => {
  const cluster = new TestCluster({ size: 4, threshold: 3 });
  const candidate = cluster.node("n1");
  // It answers first, always with a grant, a good commitment and no share.
  cluster.intercept = (message) =>
    message.kind === "voteResponse" && message.from === "n2"
      ? { ...message, share: null }
      : message;
  startElection(candidate);
  cluster.deliver();
  cluster.tick(2 * SIGNING_TIMEOUT_TICKS);
  assert.equal(candidate.raft.state.role.name, "leader");
  assert.equal(candidate.raft.state.currentTerm, 1);
  assert.deepEqual(candidate.eventsOf("shareWithheld").map(({ voter }) => voter), ["n2"]);
});

Deno.test("with exactly t voters up, a lost vote request is sent again within the candidacy", () => {
  for (const lost of ["voteRequest", "voteResponse"]) {
    const cluster = new TestCluster({ size: 5, threshold: 3 });
    cluster.isolate("n4", "n5");
    const candidate = cluster.node("n1");
    let count = 0;
    cluster.intercept = (message) => {
      const isShared = message.kind === "voteRequest"
        ? message.commitments.length > 0
        : message.kind === "voteResponse";
      return message.kind === lost && isShared && count++ === 0 ? null : message;
    };
    startElection(candidate);
    cluster.deliver();
    cluster.tick(2 * SIGNING_TIMEOUT_TICKS);
    assert.equal(candidate.raft.state.role.name, "leader", lost);
    assert.equal(candidate.raft.state.currentTerm, 1);
  }
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
    const claim = heartbeatFrom({ id: election.leader, term: election.term, note }, "n2");
    cluster.node("n2").receive(claim);
  }
  assert.equal(cluster.node("n2").raft.state.currentTerm, 1, "the first is of this epoch");
  assert.match(cluster.node("n2").eventsOf("certificateRefused")[0]?.reason ?? "", /epoch 2/);
});

Deno.test("honest nodes that a liar drove more than one step apart find together again", () => {
  const cluster = new TestCluster({ size: 3 });
  const [low, high] = [cluster.node("n1"), cluster.node("n2")];
  const refusal = {
    kind: "preVoteResponse",
    from: toNodeId("n3"),
    granted: false,
    commitment: null,
  } as const;
  for (const step of [1, 2, 3]) {
    high.receive({ ...refusal, to: high.id, term: toTerm(step * TERM_ADVANCE_MAX) });
  }
  cluster.isolate("n3");
  for (let elections = 0; elections < 6 && cluster.findLeader() === null; elections++) {
    startElection(elections % 2 === 0 ? low : high);
    cluster.deliver();
  }
  assert.ok(cluster.findLeader() !== null, "two of three elect a leader without the liar");
});

Deno.test("a message from no voter, or to another node, is refused", () => {
  const cluster = new TestCluster({ size: 3 });
  const node = cluster.node("n1");
  const message = heartbeatFrom({ id: toNodeId("n2"), term: 1, note: null }, "n1");
  node.receive({ ...message, from: toNodeId("stranger") });
  node.receive({ ...message, from: toNodeId("n1") });
  node.receive({ ...message, to: toNodeId("n3") });
  assert.equal(node.eventsOf("messageRefused").length, 3);
  assert.deepEqual(cluster.network, []);
});

Deno.test("a refused vote resets no timer, though it may raise the term", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.elect("n1");
  const voter = cluster.node("n2");
  voter.tick(ELECTION_TIMEOUT_TICKS);
  voter.receive({
    kind: "voteRequest",
    from: toNodeId("n3"),
    to: voter.id,
    term: toTerm(2),
    epoch: toEpoch(1),
    lastLogIndex: toLogIndex(0),
    lastLogTerm: toTerm(0),
    transfer: false,
    session: 1,
    commitments: [],
  });
  assert.equal(voter.raft.state.currentTerm, 2);
  assert.equal(voter.raft.state.votedFor, null);
  assert.equal(voter.raft.state.electionElapsedTicks, ELECTION_TIMEOUT_TICKS);
});

Deno.test("nobody votes in term 0, in which there is no election", () => {
  const cluster = new TestCluster({ size: 3 });
  cluster.node("n2").receive({
    kind: "voteRequest",
    from: toNodeId("n3"),
    to: toNodeId("n2"),
    term: toTerm(0),
    epoch: toEpoch(1),
    lastLogIndex: toLogIndex(0),
    lastLogTerm: toTerm(0),
    transfer: false,
    session: 1,
    commitments: [],
  });
  assert.equal(takeVoteResponse(cluster).granted, false);
});
