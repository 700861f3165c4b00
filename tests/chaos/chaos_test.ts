import assert from "node:assert/strict";
import { type Happened, runChaos } from "./chaos.ts";
import { formatReport } from "./report.ts";

/** With which nodes come to need snapshots early. */
const SEED = 53;

/** Changes of the members that were completed, as the report counts them. */
const CHANGES: readonly string[] = [
  "a node joins",
  "a node leaves",
  "a node is replaced",
  "a lost disk is replaced",
  "all shares are dealt anew",
  "the threshold rises",
  "the threshold falls",
];

/** A guard against waiting for ever. */
const TIMEOUT_MS = 180_000;

// Long enough for nearly every kind of fault to happen once.
Deno.test("a real cluster keeps its promises through twenty seconds of chaos", async () => {
  const report = await runChaos({
    seed: SEED,
    durationMs: 20_000,
    isEnough: sawEverything,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  assert.deepEqual(report.violations, [], formatReport(report));
  assert.ok(sawEverything(report), formatReport(report));
});

/** Elections, a snapshot that somebody needed, another membership, and an answer to every kind of request. */
function sawEverything({ elections, changes, requests, events }: Happened): boolean {
  const isInstalled = (events?.["snapshots installed"] ?? 0) > 0;
  const isChanged = Object.keys(changes).some((name) => CHANGES.includes(name));
  return elections > 1 && isInstalled && isChanged &&
    Object.values(requests).every(({ ok }) => ok > 0);
}
