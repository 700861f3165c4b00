import assert from "node:assert/strict";
import { Rounds } from "../../lib/raft/rounds.ts";

Deno.test("Rounds.sentTick() tells when a round was begun", () => {
  const rounds = new Rounds(10);
  assert.equal(rounds.begin(3), 1);
  assert.equal(rounds.begin(3), 2);
  assert.equal(rounds.begin(5), 3);
  assert.deepEqual([1, 2, 3].map((round) => rounds.sentTick(round)), [3, 3, 5]);
});

Deno.test("Rounds.sentTick() knows no round that was never begun", () => {
  const rounds = new Rounds(10);
  rounds.begin(1);
  assert.equal(rounds.sentTick(2), null);
});

Deno.test("Rounds.sentTick() forgets rounds of long ago", () => {
  const rounds = new Rounds(10);
  rounds.begin(1);
  rounds.begin(12);
  assert.equal(rounds.sentTick(1), null);
  assert.equal(rounds.sentTick(2), 12);
});

Deno.test("Rounds.newestHeartbeat is the newest round that every follower is sent", () => {
  const rounds = new Rounds(10);
  assert.equal(rounds.newestHeartbeat, 0);
  rounds.beginHeartbeat(1);
  rounds.begin(1);
  assert.equal(rounds.newestHeartbeat, 1);
  assert.equal(rounds.current, 2);
});
