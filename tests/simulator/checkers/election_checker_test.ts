import assert from "node:assert/strict";
import type { Certificate } from "../../../lib/certificate/certifier.ts";
import type { Output } from "../../../lib/raft/mod.ts";
import { toEpoch, toLogIndex, toNodeId, toTerm } from "../../../lib/types.ts";
import { voteRequest } from "../../raft/messages.ts";
import { ElectionChecker } from "./election_checker.ts";
import { breaks, hardState, outputOf, testNode, testState, voteBatch } from "./support.ts";

function certificate(term: number, leader: string, note = `note ${term} ${leader}`): Certificate {
  return {
    epoch: toEpoch(1),
    term: toTerm(term),
    leader: toNodeId(leader),
    lastLogIndex: toLogIndex(0),
    lastLogTerm: toTerm(0),
    note,
  };
}

/** A checker for which every note is genuine but `forged`, and what a node says of a leader. */
function setUp(liars = 0) {
  const checker = new ElectionChecker({
    votersOf: () => ({ voters: ["n1", "n2", "n3", "n4"].map(toNodeId), threshold: 2 }),
    liars,
    verify: (note) => assert.notEqual(note, "forged"),
  });
  const follow = (leader: Certificate) =>
    checker.stepped(
      testNode(),
      outputOf({
        role: {
          role: "follower",
          term: leader.term,
          leader: leader.leader,
          certificate: leader,
        },
      }),
    );
  const vote = (voter: string, term: number, candidate: string) =>
    checker.persisted(testNode(voter), hardState(term, candidate));
  return { checker, follow, vote };
}

Deno.test("ElectionChecker accepts a leader with t durable votes", () => {
  const { checker, follow, vote } = setUp();
  vote("n1", 1, "n1");
  vote("n2", 1, "n1");
  follow(certificate(1, "n1"));
  assert.equal(checker.leaderCount, 1);
});

Deno.test("ElectionChecker catches a second vote in a term, whatever lies between", () => {
  const { vote } = setUp();
  vote("n1", 1, "n2");
  vote("n1", 1, "n2");
  assert.throws(() => vote("n1", 1, "n3"), breaks("One vote a term"));
});

Deno.test("ElectionChecker catches a term that falls", () => {
  const { checker } = setUp();
  const node = testNode();
  node.disk.write(voteBatch(5, null));
  assert.throws(
    () => checker.persisting(node, hardState(4, null)),
    breaks("The term never falls"),
  );
});

Deno.test("ElectionChecker catches two certified leaders in a term", () => {
  const { follow, vote } = setUp(1);
  vote("n1", 1, "n1");
  vote("n2", 1, "n2");
  follow(certificate(1, "n1"));
  assert.throws(() => follow(certificate(1, "n2")), breaks("Election safety"));
});

Deno.test("ElectionChecker catches a certificate that is not genuine", () => {
  const { follow } = setUp();
  assert.throws(
    () => follow(certificate(1, "n1", "forged")),
    breaks("Every leader's certificate is genuine"),
  );
});

Deno.test("ElectionChecker catches a leader without a certificate", () => {
  const { checker } = setUp();
  const role = {
    role: "follower",
    term: toTerm(1),
    leader: toNodeId("n1"),
    certificate: null,
  } as const;
  assert.throws(
    () => checker.stepped(testNode(), outputOf({ role })),
    breaks("A leader is known by its certificate"),
  );
});

Deno.test("ElectionChecker catches a certificate without t durable votes", () => {
  const { follow, vote } = setUp();
  vote("n1", 1, "n1");
  assert.throws(
    () => follow(certificate(1, "n1")),
    breaks("A certificate is backed by t durable votes"),
  );
});

Deno.test("ElectionChecker catches a node that forgot its term", () => {
  const { checker } = setUp();
  const node = testNode();
  node.disk.write(voteBatch(5, "n2"));
  assert.throws(
    () => checker.started(node, testState("n1", { term: 4 })),
    breaks("A node resumes its term and vote"),
  );
});

Deno.test("ElectionChecker catches a session with a cheater, found before it was opened", () => {
  const { checker } = setUp();
  const term = toTerm(1);
  const found = { kind: "cheaterFound", term, voter: toNodeId("n2") } as const;
  const opened = (session: number) =>
    ({ kind: "signingSessionOpened", term, session, missing: [] }) as const;
  const asked = (session: number) => {
    const commitments = [{ voter: toNodeId("n2"), commitment: new Uint8Array(64) }];
    return voteRequest({ from: "n1", to: "n2", term }, { session, commitments });
  };
  const step = (events: Output["events"], session: number) =>
    checker.stepped(testNode(), outputOf({ events, sendAfterPersist: [asked(session)] }));
  step([opened(2), found], 2);
  assert.throws(() => step([opened(3)], 3), breaks("A cheater is not asked again"));
});
