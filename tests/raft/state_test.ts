import assert from "node:assert/strict";
import { TERM_ADVANCE_MAX, TERM_ADVANCES_PER_TIMEOUT_MAX } from "../../lib/raft/config.ts";
import { toNodeId, toTerm } from "../../lib/types.ts";
import { startElection, TestCluster } from "./harness.ts";
import { heartbeat, voteRequest } from "./messages.ts";
import { ELECTION_TIMEOUT_TICKS } from "./test_node.ts";

/** Terms, and who may raise them. */

Deno.test("an unproven message cannot use terms up", () => {
  const cluster = new TestCluster({ size: 3 });
  const voter = cluster.node("n2");
  const request = voteRequest({ from: "n3", to: voter.id, term: TERM_ADVANCE_MAX + 1 });
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
      voter.receive(voteRequest({ from: "n3", to: voter.id, term: Number.MAX_SAFE_INTEGER }));
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
  const message = heartbeat({ from: "n2", to: "n1", term: 1, note: null });
  node.receive({ ...message, from: toNodeId("stranger") });
  node.receive({ ...message, from: toNodeId("n1") });
  node.receive({ ...message, to: toNodeId("n3") });
  assert.equal(node.eventsOf("messageRefused").length, 3);
  assert.deepEqual(cluster.network, []);
});
