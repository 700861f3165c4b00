import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { InvariantError } from "../../lib/assert.ts";
import { concatBytes, decodeHex, encodeUtf8 } from "../../lib/bytes.ts";
import { SymmetricState } from "../../lib/transport/noise.ts";
import { CipherState } from "../../lib/transport/noise_primitives.ts";

const NAME = "Noise_IK_25519_ChaChaPoly_SHA256";
const SECRET = decodeHex("0b".repeat(32));
const TEXT = encodeUtf8("text");

function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return createHash("sha256").update(concatBytes(...parts)).digest();
}

function hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return createHmac("sha256", key).update(data).digest();
}

/** HKDF as Noise §4.3 writes it, with two outputs. */
function hkdf(chainingKey: Uint8Array, secret: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const temporary = hmac(chainingKey, secret);
  const first = hmac(temporary, new Uint8Array([1]));
  return [first, hmac(temporary, concatBytes(first, new Uint8Array([2])))];
}

Deno.test("SymmetricState begins with the protocol's name and hashes what it is told", () => {
  const state = new SymmetricState(NAME);
  assert.deepEqual(state.hash, encodeUtf8(NAME));
  state.mixHash(TEXT);
  assert.deepEqual(new Uint8Array(state.hash), new Uint8Array(sha256(encodeUtf8(NAME), TEXT)));
});

Deno.test("mixKey() and split() derive keys as Noise §4.3 and §5.2 say", () => {
  const state = new SymmetricState(NAME);
  state.mixKey(SECRET.slice());
  const [chainingKey] = hkdf(encodeUtf8(NAME), SECRET);
  const [first, second] = hkdf(chainingKey, new Uint8Array(0));
  const [send, receive] = state.split();
  for (const [cipher, key] of [[send, first], [receive, second]] as const) {
    const { ciphertext, tag } = cipher.encrypt(TEXT);
    const expected = new CipherState(key);
    assert.deepEqual(new Uint8Array(expected.decrypt(concatBytes(ciphertext, tag))), TEXT);
  }
});

Deno.test("mixKey() erases the secret that it was given", () => {
  const secret = SECRET.slice();
  new SymmetricState(NAME).mixKey(secret);
  assert.deepEqual(secret, new Uint8Array(32));
});

Deno.test("decryptAndHash() brings two states that saw the same into step", () => {
  const [left, right] = [new SymmetricState(NAME), new SymmetricState(NAME)];
  for (const state of [left, right]) state.mixKey(SECRET.slice());
  for (let turn = 0; turn < 3; turn++) {
    assert.deepEqual(new Uint8Array(right.decryptAndHash(left.encryptAndHash(TEXT))), TEXT);
    assert.deepEqual(new Uint8Array(left.hash), new Uint8Array(right.hash));
  }
});

Deno.test("decryptAndHash() refuses what was bound to another history", () => {
  const [left, right] = [new SymmetricState(NAME), new SymmetricState(NAME)];
  for (const state of [left, right]) state.mixKey(SECRET.slice());
  right.mixHash(TEXT);
  assert.throws(() => right.decryptAndHash(left.encryptAndHash(TEXT)), /not the next message/);
});

Deno.test("SymmetricState encrypts nothing without a key, before the first and after the last", () => {
  const state = new SymmetricState(NAME);
  assert.throws(() => state.encryptAndHash(TEXT), InvariantError);
  state.mixKey(SECRET.slice());
  state.encryptAndHash(TEXT);
  state.erase();
  assert.throws(() => state.encryptAndHash(TEXT), InvariantError);
});

Deno.test("SymmetricState takes no name that would have to be hashed or padded", () => {
  assert.throws(() => new SymmetricState(`${NAME}x`), InvariantError);
});
