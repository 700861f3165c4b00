import assert from "node:assert/strict";
import { checkRoster, describeRosterDifference } from "../../lib/certificate/genesis.ts";
import { toClusterName, toEpoch } from "../../lib/types.ts";
import { SMALL_ORDER_POINTS } from "../frost/weak_points.ts";
import { nodeId } from "./cluster.ts";
import { createFounders } from "./founders.ts";
import { assertRefused } from "./refused.ts";

for (const [threshold, count] of [[2, 2], [2, 3], [3, 3], [3, 4], [4, 4], [3, 5]] as const) {
  Deno.test(`checkRoster() accepts ${threshold} of ${count}`, () => {
    const { roster } = createFounders(threshold, count);
    checkRoster(roster);
    const same = createFounders(threshold, count).roster;
    assert.equal(describeRosterDifference(roster, same), null);
  });
}

for (
  const [threshold, count] of [[1, 1], [0, 0], [1, 2], [3, 2], [1, 3], [4, 3], [2, 4], [2.5, 4]]
) {
  Deno.test(`checkRoster() refuses ${threshold} of ${count}`, () => {
    const { roster } = createFounders(threshold ?? 0, count ?? 0);
    assertRefused("bad-roster", () => checkRoster(roster));
  });
}

Deno.test("checkRoster() refuses an id or an identity key that is there twice, and names it", () => {
  const { roster } = createFounders(2, 3);
  const [first, , third] = roster.voters;
  assert.ok(first && third);
  for (const twice of [{ ...third, id: first.id }, { ...third, identityKey: first.identityKey }]) {
    const voters = roster.voters.with(2, twice);
    assert.equal(assertRefused("bad-roster", () => checkRoster({ ...roster, voters })), twice.id);
  }
});

Deno.test("checkRoster() refuses an identity key under which any signature could pass", () => {
  const { roster } = createFounders(2, 3);
  const identity = new Uint8Array(32).with(0, 1);
  for (const identityKey of [...SMALL_ORDER_POINTS, identity, new Uint8Array(31)]) {
    const voters = roster.voters.with(1, { id: nodeId(2), identityKey });
    assert.equal(assertRefused("bad-roster", () => checkRoster({ ...roster, voters })), nodeId(2));
  }
});

for (const [change, difference] of differences()) {
  Deno.test(`describeRosterDifference() tells that ${difference}`, () => {
    const { roster } = createFounders(2, 3);
    assert.equal(describeRosterDifference({ ...roster, ...change }, roster), difference);
  });
}

function differences() {
  const { voters } = createFounders(2, 3).roster;
  const [first, second] = voters;
  assert.ok(first && second);
  return [
    [{ cluster: toClusterName("floe-other") }, "its cluster is floe-other, not floe-test"],
    [{ epoch: toEpoch(2) }, "its epoch is 2, not 1"],
    [{ threshold: 3 }, "its threshold is 3, not 2"],
    [{ voters: voters.slice(0, 2) }, "it has 2 voters, not 3"],
    [{ voters: voters.toReversed() }, "voter 1 is server_3, not server_1"],
    [
      { voters: voters.with(0, { ...first, identityKey: second.identityKey }) },
      "server_1 has another identity key in it",
    ],
  ] as const;
}
