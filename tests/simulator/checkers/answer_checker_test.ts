import assert from "node:assert/strict";
import type { Input, Message, Output } from "../../../lib/raft/mod.ts";
import { toLogIndex, toNodeId, toTerm } from "../../../lib/types.ts";
import { AnswerChecker } from "./answer_checker.ts";
import { breaks, outputOf, testNode, testState } from "./support.ts";

const BREAKS = breaks("An answer to an earlier life settles nothing");
const [N1, N2] = [toNodeId("n1"), toNodeId("n2")];
const PLACE = { index: toLogIndex(7), term: toTerm(1) };

/** Steps a follower of incarnation 1. */
function step(messages: readonly Message[], output: Partial<Output>): void {
  const inputs: readonly Input[] = messages.map((message) => ({ kind: "message", message }));
  const state = testState("n1", { term: 1 });
  new AnswerChecker().stepped(testNode(), state, { inputs, output: outputOf(output) });
}

function readAnswer(incarnation: number, readIndex: number | null): Message {
  const ids = { from: N2, to: N1, term: toTerm(1), incarnation, batchId: 1 };
  const index = readIndex === null ? null : toLogIndex(readIndex);
  return { kind: "readIndexResponse", ...ids, readIndex: index };
}

function proposeAnswer(incarnation: number): Message {
  const outcomes = [
    { kind: "appended", proposalId: 1, index: PLACE.index },
    { kind: "refused", proposalId: 2, reason: "notLeader" },
  ] as const;
  return { kind: "proposeResponse", from: N2, to: N1, term: toTerm(1), incarnation, outcomes };
}

Deno.test("AnswerChecker accepts what an answer to this life says", () => {
  step([readAnswer(1, 5)], { reads: [{ kind: "ready", readId: 1, readIndex: toLogIndex(5) }] });
  step([readAnswer(1, null)], { reads: [{ kind: "refused", readId: 1, reason: "notLeader" }] });
  step([proposeAnswer(1)], {
    accepted: [{ proposalId: 1, ...PLACE }],
    rejected: [{ proposalId: 2, reason: "notLeader", maybeApplied: false }],
  });
});

Deno.test("AnswerChecker accepts what a node refuses of itself", () => {
  const rejected = [{ proposalId: 2, reason: "leaderChanged", maybeApplied: true }] as const;
  step([], { rejected, reads: [{ kind: "refused", readId: 1, reason: "noLeader" }] });
});

Deno.test("AnswerChecker catches a read index for an earlier life", () => {
  const reads = [{ kind: "ready", readId: 1, readIndex: toLogIndex(5) }] as const;
  assert.throws(() => step([readAnswer(0, 5)], { reads }), BREAKS);
  assert.throws(() => step([readAnswer(1, 4)], { reads }), BREAKS);
});

Deno.test("AnswerChecker catches a refusal of an earlier life's read", () => {
  const reads = [{ kind: "refused", readId: 1, reason: "notLeader" }] as const;
  assert.throws(() => step([readAnswer(0, null)], { reads }), BREAKS);
});

Deno.test("AnswerChecker catches a place or a refusal for an earlier life's proposal", () => {
  const accepted = [{ proposalId: 1, ...PLACE }];
  assert.throws(() => step([proposeAnswer(0)], { accepted }), BREAKS);
  const rejected = [{ proposalId: 2, reason: "notLeader", maybeApplied: false }] as const;
  assert.throws(() => step([proposeAnswer(0)], { rejected }), BREAKS);
});

Deno.test("AnswerChecker catches an id that stands for two attempts", () => {
  const checker = new AnswerChecker();
  const state = testState("n1", { term: 1 });
  const ask = (readId: number) => {
    const inputs = [{ kind: "read", readId, lease: false }] as const;
    checker.stepped(testNode(), state, { inputs, output: outputOf({}) });
  };
  ask(1);
  ask(2);
  assert.throws(() => ask(1), breaks("Every attempt has an id of its own"));
});
