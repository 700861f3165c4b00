import assert from "node:assert/strict";
import { INFLIGHT_ROUNDS_MAX } from "../../lib/raft/config.ts";
import { FollowerRounds, Rounds } from "../../lib/raft/progress.ts";

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

Deno.test("FollowerRounds has no room beyond the limit until one is answered", () => {
  const rounds = new FollowerRounds(0);
  for (let round = 1; round <= INFLIGHT_ROUNDS_MAX; round++) {
    assert.equal(rounds.hasRoom, true);
    rounds.noteSent(round);
    rounds.noteSent(round);
  }
  assert.equal(rounds.hasRoom, false);
  rounds.noteAnswered(1, { sentTick: 0, promiseTicks: 10 });
  assert.equal(rounds.hasRoom, true);
});

Deno.test("FollowerRounds.noteSent() remembers no more rounds than may be in flight", () => {
  const rounds = new FollowerRounds(0);
  const heartbeats = 10 * INFLIGHT_ROUNDS_MAX;
  for (let round = 1; round <= heartbeats; round++) rounds.noteSent(round);
  assert.equal(rounds.sent, heartbeats);
  rounds.noteAnswered(INFLIGHT_ROUNDS_MAX, { sentTick: 0, promiseTicks: 10 });
  assert.equal(rounds.hasRoom, true);
});

Deno.test("FollowerRounds.noteAnswered() ignores late and doubled answers", () => {
  const rounds = new FollowerRounds(0);
  for (const round of [1, 2, 3]) rounds.noteSent(round);
  rounds.noteAnswered(3, { sentTick: 30, promiseTicks: 10 });
  rounds.noteAnswered(2, { sentTick: 40, promiseTicks: 10 });
  rounds.noteAnswered(3, { sentTick: 50, promiseTicks: 10 });
  assert.equal(rounds.answered, 3);
  assert.equal(rounds.answeredSentTick, 30);
});

Deno.test("FollowerRounds.noteAnswered() counts no tick for a round sent too long ago", () => {
  const rounds = new FollowerRounds(7);
  rounds.noteAnswered(1, { sentTick: null, promiseTicks: 10 });
  assert.equal(rounds.answeredSentTick, 7);
});
