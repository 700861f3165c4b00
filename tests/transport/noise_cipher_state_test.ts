import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { InvariantError } from "../../lib/assert.ts";
import { concatBytes, decodeHex, encodeUtf8 } from "../../lib/bytes.ts";
import {
  CipherState,
  NOISE_MESSAGE_BYTES_MAX,
  NoiseError,
  type NoiseRefusal,
  PLAINTEXT_BYTES_MAX,
  TAG_BYTES,
} from "../../lib/transport/noise_primitives.ts";

const KEY = decodeHex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
const TEXT = encodeUtf8("Ladies and Gentlemen of the class of '99");
const NOTHING = new Uint8Array(0);

function stateOf(nonce = 0): CipherState {
  return new CipherState(KEY.slice(), nonce);
}

function encrypt(state: CipherState, plaintext: Uint8Array, data?: Uint8Array): Uint8Array {
  const { ciphertext, tag } = state.encrypt(plaintext, data);
  return concatBytes(ciphertext, tag);
}

/** ChaCha20-Poly1305 (RFC 8439 §2.8) with the nonce written out. */
function sealed(key: Uint8Array, nonce: string, plaintext: Uint8Array): Uint8Array {
  const iv = decodeHex(nonce);
  const cipher = createCipheriv("chacha20-poly1305", key, iv, { authTagLength: TAG_BYTES });
  return concatBytes(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
}

function refuses(refusal: NoiseRefusal, message = /./): (error: unknown) => boolean {
  return (error) =>
    error instanceof NoiseError && error.refusal === refusal && message.test(error.message);
}

Deno.test("encrypt() numbers messages as Noise §12.3 says: 32 zero bits, 64 bits little-endian", () => {
  for (
    const [nonce, text] of [
      [0, "000000000000000000000000"],
      [1, "000000000100000000000000"],
      [0x01020304, "000000000403020100000000"],
      [0xffffffff, "00000000ffffffff00000000"],
      [2 ** 32, "000000000000000001000000"],
      [Number.MAX_SAFE_INTEGER - 1, "00000000feffffffffff1f00"],
    ] as const
  ) {
    assert.deepEqual(encrypt(stateOf(nonce), TEXT), sealed(KEY, text, TEXT));
  }
});

Deno.test("decrypt() returns what encrypt() took, for every kind of length", () => {
  const [sender, receiver] = [stateOf(), stateOf()];
  for (const length of [0, 1, 63, 64, 65, 1000, PLAINTEXT_BYTES_MAX]) {
    const plaintext = new Uint8Array(length).fill(7);
    const message = encrypt(sender, plaintext);
    assert.equal(message.length, length + TAG_BYTES);
    assert.deepEqual(new Uint8Array(receiver.decrypt(message)), plaintext);
  }
});

Deno.test("decrypt() refuses a message with other associated data", () => {
  const message = encrypt(stateOf(), TEXT, encodeUtf8("this"));
  assert.deepEqual(new Uint8Array(stateOf().decrypt(message, encodeUtf8("this"))), TEXT);
  for (const data of [encodeUtf8("that"), NOTHING]) {
    assert.throws(() => stateOf().decrypt(message, data), refuses("notAuthentic"));
  }
});

Deno.test("decrypt() refuses a repeated, a skipped and a reordered message", () => {
  const sender = stateOf();
  const [first, second] = [encrypt(sender, TEXT), encrypt(sender, TEXT)];
  const repeated = stateOf();
  repeated.decrypt(first);
  assert.throws(() => repeated.decrypt(first), refuses("notAuthentic"));
  assert.throws(
    () => stateOf().decrypt(second),
    refuses("notAuthentic", /message 1: it is not the next message/),
  );
});

Deno.test("decrypt() refuses every flipped bit", () => {
  const message = encrypt(stateOf(), TEXT);
  for (let bit = 0; bit < message.length * 8; bit++) {
    const flipped = message.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.throws(() => stateOf().decrypt(flipped), refuses("notAuthentic"));
  }
});

Deno.test("decrypt() refuses what is too short or too long for a message", () => {
  const message = encrypt(stateOf(), TEXT);
  for (let length = 0; length < message.length; length++) {
    const refusal = length < TAG_BYTES ? "malformed" : "notAuthentic";
    assert.throws(() => stateOf().decrypt(message.subarray(0, length)), refuses(refusal));
  }
  assert.throws(
    () => stateOf().decrypt(new Uint8Array(NOISE_MESSAGE_BYTES_MAX + 1)),
    refuses("malformed", /length 65536 is not from 16 to 65535/),
  );
});

Deno.test("encrypt() and decrypt() refuse to go on when the nonces are used up", () => {
  const last = Number.MAX_SAFE_INTEGER - 1;
  const [sender, receiver] = [stateOf(last), stateOf(last)];
  receiver.decrypt(encrypt(sender, TEXT));
  assert.throws(() => sender.encrypt(TEXT), refuses("exhausted"));
  assert.throws(() => receiver.decrypt(new Uint8Array(TAG_BYTES)), refuses("exhausted"));
  assert.throws(() => sender.encrypt(TEXT), refuses("exhausted"));
});

Deno.test("rekey() takes its key from nonce 2^64 - 1 and goes on counting (Noise §4.2, §11.3)", () => {
  const sender = stateOf();
  encrypt(sender, TEXT);
  sender.rekey();
  const key = sealed(KEY, "00000000ffffffffffffffff", new Uint8Array(32)).subarray(0, 32);
  assert.deepEqual(encrypt(sender, TEXT), sealed(key, "000000000100000000000000", TEXT));
});

Deno.test("rekey() keeps two sides in step, and leaves out one that does not join", () => {
  const [sender, receiver, late] = [stateOf(), stateOf(), stateOf()];
  for (let round = 0; round < 3; round++) {
    sender.rekey();
    receiver.rekey();
    assert.deepEqual(new Uint8Array(receiver.decrypt(encrypt(sender, TEXT))), TEXT);
  }
  sender.rekey();
  assert.throws(() => late.decrypt(encrypt(sender, TEXT)), refuses("notAuthentic"));
});

Deno.test("erase() zeroes the key that was handed over, and ends its use", () => {
  const key = KEY.slice();
  const state = new CipherState(key);
  state.erase();
  assert.deepEqual(key, new Uint8Array(32));
  assert.throws(() => state.encrypt(TEXT), InvariantError);
  assert.throws(() => state.decrypt(new Uint8Array(TAG_BYTES)), InvariantError);
  assert.throws(() => state.rekey(), InvariantError);
});
