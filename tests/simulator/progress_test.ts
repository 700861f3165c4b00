import assert from "node:assert/strict";
import { FAULT_COUNTERS } from "./fault_kinds.ts";
import { Progress } from "./progress.ts";
import { drawScenario } from "./scenario.ts";

/** A progress of two seeds, in half a minute. */
function progressOf(counts: Readonly<Record<string, number>>): Progress {
  const progress = new Progress();
  for (const seed of [1, 2]) {
    progress.add({
      seed,
      scenario: drawScenario(seed),
      violation: null,
      events: 700,
      simulatedUs: 18e9,
      counts,
      traceDigest: "",
    });
  }
  return progress;
}

const WATCHED = { share: 0.5, elapsedMs: 30_000, columns: 80 };
const [FIRST = "", ...OTHERS] = FAULT_COUNTERS;

Deno.test("Progress.bar() shows seeds, events, simulated time and faults", () => {
  const [bar, extent, faults = ""] = progressOf({ [FIRST]: 3, reads: 9 }).bar(WATCHED);
  assert.equal(bar, "[##########..........] 2 seeds, 4 a minute");
  assert.equal(extent, "1400 events, 10.00 simulated hours");
  assert.ok(
    faults.startsWith(`1 of ${FAULT_COUNTERS.length} faults, 6 times; not yet ${OTHERS[0]}`),
  );
});

Deno.test("Progress.bar() fits the terminal, whatever it shows", () => {
  for (const columns of [20, 80, 132]) {
    const lines = progressOf({}).bar({ ...WATCHED, columns });
    for (const line of lines) assert.ok(line.length <= columns, line);
  }
});

Deno.test("Progress.bar() names no fault that has happened", () => {
  const all = Object.fromEntries(FAULT_COUNTERS.map((name) => [name, 1]));
  const [, , faults] = progressOf(all).bar(WATCHED);
  const kinds = FAULT_COUNTERS.length;
  assert.equal(faults, `${kinds} of ${kinds} faults, ${2 * kinds} times`);
});

Deno.test("Progress.counts() has every fault, and says which never happened", () => {
  const counts = progressOf({ [FIRST]: 3, reads: 9 }).counts();
  assert.equal(counts.length, FAULT_COUNTERS.length + 1);
  assert.ok(counts.includes(`           6  ${FIRST}`));
  assert.ok(counts.includes("          18  reads"));
  for (const name of OTHERS) assert.ok(counts.includes(`           0  ${name}  NEVER`), name);
});
