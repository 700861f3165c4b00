import { deepEqual, equal } from "node:assert/strict";
import { judgeCluster, type VoterState } from "../lib/verdict.ts";

const UP: VoterState = { id: "", isUp: true, isShareLost: false, trouble: null };
const DOWN = { ...UP, isUp: false };
const LOST = { ...DOWN, isShareLost: true };

/** Voters named `a`, `b`, ..., of whom `a` leads unless it is said otherwise. */
function judge(threshold: number, states: readonly VoterState[], leader: string | null = "a") {
  const voters = states.map((state, at) => ({ ...state, id: "abcdefg".charAt(at) }));
  return judgeCluster({ threshold, voters, leader });
}

Deno.test("a cluster without a fault is healthy, and says what can be lost", () => {
  deepEqual(judge(3, [UP, UP, UP, UP, UP]), {
    health: "healthy",
    words: "all 5 voters are up. 2 more can be lost",
    canLose: 2,
  });
  equal(judge(2, [UP, UP, UP]).words, "all 3 voters are up. 1 more can be lost");
  equal(judge(1, [UP]).words, "all 1 voters are up. The next loss stops all writes");
  equal(
    judge(5, [UP, UP, UP, UP, UP]).words,
    "all 5 voters are up. The next loss stops elections: 5 must sign",
  );
});

Deno.test("a cluster that lost some is degraded, and says who, and what the next loss stops", () => {
  deepEqual(judge(3, [UP, UP, UP, UP, DOWN]), {
    health: "degraded",
    words: "e is down. 1 more can be lost",
    canLose: 1,
  });
  equal(judge(3, [UP, UP, UP, DOWN, DOWN]).words, "d, e are down. The next loss stops all writes");
  equal(
    judge(4, [UP, UP, UP, UP, DOWN]).words,
    "e is down. The next loss stops elections: 4 must sign",
  );
});

Deno.test("trouble, a lost share and a missing leader are degraded too", () => {
  const troubled = { ...UP, trouble: "its data were lost" };
  equal(judge(2, [UP, troubled, UP]).words, "b is in trouble. 1 more can be lost");
  equal(judge(3, [UP, UP, UP, UP, LOST]).words, "e is without a share. 1 more can be lost");
  const leaderless = judge(2, [UP, UP, UP], null);
  deepEqual([leaderless.health, leaderless.words], [
    "degraded",
    "no leader is known: an election is due. 1 more can be lost",
  ]);
});

Deno.test("a leader that is down leads nobody", () => {
  equal(
    judge(2, [DOWN, UP, UP]).words,
    "a is down; no leader is known: an election is due. The next loss stops all writes",
  );
});

Deno.test("a leader that nobody could succeed leaves writes only", () => {
  const { health, words, canLose } = judge(4, [UP, UP, UP, DOWN, DOWN]);
  deepEqual([health, canLose], ["writesOnly", 0]);
  equal(
    words,
    "d, e are down. 3 can sign and 4 must: a still writes, and no node could succeed it",
  );
});

Deno.test("too few for an election, without a leader or without a majority, are no quorum", () => {
  const [leaderless, few] = [
    judge(4, [UP, UP, UP, DOWN, DOWN], null),
    judge(3, [UP, UP, DOWN, DOWN, DOWN]),
  ];
  deepEqual([leaderless.health, few.health], ["noQuorum", "noQuorum"]);
  equal(
    few.words,
    "c, d, e are down. 2 can sign and 3 must: no leader can be elected, and nothing written",
  );
});

Deno.test("the key is lost with the shares, and not with nodes that are down", () => {
  equal(judge(3, [DOWN, DOWN, DOWN, DOWN, DOWN]).health, "noQuorum");
  const { health, words } = judge(3, [UP, UP, LOST, LOST, LOST]);
  equal(health, "keyLost");
  equal(
    words.startsWith(
      "2 of 5 shares are left and 3 must sign: no leader can ever be elected again.",
    ),
    true,
  );
});
