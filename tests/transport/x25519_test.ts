import assert from "node:assert/strict";
import { decodeHex, encodeHex } from "../../lib/bytes.ts";
import { toPrivateKey } from "../../lib/native_key.ts";
import {
  checkX25519Key,
  generateKeyPair,
  NoiseError,
  sharedSecret,
  toKeyPair,
} from "../../lib/transport/noise_primitives.ts";

/** Every point of low order in every encoding that X25519 takes for it, without the ignored bit. */
const LOW_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

Deno.test("sharedSecret() is RFC 7748 §6.1's, from both sides", () => {
  const pairOf = (secret: string) => toKeyPair(toPrivateKey("x25519", decodeHex(secret)));
  const alice = pairOf("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  const bob = pairOf("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  const shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
  assert.equal(encodeHex(sharedSecret(alice, bob.publicKey)), shared);
  assert.equal(encodeHex(sharedSecret(bob, alice.publicKey)), shared);
});

Deno.test("generateKeyPair() makes two sides that share a secret, a new one each time", () => {
  const [left, right] = [generateKeyPair(), generateKeyPair()];
  assert.notDeepEqual(left.publicKey, right.publicKey);
  assert.equal(left.publicKey.length, 32);
  assert.deepEqual(sharedSecret(left, right.publicKey), sharedSecret(right, left.publicKey));
});

for (const point of LOW_ORDER) {
  for (const ignoredBit of [0, 0x80]) {
    Deno.test(`sharedSecret() and checkX25519Key() refuse ${point} with bit ${ignoredBit}`, () => {
      const publicKey = decodeHex(point);
      publicKey[31] = (publicKey[31] ?? 0) | ignoredBit;
      const isWeak = (error: unknown) => error instanceof NoiseError && error.refusal === "weakKey";
      assert.throws(() => sharedSecret(generateKeyPair(), publicKey), isWeak);
      assert.throws(() => checkX25519Key(publicKey), isWeak);
    });
  }
}

Deno.test("checkX25519Key() passes a genuine key", () => {
  checkX25519Key(generateKeyPair().publicKey);
});

Deno.test("a key pair shows no private key, whatever it is turned into", () => {
  const seed = decodeHex("5b".repeat(32));
  const pair = toKeyPair(toPrivateKey("x25519", seed));
  for (const shown of [Deno.inspect(pair, { depth: 10, showHidden: true }), JSON.stringify(pair)]) {
    assert.equal(shown.includes(encodeHex(seed)), false);
    assert.equal(shown.includes(seed.slice(0, 8).join(",")), false);
  }
});
