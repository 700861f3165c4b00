import assert from "node:assert/strict";
import { createDecipheriv, scryptSync } from "node:crypto";
import { decodeBase64, decodeHex, decodeUtf8, encodeBase64, encodeUtf8 } from "../../lib/bytes.ts";
import { Passphrase } from "../../lib/keys/passphrase.ts";
import {
  isSealed,
  seal,
  type SealedText,
  sealedTextSchema,
  unseal,
} from "../../lib/keys/sealed_text.ts";
import { toClusterName, toNodeId } from "../../lib/types.ts";

const TEXT = "correct horse battery staple";
const LABEL = {
  purpose: "share",
  cluster: toClusterName("demo"),
  node: toNodeId("alpha"),
} as const;
const PLAINTEXT = encodeUtf8("what nobody else may read");

/** One for all tests, so that its key is made once. */
const passphrase = new Passphrase(encodeUtf8(TEXT));
const text = seal(PLAINTEXT, LABEL, passphrase);

Deno.test("unseal() finds what seal() hid, and the label is there to be read", () => {
  const sealed = read(text);
  const { purpose, cluster, node } = sealed;
  assert.deepEqual({ purpose, cluster, node }, LABEL);
  assert.deepEqual(toBytes(unseal(sealed, passphrase)), PLAINTEXT);
  assert.equal(text.includes(encodeBase64(PLAINTEXT).slice(0, 8)), false);
});

Deno.test("seal() takes nothing and a mebibyte", () => {
  for (const length of [0, 1024 * 1024]) {
    const plaintext = new Uint8Array(length).fill(7);
    const sealed = read(seal(plaintext, LABEL, passphrase));
    assert.deepEqual(toBytes(unseal(sealed, passphrase)), plaintext);
  }
});

Deno.test("seal() uses another nonce each time, and one salt for as long as it has one key", () => {
  const [one, other] = [read(text), read(seal(PLAINTEXT, LABEL, passphrase))];
  assert.notDeepEqual(one.nonce, other.nonce);
  assert.notDeepEqual(one.ciphertext, other.ciphertext);
  assert.deepEqual(one.key, other.key);
});

Deno.test("an encrypted file can be opened by whoever knows the format and the passphrase", () => {
  const { ciphertext: encoded, ...header } = JSON.parse(text);
  const { logN, r, p, salt } = header.scrypt;
  const key = scryptSync(TEXT, decodeHex(salt), 32, { N: 2 ** logN, r, p, maxmem: 2 ** 28 });
  const ciphertext = decodeBase64(encoded);
  const body = ciphertext.subarray(0, -16);
  const decipher = createDecipheriv("chacha20-poly1305", key, decodeHex(header.nonce), {
    authTagLength: 16,
  });
  decipher.setAAD(encodeUtf8(JSON.stringify(header)), { plaintextLength: body.length });
  decipher.setAuthTag(ciphertext.subarray(-16));
  assert.deepEqual(new Uint8Array(decipher.update(body)), PLAINTEXT);
  decipher.final();
});

Deno.test("a file that was encrypted long ago still opens", () => {
  const sealed = read(`{
  "format": "floe/sealed/v1",
  "purpose": "share",
  "cluster": "demo",
  "node": "alpha",
  "scrypt": {
    "logN": 17,
    "r": 8,
    "p": 1,
    "salt": "7f0574dcebc1ed2602f27909a108b7eea40d5dfbf4abf1ec1da261cdee746edb"
  },
  "nonce": "16b805d90876e7f7e3f66101",
  "ciphertext": "JL0zwBKRopZBgNh2VLllVgfIlDUjUBCZLwJD5b+tqixYW37g3Sj6k0U="
}`);
  assert.deepEqual(toBytes(unseal(sealed, passphrase)), PLAINTEXT);
});

Deno.test("unseal() refuses another passphrase", () => {
  using other = new Passphrase(encodeUtf8(`${TEXT}.`));
  assert.equal(unseal(read(text), other), null);
});

