import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { decodeUtf8, encodeHex } from "../../lib/bytes.ts";
import {
  encodeHashStatement,
  hashConfiguration,
  hashTranscript,
  parametersOf,
  toPlan,
} from "../../lib/keygen/configuration.ts";
import { toClusterName, toEpoch } from "../../lib/types.ts";
import { nodeId } from "../certificate/cluster.ts";
import { createFounders } from "../certificate/founders.ts";
import { assertRefused } from "../certificate/refused.ts";
import { TestKeygen } from "./harness.ts";

const { roster: ROSTER } = createFounders(2, 3);
const PLAN = toPlan(new TestKeygen(2, 3).configOf(nodeId(2), 1));
const TEXT = "floe/keygen/v1\ncluster floe-test\nepoch 1\nthreshold 2 of 3\n" +
  ROSTER.voters.map(({ id, identityKey }) => `voter ${id} ${encodeHex(identityKey)}\n`).join("");

Deno.test("toPlan() knows the node's identifier and its peers, in order", () => {
  assert.equal(PLAN.identifier, 2);
  assert.deepEqual(PLAN.peers, [nodeId(1), nodeId(3)]);
});

Deno.test("toPlan() refuses a roster that can found no cluster", () => {
  const config = new TestKeygen(2, 3).configOf(nodeId(2), 1);
  for (const threshold of [0, 1, 4]) {
    assertRefused("bad-roster", () => toPlan({ ...config, roster: { ...ROSTER, threshold } }));
  }
});

Deno.test("hashConfiguration() is SHA-256 over a text that anybody can rebuild", () => {
  assert.equal(hashConfiguration(ROSTER), sha256(TEXT));
  assert.equal(PLAN.configuration, sha256(TEXT));
});

Deno.test("hashConfiguration() tells every difference", () => {
  const [first, second] = ROSTER.voters;
  assert.ok(first && second);
  const hashes = [
    ROSTER,
    { ...ROSTER, cluster: toClusterName("floe-tesu") },
    { ...ROSTER, epoch: toEpoch(2) },
    { ...ROSTER, threshold: 3 },
    { ...ROSTER, voters: ROSTER.voters.toReversed() },
    { ...ROSTER, voters: ROSTER.voters.slice(0, 2) },
    { ...ROSTER, voters: ROSTER.voters.with(0, { ...first, id: nodeId(9) }) },
    { ...ROSTER, voters: ROSTER.voters.with(0, { ...first, identityKey: second.identityKey }) },
  ].map(hashConfiguration);
  assert.equal(new Set(hashes).size, hashes.length);
});

Deno.test("parametersOf() binds proofs to the configuration and the attempt", () => {
  const { context, minParticipants, maxParticipants } = parametersOf(PLAN, 7);
  assert.equal(encodeHex(context), sha256(`${TEXT}attempt 7\n`));
  assert.deepEqual([minParticipants, maxParticipants], [2, 3]);
  assert.notDeepEqual(context, parametersOf(PLAN, 8).context);
});

Deno.test("encodeHashStatement() begins with its kind, and says which attempt", () => {
  const text = decodeUtf8(encodeHashStatement(PLAN, { attempt: 7, hash: Uint8Array.of(1, 2) }));
  assert.equal(
    text,
    `floe/keygen-hash/v1\nconfiguration ${sha256(TEXT)}\nattempt 7\nhash 0102\n`,
  );
});

Deno.test("hashTranscript() tells attempts and hashes from each other", () => {
  const [one, two] = [new Uint8Array(64).fill(1), new Uint8Array(64).fill(2)];
  const hashes = [
    hashTranscript(parametersOf(PLAN, 1), [one, two]),
    hashTranscript(parametersOf(PLAN, 2), [one, two]),
    hashTranscript(parametersOf(PLAN, 1), [two, one]),
    hashTranscript(parametersOf(PLAN, 1), [one]),
  ].map(encodeHex);
  assert.equal(new Set(hashes).size, hashes.length);
});

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
