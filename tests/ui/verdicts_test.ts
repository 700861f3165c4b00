import { deepEqual, equal } from "node:assert/strict";
import { judgeCluster } from "../../lib/ui/verdicts.js";

const FIVE = { voters: 5, threshold: 3, heard: 5, leader: "server_1", isNew: false };

Deno.test("judgeCluster() of the page tells what can be lost", () => {
  const words = (changes: Partial<typeof FIVE>) => judgeCluster({ ...FIVE, ...changes }).words;
  equal(words({}), "Healthy: 2 of 5 nodes can be lost");
  equal(words({ heard: 4 }), "Degraded: 4 of 5 are heard, 1 more can be lost");
  equal(words({ heard: 3 }), "Degraded: 3 of 5 are heard, the next loss stops it");
  equal(words({ heard: 2 }), "No quorum: 2 of 5 are heard, 3 are needed");
  equal(words({ heard: 0 }), "Not connected");
});

Deno.test("judgeCluster() of the page gives no alarm before the other nodes can be heard", () => {
  const first = judgeCluster({ ...FIVE, heard: 1, isNew: true });
  deepEqual(first, { health: "warn", words: "Listening: 1 of 5 are heard so far" });
  equal(judgeCluster({ ...FIVE, isNew: true }).health, "good");
  equal(judgeCluster({ ...FIVE, heard: 0, isNew: true }).words, "Not connected");
});
