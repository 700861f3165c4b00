import assert from "node:assert/strict";
import { encodeUtf8 } from "../../../lib/bytes.ts";
import type { Certificate } from "../../../lib/certificate/mod.ts";
import type { CoreState, Entry, RaftEvent } from "../../../lib/raft/mod.ts";
import { toLogIndex, toNodeId, toTerm } from "../../../lib/types.ts";
import { EPOCH } from "../voters.ts";
import { EvidenceChecker } from "./evidence_checker.ts";
import { breaks, commandEntry, outputOf, testNode, testState } from "./support.ts";

/** A checker of two honest nodes and a liar, for which every note is genuine but that of n9. */
function setUp(): EvidenceChecker {
  const liar = { ...testNode("n3"), isHonest: false };
  return new EvidenceChecker({
    nodes: () => [testNode("n1"), testNode("n2"), liar],
    verify: (_note, { leader }) => assert.notEqual(leader, "n9"),
  });
}

function proof(index: number, term: number, text: string): Entry {
  const data = encodeUtf8(text);
  return { index: toLogIndex(index), term: toTerm(term), kind: "certificate", data };
}

const PROVES = "The log proves who led each term";

for (const kind of ["cheaterFound", "shareWithheld"] as const) {
  Deno.test(`EvidenceChecker catches ${kind} of an honest voter, and not of a liar`, () => {
    const checker = setUp();
    const say = (voter: string) => {
      const event: RaftEvent = { kind, term: toTerm(1), voter: toNodeId(voter) };
      checker.stepped(testNode("n1"), testState("n1", { term: 1 }), outputOf({ events: [event] }));
    };
    say("n3");
    assert.throws(() => say("n2"), breaks("Nobody honest is accused"));
  });
}

Deno.test("EvidenceChecker catches a voter that is suspected although it has signed", () => {
  const checker = setUp();
  const node = testNode("n1");
  const state = testState("n1", { term: 1 }) as CoreState;
  const [voter = node.id] = state.peers;
  const signs = { ...state.config.certifier };
  const certificate = { epoch: EPOCH, term: toTerm(1), leader: node.id, note: "" } as Certificate;
  signs.combine = () => ({ kind: "certificate", certificate });
  const event: RaftEvent = { kind: "electionWon", term: toTerm(1), certificate };
  const win = () => checker.stepped(node, state, outputOf({ events: [event] }));
  const election = {
    epoch: EPOCH,
    term: toTerm(1),
    leader: node.id,
    lastLogIndex: toLogIndex(0),
    lastLogTerm: toTerm(0),
  };
  const shares = new Map([[voter, new Uint8Array()]]);
  checker.watch(node, signs).combine({ election, commitments: [] }, shares);
  win();
  state.suspects.add(voter);
  assert.throws(win, breaks("Who has signed is not suspected"));
});

Deno.test("EvidenceChecker accepts a log in which each term begins with its proof", () => {
  const checker = setUp();
  checker.committed([proof(1, 1, "leader n1"), commandEntry(2, 1), proof(3, 4, "leader n2")]);
  checker.committed([proof(3, 4, "leader n2"), commandEntry(4, 4)]);
});

Deno.test("EvidenceChecker catches a term that begins with something else", () => {
  const checker = setUp();
  checker.committed([proof(1, 1, "leader n1")]);
  assert.throws(() => checker.committed([commandEntry(2, 2)]), breaks(PROVES));
});

Deno.test("EvidenceChecker catches a proof of nobody, or one that is not genuine", () => {
  assert.throws(() => setUp().committed([proof(1, 1, "nobody")]), breaks(PROVES));
  assert.throws(() => setUp().committed([proof(1, 1, "leader n9")]));
});