for (
  const [what, change] of [
    ["purpose", (sealed) => ({ ...sealed, purpose: "identity" })],
    ["cluster", (sealed) => ({ ...sealed, cluster: toClusterName("other") })],
    ["cluster, which is gone", (sealed) => ({ ...sealed, cluster: null })],
    ["node", (sealed) => ({ ...sealed, node: toNodeId("beta") })],
    ["cost", (sealed) => ({ ...sealed, key: { ...sealed.key, logN: 18 } })],
    [
      "salt",
      (sealed) => ({ ...sealed, key: { ...sealed.key, salt: flipped(sealed.key.salt, 0) } }),
    ],
    ["nonce", (sealed) => ({ ...sealed, nonce: flipped(sealed.nonce, 11) })],
    ["first byte", (sealed) => ({ ...sealed, ciphertext: flipped(sealed.ciphertext, 0) })],
    ["last byte", (sealed) => ({ ...sealed, ciphertext: flipped(sealed.ciphertext, -1) })],
    ["length", (sealed) => ({ ...sealed, ciphertext: sealed.ciphertext.slice(0, -1) })],
    ["text, which is gone", (sealed) => ({ ...sealed, ciphertext: sealed.ciphertext.slice(-16) })],
  ] satisfies [string, (sealed: SealedText) => SealedText][]
) {
  Deno.test(`unseal() refuses a file with another ${what}`, () => {
    assert.equal(unseal(change(read(text)), passphrase), null);
  });
}

Deno.test("no byte of an encrypted file can be changed", () => {
  const { salt } = JSON.parse(text).scrypt;
  const [from, to] = [text.indexOf(salt), text.indexOf(salt) + salt.length];
  for (let offset = 0; offset < text.length - 1; offset++) {
    // Another salt is another key, which takes half a second; a test of its own says what it gives.
    if (offset >= from && offset < to) continue;
    assert.equal(open(decodeUtf8(flipped(encodeUtf8(text), offset))), null, `offset ${offset}`);
  }
});

Deno.test("an encrypted file cannot be cut short", () => {
  for (let length = 0; length < text.length - 2; length++) {
    assert.equal(open(text.slice(0, length)), null, `length ${length}`);
  }
});

for (
  const [field, values] of [
    ["format", ["floe/sealed/v2", "", null, 1]],
    ["purpose", ["other", "", null]],
    ["cluster", ["a b", "", 7]],
    ["node", ["a/b", null]],
    ["nonce", ["00", "00".repeat(13), "0G".repeat(12), "AA".repeat(12), "0".repeat(23), null]],
    ["ciphertext", ["", "AAAA", "=", encodeBase64(new Uint8Array(15)), "A".repeat(43), null]],
    ["extra", [1]],
  ] satisfies [string, unknown[]][]
) {
  for (const value of values) {
    Deno.test(`an encrypted file's ${field} cannot be ${JSON.stringify(value)}`, () => {
      refuses({ ...JSON.parse(text), [field]: value }, field === "extra" ? "" : field);
    });
  }
}

for (
  const [field, values] of [
    // 2^63 would be 8 ZiB of memory, and 2^16 half of what Floe takes.
    ["logN", [0, 1, 10, 16, 21, 30, 63, 1e9, -17, 17.5, "17", null]],
    ["r", [0, 1, 7, 16, 2 ** 30]],
    ["p", [0, 2, 2 ** 30]],
    ["salt", ["", "00", "00".repeat(31), "00".repeat(33), "zz".repeat(32), null]],
    ["extra", [1]],
  ] satisfies [string, unknown[]][]
) {
  for (const value of values) {
    Deno.test(`an encrypted file cannot ask for scrypt's ${field} ${JSON.stringify(value)}`, () => {
      const json = JSON.parse(text);
      const place = field === "extra" ? "scrypt" : `scrypt.${field}`;
      refuses({ ...json, scrypt: { ...json.scrypt, [field]: value } }, place);
    });
  }
}

for (const field of ["format", "purpose", "cluster", "node", "scrypt", "nonce", "ciphertext"]) {
  Deno.test(`an encrypted file cannot lack its ${field}`, () => {
    const { [field]: _, ...rest } = JSON.parse(text);
    refuses(rest, field);
  });
}

Deno.test("isSealed() tells an encrypted file, whole or not, from any other JSON", () => {
  assert.ok(isSealed(JSON.parse(text)));
  assert.ok(isSealed({ ciphertext: 1 }));
  for (const json of [{}, { secret: "00" }, null, "ciphertext", 7, []]) {
    assert.equal(isSealed(json), false);
  }
});

function read(text: string): SealedText {
  return sealedTextSchema.parse(JSON.parse(text));
}

/** What a file holds, or null when it is refused at any step. */
function open(text: string): Uint8Array | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  const { success, data } = sealedTextSchema.safeParse(json);
  return success ? unseal(data, passphrase) : null;
}

function refuses(json: object, place: string): void {
  const { success, error } = sealedTextSchema.safeParse(json);
  assert.equal(success, false);
  assert.deepEqual(error?.issues.map(({ path }) => path.join(".")), [place]);
}

/** A copy with one bit of one byte changed; offsets below 0 count from the end. */
function flipped(bytes: Uint8Array, offset: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes);
  const at = offset < 0 ? copy.length + offset : offset;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** Bytes of any kind as plain ones, to be compared. */
function toBytes(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : new Uint8Array(bytes);
}
