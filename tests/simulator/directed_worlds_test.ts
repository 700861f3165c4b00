import assert from "node:assert/strict";
import { DIRECTED_WORLDS } from "./directed_worlds.ts";
import { LEADER_LIES } from "./members/leader_lies.ts";
import { SIGNING_LIES } from "./members/member_lies.ts";
import { runScenario } from "./run.ts";

/** What must happen in some worlds: it is too rare in the gate's seeds. */
const HAPPENS: Readonly<Record<string, readonly string[]>> = {
  lyingSigner: SIGNING_LIES.map((lie) => `lie.members.${lie}`),
  lyingLeader: LEADER_LIES.map((lie) => `lie.members.${lie}`),
  fullDisks: ["change.fullDisk.log", "change.fullDisk.shares"],
  replacedMembers: ["change.lostForGood", "change.rival"],
};

for (const [name, direct] of Object.entries(DIRECTED_WORLDS)) {
  Deno.test(`nothing is wrong in the directed world ${name}`, async () => {
    const { violation, counts } = await runScenario(direct(1));
    assert.equal(violation?.message ?? null, null);
    assert.ok((counts["termsLed"] ?? 0) > 0);
    for (const what of HAPPENS[name] ?? []) assert.ok((counts[what] ?? 0) > 0, what);
  });
}
