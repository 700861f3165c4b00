import assert from "node:assert/strict";
import { concatBytes, encodeUtf8 } from "../../lib/bytes.ts";
import { SecretScanner } from "./secret_scanner.ts";

const SECRET = crypto.getRandomValues(new Uint8Array(32));
const OTHER = crypto.getRandomValues(new Uint8Array(32));
const NUMBER = BigInt(`0x${SECRET.toHex()}`);

for (
  const [what, written] of [
    ["raw bytes", SECRET],
    ["the first half", SECRET.subarray(0, 16)],
    ["the second half", SECRET.subarray(16)],
    ["hex", SECRET.toHex()],
    ["upper-case hex", SECRET.toHex().toUpperCase()],
    ["hex, reversed", SECRET.toReversed().toHex()],
    ["base64", SECRET.toBase64()],
    ["base64url", SECRET.toBase64({ alphabet: "base64url", omitPadding: true })],
    ["base64 in a text, one byte behind", concatBytes(encodeUtf8("x"), SECRET, OTHER).toBase64()],
    ["base64 in a text, two bytes behind", concatBytes(encodeUtf8("xy"), SECRET, OTHER).toBase64()],
    [
      "base64url in a text, two bytes behind",
      concatBytes(encodeUtf8("xy"), SECRET, OTHER).toBase64({ alphabet: "base64url" }),
    ],
    ["JSON of the bytes", JSON.stringify({ secret: SECRET })],
    ["indented JSON of the bytes", JSON.stringify({ secret: SECRET }, null, 2)],
    ["JSON of a list", JSON.stringify([...SECRET])],
    ["what the console shows", Deno.inspect({ secret: SECRET })],
    ["what the console shows of a list", Deno.inspect({ secret: [...SECRET] }, { colors: false })],
    ["a text with a list", `${SECRET}`],
    [
      "a list in hex",
      [...SECRET].map((byte) => `0x${byte.toString(16).padStart(2, "0")}`).join(", "),
    ],
    ["a number", `${NUMBER}`],
    ["a number, as the console shows it", Deno.inspect(NUMBER)],
    ["a number in hex", `0x${NUMBER.toString(16).padStart(64, "0")}`],
  ] as const
) {
  Deno.test(`SecretScanner finds a secret among others as ${what}`, () => {
    const scanner = new SecretScanner();
    scanner.add("other", OTHER.toReversed());
    scanner.add("secret", SECRET);
    const bytes = typeof written === "string" ? encodeUtf8(written) : written;
    const noise = crypto.getRandomValues(new Uint8Array(10_000));
    const found = scanner.scan("here", concatBytes(noise, bytes, encodeUtf8("\n"), noise));
    assert.ok(found.length > 0);
    for (const { secret, place } of found) assert.deepEqual([secret, place], ["secret", "here"]);
  });
}

Deno.test("SecretScanner finds a passphrase, and nothing where nothing is", () => {
  const scanner = new SecretScanner();
  scanner.add("passphrase", encodeUtf8("correct horse battery staple"));
  assert.equal(scanner.scan("", encodeUtf8("it is correct horse battery staple")).length, 1);
  assert.ok(scanner.scan("", encodeUtf8(btoa("{correct horse battery staple}"))).length > 0);
  for (const text of ["", "it", "correct horse", "Correct Horse Battery Staple"]) {
    assert.deepEqual(scanner.scan("", encodeUtf8(text)), []);
  }
});
