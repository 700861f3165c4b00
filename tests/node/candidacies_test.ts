import { deepEqual, equal } from "node:assert/strict";
import { Candidacies } from "../../lib/node/candidacies.ts";
import { CANDIDACIES_MAX } from "../../lib/node_view.ts";
import type { RaftEvent } from "../../lib/raft/mod.ts";
import { toTerm } from "../../lib/types.ts";
import { createTestDoubles, nodeId } from "../certificate/cluster.ts";
import { TestCluster } from "../raft/harness.ts";

/** A clock that a test sets, and the candidacies of a node of three that reads it. */
function setUp() {
  const clock = { ms: 1_000 };
  const candidacies = new Candidacies(nodeId(1), {
    nowMs: () => clock.ms,
    wallMs: () => 1_700_000_000_000 + clock.ms,
  });
  const cluster = new TestCluster({
    size: 3,
    certifiers: createTestDoubles({ threshold: 2, voters: 3 }),
  });
  return { clock, candidacies, cluster };
}

const asks = (term: number): RaftEvent => ({ kind: "preVoteStarted", term: toTerm(term) });

Deno.test("an election is told with who granted, who signed and how long each round took", () => {
  const { clock, candidacies, cluster } = setUp();
  const { role } = cluster.node("server_1").raft.state;
  const signers = [nodeId(1), nodeId(2)];
  candidacies.observe([asks(1)], {
    name: "preCandidate",
    askedTerm: toTerm(1),
    transfer: false,
    following: null,
    grants: new Map(),
  });
  clock.ms += 12;
  candidacies.observe([{ kind: "electionStarted", term: toTerm(1), signers }], {
    name: "candidate",
    transfer: false,
    answers: new Map([[nodeId(1), "granted"], [nodeId(3), "refused"]]),
  });
  clock.ms += 8;
  const { certificate } = cluster.elect("server_2").raft.state;
  if (certificate === null) throw new Error("no certificate");
  candidacies.observe([{ kind: "electionWon", term: toTerm(1), certificate }], role);
  deepEqual(candidacies.all, [{
    term: 1,
    candidate: "server_1",
    startedAt: 1_700_000_001_000,
    attempts: 1,
    granted: [],
    signers,
    voted: [{ id: "server_1", ms: 12 }, { id: "server_2", ms: 20 }],
    refused: [{ id: "server_3", ms: 12 }],
    sessions: 1,
    cheaters: [],
    roundOneMs: 12,
    roundTwoMs: 8,
    outcome: "won",
  }]);
});

Deno.test("a candidate that follows somebody in the end has lost", () => {
  const { candidacies, cluster } = setUp();
  candidacies.observe([asks(1)], {
    name: "preCandidate",
    askedTerm: toTerm(1),
    transfer: false,
    following: null,
    grants: new Map(),
  });
  equal(candidacies.all[0]?.outcome, "running");
  candidacies.observe([], cluster.node("server_1").raft.state.role);
  equal(candidacies.all[0]?.outcome, "lost");
});

Deno.test("a node that asks again and again for one term has one candidacy, and keeps its beginning", () => {
  const { clock, candidacies } = setUp();
  for (let attempt = 0; attempt < 5; attempt++) {
    candidacies.observe([asks(3)], { name: "follower", following: null });
    clock.ms += 500;
  }
  const [only, ...others] = candidacies.all;
  deepEqual([only?.attempts, only?.startedAt, others], [5, 1_700_000_001_000, []]);
});

Deno.test("only the newest candidacies are kept", () => {
  const { candidacies } = setUp();
  for (let term = 1; term <= 2 * CANDIDACIES_MAX; term++) {
    candidacies.observe([asks(term)], { name: "follower", following: null });
  }
  deepEqual(
    candidacies.all.map(({ term }) => term),
    Array.from({ length: CANDIDACIES_MAX }, (_, at) => CANDIDACIES_MAX + 1 + at),
  );
});
