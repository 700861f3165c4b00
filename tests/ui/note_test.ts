/**
 * What the page makes of certificates, without a browser: the module runs in Deno as it is.
 *
 * @module
 */

import { deepEqual, equal, throws } from "node:assert/strict";
import { encodeHex } from "../../lib/bytes.ts";
import { encodeVerifierKey } from "../../lib/certificate/group_key.ts";
import { encodeSignedNote } from "../../lib/certificate/signed_note.ts";
import { toClusterName } from "../../lib/types.ts";
import { fieldsOf, readKey, readNote, verifyNote } from "../../lib/ui/note.js";

const NAME = toClusterName("floe-test");
const STATEMENT =
  "floe/election/v1\ncluster floe-test\nepoch 1\nterm 7\nleader server_1\nlog 60 6\n";

/** A note that a key of WebCrypto signed, and that key. */
async function sign(statement = STATEMENT) {
  const { privateKey, publicKey } = await crypto.subtle.generateKey("Ed25519", true, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", publicKey));
  const data = new TextEncoder().encode(statement);
  const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, data));
  const [, id = ""] = encodeVerifierKey(NAME, raw).split("+");
  const note = encodeSignedNote({
    text: statement,
    name: NAME,
    keyId: Uint8Array.fromHex(id),
    signature,
  });
  return { note, raw };
}

Deno.test("a note that the key signed is valid, under the key in both its forms", async () => {
  const { note, raw } = await sign();
  const read = readNote(note);
  equal(read.statement, STATEMENT);
  for (const text of [encodeHex(raw), ` ${encodeVerifierKey(NAME, raw)}\n`]) {
    equal(await verifyNote(read, readKey(text)), "valid");
  }
  deepEqual([readKey(encodeHex(raw)).name, readKey(encodeVerifierKey(NAME, raw)).name], [
    null,
    NAME,
  ]);
});

Deno.test("a note with any other byte in its statement or signature is invalid", async () => {
  const { note, raw } = await sign();
  const { statement, signature, ...rest } = readNote(note);
  const key = readKey(encodeHex(raw));
  for (let at = 0; at < statement.length; at++) {
    const changed = statement.slice(0, at) + String.fromCharCode(statement.charCodeAt(at) ^ 1) +
      statement.slice(at + 1);
    equal(await verifyNote({ ...rest, statement: changed, signature }, key), "invalid", `${at}`);
  }
  for (let at = 0; at < signature.length; at++) {
    const changed = signature.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    equal(await verifyNote({ ...rest, statement, signature: changed }, key), "invalid", `${at}`);
  }
});

Deno.test("a note of another key, or of another name, is said to be so", async () => {
  const [{ note }, other] = [await sign(), await sign()];
  equal(await verifyNote(readNote(note), readKey(encodeHex(other.raw))), "otherKey");
  const renamed = { ...readNote(other.note), name: "floe-other" };
  equal(await verifyNote(renamed, readKey(encodeHex(other.raw))), "otherKey");
});

Deno.test("readKey() refuses what is no key", async () => {
  const { raw } = await sign();
  const good = encodeVerifierKey(NAME, raw);
  for (const bad of ["", "ab", encodeHex(raw).slice(1), `${good}AAAA`, good.replace("+", " ")]) {
    throws(() => readKey(bad), /This is no public key/, bad);
  }
});

Deno.test("readNote() refuses what is no note with one signature", async () => {
  const { note } = await sign();
  const line = note.slice(note.indexOf("\u2014"));
  for (
    const bad of [
      "",
      STATEMENT,
      note.trimEnd(),
      note + line,
      note.replace("\n\n", "\n"),
      `${note}x`,
    ]
  ) {
    throws(() => readNote(bad), /This is no signed note/, bad);
  }
});

Deno.test("fieldsOf() reads a statement's lines", () => {
  const fields = fieldsOf(STATEMENT);
  deepEqual([fields.get("leader"), fields.get("log"), fields.has("floe/election/v1")], [
    "server_1",
    "60 6",
    true,
  ]);
});
