import assert from "node:assert/strict";
import { FairShare, TURNS_PER_REST, WORK_PER_TURN_MAX } from "../../lib/transport/fair_share.ts";
import { TurnCounter } from "./turn_counter.ts";

Deno.test("take() lets work go on at once until there was a turn's worth of it", async () => {
  const share = new FairShare();
  for (let work = 1; work < WORK_PER_TURN_MAX; work++) assert.equal(share.take(1), null);
  const turn = share.take(1);
  assert.ok(turn !== null);
  await turn;
  assert.equal(share.take(1), null);
});

for (const turns of [1, 2, 10]) {
  Deno.test(`take() waits ${turns} turns for the work of as many`, async () => {
    const share = new FairShare();
    using counter = new TurnCounter();
    await share.take(turns * WORK_PER_TURN_MAX);
    assert.ok(counter.count >= turns - 1, `${counter.count} turns`);
    assert.equal(share.take(WORK_PER_TURN_MAX - 1), null);
  });
}

Deno.test("take() rests now and then, so that the network is looked at", async () => {
  const { setTimeout } = globalThis;
  let rests = 0;
  globalThis.setTimeout = ((...args: Parameters<typeof setTimeout>) => {
    rests += 1;
    return setTimeout(...args);
  }) as typeof setTimeout;
  try {
    const share = new FairShare();
    for (let turn = 0; turn < 3 * TURNS_PER_REST; turn++) await share.take(WORK_PER_TURN_MAX);
    assert.equal(rests, 3);
  } finally {
    globalThis.setTimeout = setTimeout;
  }
});
