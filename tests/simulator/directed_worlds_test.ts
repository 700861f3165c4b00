import assert from "node:assert/strict";
import { DIRECTED_WORLDS } from "./directed_worlds.ts";
import { runScenario } from "./run.ts";

for (const [name, direct] of Object.entries(DIRECTED_WORLDS)) {
  Deno.test(`nothing is wrong in the directed world ${name}`, async () => {
    const { violation, counts } = await runScenario(direct(1));
    assert.equal(violation?.message ?? null, null);
    assert.ok((counts["termsLed"] ?? 0) > 0);
  });
}
