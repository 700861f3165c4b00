import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { encodeBase64, encodeHex, encodeUtf8 } from "../../lib/bytes.ts";
import {
  encodePem,
  encodeVerifierKey,
  GROUP_KEY_LENGTH_MAX,
  keyId,
  parseGroupKey,
} from "../../lib/certificate/group_key.ts";
import { parseSignedNote } from "../../lib/certificate/signed_note.ts";
import { InputError } from "../../lib/errors.ts";
import { verifySignature } from "../../lib/frost/mod.ts";
import { toClusterName } from "../../lib/types.ts";
import { BAD_ENCODINGS } from "../frost/weak_points.ts";

/** Verifier keys made by Go's golang.org/x/mod/sumdb/note: its example, and sum.golang.org's. */
const GO_KEYS = [
  "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
  "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
];
const GO_NOTE = `If you think cryptography is the answer to your problem,
then you don't know what your problem is.

\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`;
const [GO_KEY = ""] = GO_KEYS;
const PUBLIC_KEY = parseGroupKey(GO_KEY).publicKey;
const CLUSTER = toClusterName("floe-demo");

Deno.test("parseGroupKey() reads the verifier keys that Go's sumdb/note makes", () => {
  for (const text of GO_KEYS) {
    const { cluster, publicKey } = parseGroupKey(text);
    assert.ok(cluster !== null);
    assert.equal(encodeVerifierKey(cluster, publicKey), text);
  }
});

Deno.test("keyId() is the one that Go's sumdb/note puts into a note, whose signature verifies", () => {
  const { name, text, keyId: id, signature } = parseSignedNote(GO_NOTE);
  assert.deepEqual(keyId(name, PUBLIC_KEY), id);
  assert.ok(verifySignature(PUBLIC_KEY, encodeUtf8(text), signature));
});

Deno.test("keyId() differs for another name and another key", () => {
  const ids = [
    keyId(CLUSTER, PUBLIC_KEY),
    keyId(toClusterName("floe-dem"), PUBLIC_KEY),
    keyId(CLUSTER, PUBLIC_KEY.map((byte) => byte ^ 1)),
  ].map(encodeHex);
  assert.equal(new Set(ids).size, 3);
});

Deno.test("parseGroupKey() reads one key in all its forms, white space around them included", () => {
  const hex = encodeHex(PUBLIC_KEY);
  const pem = encodePem(PUBLIC_KEY);
  for (const text of [hex, hex.toUpperCase(), `\n ${hex}\n`, pem, pem.replaceAll("\n", "\r\n")]) {
    assert.deepEqual(parseGroupKey(text), { publicKey: PUBLIC_KEY, cluster: null });
  }
  const verifierKey = encodeVerifierKey(CLUSTER, PUBLIC_KEY);
  assert.deepEqual(parseGroupKey(` ${verifierKey}\n`), { publicKey: PUBLIC_KEY, cluster: CLUSTER });
});

Deno.test("encodePem() writes what the native parser reads", () => {
  const { x } = createPublicKey(encodePem(PUBLIC_KEY)).export({ format: "jwk" });
  const base64 = encodeBase64(PUBLIC_KEY).replaceAll("+", "-").replaceAll("/", "_");
  assert.equal(x, base64.replace("=", ""));
});

Deno.test("parseGroupKey() reads PEM that is folded into lines", () => {
  const folded = encodePem(PUBLIC_KEY).replace("MCow", "MC\now");
  assert.deepEqual(parseGroupKey(folded).publicKey, PUBLIC_KEY);
});

for (const [name, , encoding] of BAD_ENCODINGS) {
  Deno.test(`parseGroupKey() refuses ${name} in any form`, () => {
    for (
      const text of [encodeHex(encoding), encodePem(encoding), encodeVerifierKey(CLUSTER, encoding)]
    ) {
      assert.throws(() => parseGroupKey(text), InputError);
    }
  });
}

const PEM = encodePem(PUBLIC_KEY);
const REFUSED: readonly (readonly [string, string])[] = [
  ["nothing", ""],
  ["a word", "key"],
  ["hex with a letter that is no digit", `${"0".repeat(63)}g`],
  ["hex with a space inside", `${"0".repeat(31)} ${"0".repeat(32)}`],
  ["a verifier key with another id", GO_KEY.replace("c74f20a3", "c74f20a4")],
  ["a verifier key with its id in capitals", GO_KEY.replace("c74f20a3", "C74F20A3")],
  ["a verifier key of another name", GO_KEY.replace("PeterNeumann", "PeterNeuman")],
  ["a verifier key without a name", GO_KEY.replace("PeterNeumann", "")],
  ["a verifier key with a bad name", GO_KEY.replace("PeterNeumann", "Peter Neumann")],
  ["a verifier key without an id", "PeterNeumann+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"],
  ["a verifier key of another type", GO_KEY.replace("ARpc", "Ahpc")],
  ["a verifier key that is cut off", GO_KEY.slice(0, -4)],
  ["a verifier key that is too long", `${GO_KEY}AAAA`],
  ["a verifier key whose base64 is not canonical", `${GO_KEY.slice(0, -1)}!`],
  ["a private key", PEM.replaceAll("PUBLIC", "PRIVATE")],
  ["PEM without its last line", PEM.replace(/-----END.*\n/, "")],
  ["PEM without its content", PEM.replace(/MCow.*\n/, "")],
  ["PEM of another kind of key", PEM.replace("MCowBQYDK2Vw", "MCowBQYDK2Vu")],
  ["PEM with bytes after the key", PEM.replace("\n-----END", "AAAA\n-----END")],
  ["PEM with text before it", `key:\n${PEM}`],
  ["an endless text", "0".repeat(GROUP_KEY_LENGTH_MAX + 1)],
];

for (const [name, text] of REFUSED) {
  Deno.test(`parseGroupKey() refuses ${name}`, () => {
    assert.throws(() => parseGroupKey(text), InputError);
  });
}

Deno.test("parseGroupKey() refuses a verifier key with any one character changed", () => {
  for (let at = 0; at < GO_KEY.length; at++) {
    const changed = GO_KEY.slice(0, at) + (GO_KEY[at] === "A" ? "B" : "A") + GO_KEY.slice(at + 1);
    assert.throws(() => parseGroupKey(changed), InputError, changed);
  }
});

Deno.test("parseGroupKey() says what was expected", () => {
  assert.throws(() => parseGroupKey("key"), /64 hex digits.*verifier key.*PEM/);
});
