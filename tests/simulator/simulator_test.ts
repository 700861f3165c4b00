import assert from "node:assert/strict";
import { Counters } from "./counters.ts";
import { FAULT_COUNTERS, RARE_FAULTS } from "./fault_kinds.ts";
import { runSeed } from "./run.ts";
import { drawScenario, REAL_FROST_EVERY } from "./scenario.ts";
import { Simulation } from "./simulation.ts";
import { Trace } from "./trace.ts";

/** How many seeds the gate runs: enough for each fault to happen. `deno task simulate` runs any number. */
const SEEDS = 200;

/** How many more it runs at most, as long as a fault has not happened. */
const MORE_SEEDS = 60;

Deno.test(`nothing is wrong in seeds 1 to ${SEEDS}, and every fault happens`, async () => {
  const counters = new Counters();
  const never = () =>
    FAULT_COUNTERS.filter((name) => counters.of(name) === 0 && !RARE_FAULTS.includes(name));
  for (let seed = 1; seed <= SEEDS + MORE_SEEDS; seed++) {
    if (seed > SEEDS && never().length === 0) break;
    const { violation, counts } = await runSeed(seed);
    const replay = `replay it with: deno task simulate --seed ${seed}`;
    assert.equal(violation, null, `Seed ${seed}: ${violation?.message}; ${replay}`);
    counters.add(counts);
  }
  assert.deepEqual(never(), [], "a fault that never happens finds nothing");
});

Deno.test("a seed makes the same run, byte for byte, every time", async () => {
  const withLiars = 8;
  for (const seed of [withLiars, 16, REAL_FROST_EVERY]) {
    const lines: string[] = [];
    const first = await runSeed(seed, (line) => lines.push(line));
    const second = await runSeed(seed, () => {});
    assert.equal(first.traceDigest, second.traceDigest, `seed ${seed}`);
    assert.deepEqual(first.counts, second.counts);
    assert.ok(lines.length > 1000, "and the trace says what happened");
  }
});

Deno.test("whether anybody watches makes no difference to a run", async () => {
  const [watched, unwatched] = [await runSeed(16, () => {}), await runSeed(16)];
  assert.equal(watched.events, unwatched.events);
  assert.deepEqual(watched.counts, unwatched.counts);
});

Deno.test("different seeds make different runs", async () => {
  const first = await runSeed(16, () => {});
  const second = await runSeed(17, () => {});
  assert.notEqual(first.traceDigest, second.traceDigest);
});

Deno.test("a run in which two provoke each other without end is given up", async () => {
  const simulation = new Simulation(drawScenario(16), new Trace(null));
  const provoke = (): void => simulation.queue.after(0, provoke);
  provoke();
  await assert.rejects(simulation.runUntil(1), /What is said comes to an end: more than 2000000/);
});

Deno.test("scenarios are within the bounds that are promised", () => {
  for (let seed = 1; seed <= 2000; seed++) {
    const { size, threshold, liars, replicationHolds } = drawScenario(seed);
    const majority = Math.floor(size / 2) + 1;
    assert.ok(size >= 1 && size <= 9);
    assert.ok(threshold >= majority && threshold <= size);
    assert.ok(liars === 0 || liars <= 2 * threshold - size - 1);
    assert.ok(!replicationHolds || liars === 0 || threshold + majority >= size + liars + 1);
  }
});
