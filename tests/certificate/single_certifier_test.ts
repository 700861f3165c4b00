import { ed25519 } from "@noble/curves/ed25519.js";
import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeUtf8 } from "../../lib/bytes.ts";
import type { Certifier, Group } from "../../lib/certificate/certifier.ts";
import { createCertifier, parseSignedNote, verifyCertificate } from "../../lib/certificate/mod.ts";
import { InputError } from "../../lib/errors.ts";
import { toClusterName, toEpoch, toTerm } from "../../lib/types.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";
import { electionFields, nodeId } from "./cluster.ts";
import { certify, requestOf, runRounds } from "./election.ts";
import { assertRefused } from "./refused.ts";

const SEED = new Uint8Array(32).fill(7);
const PUBLIC_KEY = ed25519.getPublicKey(SEED);
const GROUP: Group = {
  cluster: toClusterName("floe-one"),
  epoch: toEpoch(1),
  threshold: 1,
  publicKey: PUBLIC_KEY,
  voters: [{ id: nodeId(1), identifier: 1, verifyingShare: PUBLIC_KEY }],
};

Deno.test("SingleCertifier elects with a plain Ed25519 key", () => {
  const certifier = createSingle();
  const note = certify([certifier], [0]);
  assert.equal(certifier.verify(note, electionFields()).leader, nodeId(1));
  const { text, signature } = parseSignedNote(note);
  assert.deepEqual(new Uint8Array(ed25519.sign(encodeUtf8(text), SEED)), signature);
  verifyCertificate(note, { publicKey: PUBLIC_KEY, cluster: GROUP.cluster });
});

Deno.test("SingleCertifier.combine() names itself for a wrong or malformed share", () => {
  const certifier = createSingle();
  const { request, shares } = runRounds([certifier], [0]);
  const share = assertDefined(shares.get(nodeId(1)), "no share");
  for (const bad of [share.slice(1), new Uint8Array(64), new Uint8Array()]) {
    const result = certifier.combine(request, new Map([[nodeId(1), bad]]));
    assert.deepEqual(result, { kind: "cheaters", voters: [nodeId(1)] });
  }
  for (let at = 0; at < share.length; at++) {
    const bad = share.map((byte, offset) => offset === at ? byte ^ 1 : byte);
    assert.equal(certifier.combine(request, new Map([[nodeId(1), bad]])).kind, "cheaters");
  }
});

Deno.test("SingleCertifier.takeNonce() follows the rules that a nonce has", () => {
  const certifier = createSingle();
  const request = requestOf([certifier], [0]);
  const ticket = certifier.takeNonce(request);
  assert.deepEqual(certifier.sign(ticket), certifier.sign(certifier.takeNonce(request)));
  const election = { ...request.election, lastLogTerm: toTerm(1) };
  assertRefused("nonce-reused", () => certifier.takeNonce({ ...request, election }));
  assertRefused("too-few-signers", () => certifier.takeNonce({ ...request, commitments: [] }));
  certifier.forgetBelow(toTerm(100));
  assertRefused("unknown-nonce", () => certifier.sign(ticket));
});

Deno.test("SingleCertifier.checkCommitment() refuses every length but its token's", () => {
  const certifier = createSingle();
  for (const length of [0, 31, 33, 64]) {
    const check = () => certifier.checkCommitment(nodeId(1), new Uint8Array(length));
    assertRefused("bad-commitment", check);
  }
});

Deno.test("createCertifier() refuses a seed that is not the group key's, or malformed", () => {
  for (const share of [new Uint8Array(32), SEED.slice(1), new Uint8Array(33), new Uint8Array()]) {
    assert.throws(() => createSingle(share), InputError);
  }
});

Deno.test("createCertifier() refuses a node other than the only voter", () => {
  assertRefused("not-a-signer", () => {
    const randomBytes = seededBytes(1);
    createCertifier({ group: GROUP, self: nodeId(2), share: SEED, randomBytes });
  });
});

function createSingle(share: Uint8Array = SEED): Certifier {
  return createCertifier({ group: GROUP, self: nodeId(1), share, randomBytes: seededBytes(1) });
}
