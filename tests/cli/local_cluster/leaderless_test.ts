import { equal } from "node:assert/strict";
import { LeaderlessTime } from "../../../lib/cli/local_cluster/leaderless.ts";

const alone = (term: number, isCutOff = false) => ({ term, role: "preCandidate", isCutOff });

Deno.test("LeaderlessTime is from the start to the first leader, and from a death to the next", () => {
  const time = new LeaderlessTime(100);
  equal(time.elected(1, 600), 500);
  time.lost(1_000);
  time.announced(alone(1), 1_200);
  equal(time.elected(2, 1_300), 300);
  equal(time.term, 2);
});

Deno.test("LeaderlessTime takes no notice of a node that was cut off", () => {
  const time = new LeaderlessTime(0);
  time.elected(1, 10);
  time.announced(alone(1, true), 20);
  time.announced(alone(2, true), 30);
  time.lost(5_000);
  equal(time.elected(2, 5_100), 100);
});

Deno.test("LeaderlessTime begins anew after one node lost the leader and found it again", () => {
  const time = new LeaderlessTime(0);
  time.elected(1, 10);
  time.announced(alone(1), 20);
  time.followed(1);
  time.lost(9_000);
  equal(time.elected(2, 9_200), 200);
});

Deno.test("LeaderlessTime does not count a late word of the last election", () => {
  const time = new LeaderlessTime(0);
  time.elected(3, 10);
  time.announced({ term: 3, role: "follower", isCutOff: false }, 20);
  time.announced(alone(2), 30);
  time.lost(1_000);
  equal(time.elected(4, 1_050), 50);
});
