/**
 * Certificates and the keys that check them: notes, genesis notes, group keys.
 *
 * @module
 */

import assert from "node:assert/strict";
import { encodeUtf8 } from "../../../lib/bytes.ts";
import { encodeStatement, parseStatement } from "../../../lib/certificate/election.ts";
import {
  CertificateError,
  encodePem,
  encodeSignedNote,
  encodeVerifierKey,
  parseGroupKey,
  parseSignedNote,
  verifyCertificate,
  verifyGenesis,
} from "../../../lib/certificate/mod.ts";
import { InputError } from "../../../lib/errors.ts";
import { createTestCluster, electionFields } from "../../certificate/cluster.ts";
import { certify } from "../../certificate/election.ts";
import { certifyGenesis, createFounders, createStatement } from "../../certificate/founders.ts";
import type { Random } from "../../simulator/random.ts";
import { mutateText } from "../mutate_json.ts";
import { refusing, type Target, textTarget } from "../target.ts";

const CLUSTER = createTestCluster({ threshold: 2, voters: 3 });
const KEY = { publicKey: CLUSTER.group.publicKey, cluster: CLUSTER.group.cluster };
const NOTES = [1, 7, 1000].map((term) =>
  certify(CLUSTER.certifiers, [0, 2], electionFields({ term }))
);
const FOUNDERS = createFounders(2, 3);
const GENESIS = certifyGenesis(FOUNDERS, createStatement(FOUNDERS));

/** A certificate has one form, and only the voters can make one. */
export const certificates: Target = textTarget({
  name: "certificates",
  share: 80,
  draw: (random) => mutateOften(random.pick(NOTES), random),
  give: (note) =>
    refusing([CertificateError], () => {
      const parsed = parseSignedNote(note);
      assert.equal(encodeSignedNote(parsed), note);
      assert.equal(encodeStatement(parseStatement(parsed.text)), parsed.text);
      const verified = verifyCertificate(note, KEY);
      assert.ok(NOTES.includes(note), `forged: ${JSON.stringify(verified)}`);
    }),
});

/** As for certificates, with one signature of every voter. */
export const genesisNotes: Target = textTarget({
  name: "genesis-notes",
  share: 15,
  draw: (random) => mutateOften(GENESIS, random),
  give: (note) =>
    refusing([CertificateError], () => {
      verifyGenesis(note, FOUNDERS.roster);
      assert.equal(note, GENESIS, "forged");
    }),
});

/** A key that is read is the key that was written, in whichever of its three forms. */
export const groupKeys: Target = textTarget({
  name: "group-keys",
  share: 60,
  draw: (random) => mutateOften(random.pick(KEY_TEXTS), random),
  give: (text) =>
    refusing([InputError], () => {
      const key = parseGroupKey(text);
      assert.deepEqual(parseGroupKey(encodePem(key.publicKey)).publicKey, key.publicKey);
      if (key.cluster === null) return;
      assert.deepEqual(parseGroupKey(encodeVerifierKey(key.cluster, key.publicKey)), key);
    }),
});

const KEY_TEXTS = [
  KEY.publicKey.toHex(),
  encodePem(KEY.publicKey),
  encodeVerifierKey(KEY.cluster, KEY.publicKey),
];

/** Most often with changes, of characters or of the bytes behind them. */
function mutateOften(text: string, random: Random): string {
  let changed = text;
  for (let changes = random.below(4); changes > 0; changes--) changed = mutateText(changed, random);
  // As a file is read: what is not UTF-8 has become other characters.
  return random.chance(0.1) ? new TextDecoder().decode(encodeUtf8(changed).reverse()) : changed;
}
