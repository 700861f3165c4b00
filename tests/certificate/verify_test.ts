import { ed25519 } from "@noble/curves/ed25519.js";
import assert from "node:assert/strict";
import { createPublicKey, verify as verifyNatively } from "node:crypto";
import { decodeUtf8, encodeHex, encodeUtf8 } from "../../lib/bytes.ts";
import { verifyCertificate } from "../../lib/certificate/election.ts";
import { encodePem, encodeVerifierKey, parseGroupKey } from "../../lib/certificate/group_key.ts";
import { encodeSignedNote, parseSignedNote } from "../../lib/certificate/signed_note.ts";
import { InputError } from "../../lib/errors.ts";
import { toClusterName, toTerm } from "../../lib/types.ts";
import { createTestCluster, createTestDoubles, electionFields, nodeId } from "./cluster.ts";
import { certify } from "./election.ts";
import { assertRefused } from "./refused.ts";

const { group, certifiers } = createTestCluster({ threshold: 3, voters: 5 });
const NOTE = certify(certifiers, [0, 2, 4]);
const PARSED = parseSignedNote(NOTE);
const KEY = { publicKey: group.publicKey, cluster: group.cluster };

Deno.test("verifyCertificate() returns what the certificate says, under a key in any form", () => {
  const verifierKey = encodeVerifierKey(group.cluster, group.publicKey);
  for (const text of [encodeHex(group.publicKey), encodePem(group.publicKey), verifierKey]) {
    const certificate = verifyCertificate(NOTE, parseGroupKey(text));
    assert.deepEqual(certificate, { ...electionFields(), cluster: group.cluster, note: NOTE });
  }
});

Deno.test("a certificate's signature verifies with WebCrypto, node:crypto and noble", async () => {
  const message = encodeUtf8(PARSED.text);
  const signature = new Uint8Array(PARSED.signature);
  const raw = new Uint8Array(group.publicKey);
  const key = await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
  assert.ok(await crypto.subtle.verify("Ed25519", key, signature, message));
  assert.ok(verifyNatively(null, message, createPublicKey(encodePem(raw)), signature));
  assert.ok(ed25519.verify(signature, message, raw));
  assert.ok(ed25519.verify(signature, message, raw, { zip215: false }));
});

Deno.test("verifyCertificate() refuses a certificate with any one byte changed, in each of its bits", () => {
  const bytes = encodeUtf8(NOTE);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const changed = bytes.slice();
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.throws(() => verifyCertificate(decodeUtf8(changed), KEY), InputError, `bit ${bit}`);
  }
});

Deno.test("verifyCertificate() refuses any one byte of the statement changed under the old signature", () => {
  for (let at = 0; at < PARSED.text.length; at++) {
    const text = PARSED.text.slice(0, at) + (PARSED.text[at] === "1" ? "2" : "1") +
      PARSED.text.slice(at + 1);
    assert.throws(() => verifyCertificate(encodeSignedNote({ ...PARSED, text }), KEY), InputError);
  }
});

Deno.test("verifyCertificate() refuses any one byte of the signature changed", () => {
  for (let at = 0; at < PARSED.signature.length; at++) {
    for (const mask of [0x01, 0x80, 0xff]) {
      const signature = PARSED.signature.slice();
      signature[at] = (signature[at] ?? 0) ^ mask;
      const note = encodeSignedNote({ ...PARSED, signature });
      assertRefused("bad-signature", () => verifyCertificate(note, KEY));
    }
  }
});

Deno.test("verifyCertificate() refuses any one byte of the key id changed", () => {
  for (let at = 0; at < PARSED.keyId.length; at++) {
    const keyId = PARSED.keyId.slice();
    keyId[at] = (keyId[at] ?? 0) ^ 1;
    const note = encodeSignedNote({ ...PARSED, keyId });
    assertRefused("bad-signature", () => verifyCertificate(note, KEY));
  }
});

Deno.test("verifyCertificate() refuses every truncation and anything appended", () => {
  for (let length = 0; length < NOTE.length; length++) {
    assertRefused("malformed", () => verifyCertificate(NOTE.slice(0, length), KEY));
  }
  assertRefused("malformed", () => verifyCertificate(`${NOTE}\n`, KEY));
  assertRefused("malformed", () => verifyCertificate(`\n${NOTE}`, KEY));
});

Deno.test("verifyCertificate() refuses another cluster's key", () => {
  const other = createTestCluster({ threshold: 3, voters: 5, seed: 2 }).group;
  const key = { publicKey: other.publicKey, cluster: group.cluster };
  assertRefused("bad-signature", () => verifyCertificate(NOTE, key));
  assertRefused("bad-signature", () => verifyCertificate(NOTE, { ...key, cluster: null }));
});

Deno.test("verifyCertificate() refuses another cluster's name", () => {
  const key = { ...KEY, cluster: toClusterName("floe-other") };
  assertRefused("wrong-cluster", () => verifyCertificate(NOTE, key));
});

Deno.test("verifyCertificate() refuses a note signed under a name other than the statement's", () => {
  const note = encodeSignedNote({ ...PARSED, name: toClusterName("floe-other") });
  assertRefused("wrong-cluster", () => verifyCertificate(note, { ...KEY, cluster: null }));
});

Deno.test("verifyCertificate() refuses another term and another leader than expected", () => {
  const { term, leader } = electionFields();
  verifyCertificate(NOTE, KEY, { term, leader });
  assertRefused("wrong-term", () => verifyCertificate(NOTE, KEY, { term: toTerm(8), leader }));
  assertRefused("wrong-term", () => verifyCertificate(NOTE, KEY, { term: toTerm(6), leader }));
  assertRefused("wrong-leader", () => verifyCertificate(NOTE, KEY, { term, leader: nodeId(2) }));
});

Deno.test("verifyCertificate() refuses a certificate of the double", () => {
  const note = certify(createTestDoubles({ threshold: 3, voters: 5 }), [0, 2, 4]);
  assertRefused("bad-signature", () => verifyCertificate(note, KEY));
});

Deno.test("verifyCertificate() refuses a signed text that is no statement", () => {
  const seed = new Uint8Array(32).fill(7);
  const publicKey = ed25519.getPublicKey(seed);
  for (const text of ["hello\n", PARSED.text + PARSED.text, PARSED.text.replace("7", "07")]) {
    const signature = ed25519.sign(encodeUtf8(text), seed);
    const note = encodeSignedNote({ ...PARSED, text, signature });
    assertRefused("malformed", () => verifyCertificate(note, { publicKey, cluster: null }));
  }
});
