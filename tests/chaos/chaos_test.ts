import assert from "node:assert/strict";
import { runChaos } from "./chaos.ts";
import { formatReport } from "./report.ts";

/** With which nodes come to need snapshots early. */
const SEED = 53;

// Long enough for nearly every kind of fault to happen once.
Deno.test("a real cluster keeps its promises through twenty seconds of chaos", async () => {
  const report = await runChaos({ seed: SEED, durationMs: 20_000 });
  assert.deepEqual(report.violations, [], formatReport(report));
  assert.ok(report.elections > 1, formatReport(report));
  assert.ok((report.events?.["snapshots installed"] ?? 0) > 0, formatReport(report));
  for (const [kind, { ok }] of Object.entries(report.requests)) {
    assert.ok(ok > 0, `no ${kind} was answered\n${formatReport(report)}`);
  }
});
