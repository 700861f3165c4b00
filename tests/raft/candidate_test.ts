import assert from "node:assert/strict";
import type { Message } from "../../lib/raft/mod.ts";
import { type NodeId, toNodeId } from "../../lib/types.ts";
import { propose, startElection, TestCluster } from "./harness.ts";
import { catchVoteRequests } from "./messages.ts";
import { SIGNING_TIMEOUT_TICKS } from "./test_node.ts";

/** The candidate: an election in two rounds, and what becomes of signers that die or cheat between them. */

Deno.test("a leader holds a certificate of its own term that names it", () => {
  const cluster = new TestCluster({ size: 5 });
  const leader = cluster.elect("n2");
  const { certificate, currentTerm } = leader.raft.state;
  assert.equal(certificate?.leader, "n2");
  assert.equal(certificate?.term, currentTerm);
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

Deno.test("a voter that never heard of a failed session is asked for it, to offer another nonce", () => {
  const cluster = new TestCluster({ size: 4, threshold: 3 });
  cluster.isolate("n4");
  const candidate = cluster.node("n1");
  let declined = 0;
  // n2 declines the first session, all of whose requests to n3 are lost meanwhile.
  cluster.intercept = (message) => {
    if (message.kind === "voteRequest" && message.to === "n3" && declined === 0) return null;
    const isAnswer = message.kind === "voteResponse" && message.from === "n2";
    return isAnswer && declined++ === 0 ? { ...message, share: null } : message;
  };
  startElection(candidate);
  cluster.deliver();
  cluster.tick(2 * SIGNING_TIMEOUT_TICKS);
  assert.equal(candidate.raft.state.role.name, "leader");
  assert.equal(candidate.raft.state.currentTerm, 1);
  assert.deepEqual(candidate.eventsOf("shareWithheld"), []);
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

for (const fault of ["silent", "wrong", "withheld"] as const) {
  Deno.test(`a voter whose share was ${fault} is chosen last in later candidacies`, () => {
    const cluster = new TestCluster({ size: 4, threshold: 3 });
    const signers: string[][] = [];
    cluster.intercept = (message) => {
      if (message.kind !== "voteResponse" || message.from !== "n2") return message;
      if (fault === "silent") return null;
      return { ...message, share: fault === "wrong" ? new Uint8Array(7) : null };
    };
    const candidate = cluster.node("n1");
    for (const _ of ["first", "second"]) {
      while (candidate.raft.state.role.name === "leader") candidate.tick();
      cluster.letLeaseExpire("n1");
      startElection(candidate);
      cluster.deliver();
      cluster.tick(2 * SIGNING_TIMEOUT_TICKS);
      assert.equal(cluster.findLeader()?.id, "n1");
      signers.push([...candidate.eventsOf("electionStarted").at(-1)?.signers ?? []]);
    }
    assert.deepEqual(signers, [["n1", "n2", "n3"], ["n1", "n3", "n4"]]);
  });
}

Deno.test("suspects are asked to sign after all when there is nobody else", () => {
  const cluster = new TestCluster({ size: 3 });
  const candidate = cluster.node("n1");
  cluster.isolate("n3");
  cluster.intercept = (message) => message.kind === "voteResponse" ? null : message;
  startElection(candidate);
  cluster.deliver();
  cluster.tick(SIGNING_TIMEOUT_TICKS);
  cluster.intercept = (message) => message;
  assert.equal(candidate.raft.state.role.name, "candidate");
  // It did not finish its term, so it waits twice as long.
  cluster.letLeaseExpire("n1");
  cluster.letLeaseExpire("n1");
  startElection(candidate);
  cluster.deliver();
  assert.equal(candidate.raft.state.role.name, "preCandidate", "it waits for n3");
  assert.equal(candidate.raft.state.suspects.has(toNodeId("n2")), true);
  cluster.tick(SIGNING_TIMEOUT_TICKS);
  assert.equal(cluster.findLeader(), candidate);
  assert.equal(candidate.raft.state.suspects.has(toNodeId("n2")), false, "it has signed");
});
