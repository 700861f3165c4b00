/** Whose turn it is to stand: silence, unfinished terms and pledges. */

import assert from "node:assert/strict";
import { Turns } from "../../lib/raft/turns.ts";
import { toNodeId, toTerm } from "../../lib/types.ts";

const SELF = toNodeId("self");
const TICKS = 10;

function asked(candidate: string, nowTick: number, term = 2) {
  return { term: toTerm(term), candidate: toNodeId(candidate), nowTick };
}

function inTerm(tick: number, opener: string | null = null): Turns {
  const turns = new Turns(SELF, TICKS);
  turns.termEntered(tick, opener === null ? null : toNodeId(opener));
  return turns;
}

Deno.test("Turns: a voter that has heard of nothing waits for nothing", () => {
  assert.ok(new Turns(SELF, TICKS).isSilentFor(asked("a", 0)));
});

Deno.test("Turns: a voter grants an election timeout after it heard a leader or entered a term", () => {
  const turns = inTerm(5);
  assert.ok(!turns.isSilentFor(asked("a", 14)));
  assert.ok(turns.isSilentFor(asked("a", 15)));
  turns.leaderHeard(15);
  assert.ok(!turns.isSilentFor(asked("a", 24)));
  assert.ok(turns.isSilentFor(asked("a", 25)));
});

Deno.test("Turns: each unfinished term doubles the wait, up to eight times, until a certificate", () => {
  const turns = new Turns(SELF, TICKS);
  for (const [terms, factor] of [[1, 2], [2, 4], [3, 8], [4, 8]] as const) {
    turns.termEntered(0, toNodeId("liar"));
    assert.ok(!turns.isSilentFor(asked("liar", factor * TICKS - 1)), `${terms}`);
    assert.ok(turns.isSilentFor(asked("liar", factor * TICKS)), `${terms}`);
    assert.ok(turns.isSilentFor(asked("honest", TICKS)));
  }
  turns.certified();
  assert.ok(turns.isSilentFor(asked("liar", TICKS)));
});

Deno.test("Turns: a vote needs the silence before the term, and the term itself counts against nobody", () => {
  const turns = inTerm(0);
  turns.termEntered(TICKS, toNodeId("a"));
  assert.ok(turns.mayVote(asked("a", TICKS)));
  turns.termEntered(2 * TICKS, toNodeId("a"));
  assert.ok(!turns.mayVote(asked("a", 2 * TICKS, 3)), "it left one term unfinished");
  assert.ok(turns.mayVote(asked("b", 2 * TICKS, 3)));
  assert.ok(turns.mayVote(asked("a", 3 * TICKS, 3)));
});

Deno.test("Turns: a pledge keeps grants and votes from others for half an election timeout", () => {
  const turns = inTerm(0);
  assert.ok(turns.pledge(asked("a", 10), { givesWay: true }));
  assert.ok(turns.pledge(asked("a", 12), { givesWay: true }), "asked again");
  assert.ok(!turns.pledge(asked("b", 14), { givesWay: true }));
  turns.termEntered(14, toNodeId("b"));
  assert.ok(!turns.mayVote(asked("b", 14)));
  assert.ok(turns.mayVote(asked("a", 14)));
  assert.ok(turns.mayVote(asked("b", 15)), "it has lapsed");
});

Deno.test("Turns: who lets a pledge lapse comes after those that wait", () => {
  const turns = inTerm(0);
  turns.pledge(asked("liar", 10), { givesWay: false });
  turns.pledge(asked("honest", 14), { givesWay: false });
  assert.ok(!turns.pledge(asked("liar", 15), { givesWay: false }));
  assert.ok(turns.pledge(asked("honest", 15), { givesWay: false }));
  // Nobody else waits any more.
  assert.ok(turns.pledge(asked("liar", 21), { givesWay: false }));
});

Deno.test("Turns: a node gives way to the candidate before it, once, and to no other for a timeout", () => {
  const turns = inTerm(0);
  assert.ok(turns.pledge(asked("self", 10), { givesWay: false }));
  assert.ok(!turns.pledge(asked("after", 16), { givesWay: false }), "twice as long for its own");
  assert.ok(turns.pledge(asked("before", 16), { givesWay: true }));
  assert.ok(!turns.pledge(asked("self", 17), { givesWay: false }));
  assert.ok(turns.pledge(asked("after", 21), { givesWay: false }));
});

Deno.test("Turns: the leader's own wish comes before every pledge", () => {
  const turns = inTerm(0);
  turns.pledge(asked("a", 10), { givesWay: false });
  turns.pledgeAtOnce(asked("b", 11));
  turns.termEntered(12, toNodeId("b"));
  assert.ok(!turns.mayVote(asked("a", 12)));
});
