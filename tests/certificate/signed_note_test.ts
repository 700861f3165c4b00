import assert from "node:assert/strict";
import { decodeBase64, encodeBase64 } from "../../lib/bytes.ts";
import { NOTE_LENGTH_MAX } from "../../lib/certificate/certifier.ts";
import {
  encodeSignedNote,
  parseSignedNote,
  type SignedNote,
} from "../../lib/certificate/signed_note.ts";
import { toClusterName } from "../../lib/types.ts";
import { assertRefused } from "./refused.ts";

/** The example of Go's golang.org/x/mod/sumdb/note. */
const GO_NOTE = `If you think cryptography is the answer to your problem,
then you don't know what your problem is.

\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`;
const GO_SIGNATURE =
  "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";

const NOTE: SignedNote = {
  text: "line one\nline two\n",
  name: toClusterName("floe-demo"),
  keyId: Uint8Array.of(1, 2, 3, 4),
  signature: new Uint8Array(64).fill(0xa5),
};

Deno.test("parseSignedNote() reads back what encodeSignedNote() wrote", () => {
  assert.deepEqual(parseSignedNote(encodeSignedNote(NOTE)), NOTE);
});

Deno.test("parseSignedNote() reads the example of Go's sumdb/note, and encodeSignedNote() writes it", () => {
  const note = parseSignedNote(GO_NOTE);
  assert.equal(note.name, "PeterNeumann");
  assert.equal(note.keyId.toHex(), "c74f20a3");
  assert.equal(encodeSignedNote(note), GO_NOTE);
});

Deno.test("parseSignedNote() takes the last empty line as the end of the text", () => {
  const text = "one\n\n\u2014 somebody else\n\nthree\n";
  assert.equal(parseSignedNote(encodeSignedNote({ ...NOTE, text })).text, text);
});

Deno.test("parseSignedNote() refuses every truncation", () => {
  for (let length = 0; length < GO_NOTE.length; length++) {
    assertRefused("malformed", () => parseSignedNote(GO_NOTE.slice(0, length)));
  }
});

Deno.test("parseSignedNote() refuses anything after the signature", () => {
  for (const suffix of ["\n", " ", "x", GO_NOTE.split("\n").slice(-2).join("\n")]) {
    assertRefused("malformed", () => parseSignedNote(GO_NOTE + suffix));
  }
});

Deno.test("parseSignedNote() refuses a note that is too long", () => {
  const text = `${"a".repeat(NOTE_LENGTH_MAX)}\n`;
  assertRefused("malformed", () => parseSignedNote(encodeSignedNote({ ...NOTE, text })));
});

const REPLACEMENTS: readonly (readonly [string, string, string])[] = [
  ["a hyphen for the em dash", "\u2014 ", "- "],
  ["an en dash for the em dash", "\u2014 ", "\u2013 "],
  ["no space after the dash", "\u2014 ", "\u2014"],
  ["two spaces after the dash", "\u2014 ", "\u2014  "],
  ["no empty line", "is.\n\n", "is.\n"],
  ["carriage returns", "\n", "\r\n"],
  ["no name", "PeterNeumann ", ""],
  ["an empty name", "PeterNeumann", ""],
  ["a name with a plus sign", "PeterNeumann", "Peter+Neumann"],
  ["a name that is too long", "PeterNeumann", "P".repeat(65)],
  ["no base64", ` ${GO_SIGNATURE}`, ""],
  ["base64 without its padding", "AM=", "AM"],
  ["base64 with unused bits set", "AM=", "AN="],
  ["base64 of the URL alphabet", "go/Z", "go_Z"],
  ["base64 in two parts", "x08go", "x08 go"],
  ["a signature that is too short", GO_SIGNATURE, encodeBase64(new Uint8Array(67))],
  ["a signature that is too long", GO_SIGNATURE, encodeBase64(new Uint8Array(69))],
];

for (const [name, from, to] of REPLACEMENTS) {
  Deno.test(`parseSignedNote() refuses ${name}`, () => {
    assert.ok(GO_NOTE.includes(from));
    assertRefused("malformed", () => parseSignedNote(GO_NOTE.replaceAll(from, to)));
  });
}

Deno.test("parseSignedNote() refuses a second signature line", () => {
  const [line] = GO_NOTE.split("\n").slice(-2);
  assertRefused("malformed", () => parseSignedNote(`${GO_NOTE}${line}\n`));
});

Deno.test("parseSignedNote() refuses or reads differently a note with any one character changed", () => {
  const original = parseSignedNote(GO_NOTE);
  assert.equal(decodeBase64(GO_SIGNATURE).length, 68);
  for (let at = 0; at < GO_NOTE.length; at++) {
    const changed = GO_NOTE.slice(0, at) + (GO_NOTE[at] === "x" ? "y" : "x") +
      GO_NOTE.slice(at + 1);
    try {
      assert.notDeepEqual(parseSignedNote(changed), original);
    } catch (error) {
      assert.equal((error as Error).name, "CertificateError");
    }
  }
});
