import assert from "node:assert/strict";
import { createPublicKey, diffieHellman, sign } from "node:crypto";
import { decodeHex, encodeHex } from "../lib/bytes.ts";
import {
  encodePublicKeyInfo,
  toPrivateKey,
  toPublicKey,
  toRawPublicKey,
} from "../lib/native_key.ts";

/** RFC 8032 §7.1, TEST 1. */
const SEED = decodeHex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
const PUBLIC_KEY = decodeHex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");

Deno.test("toPrivateKey() signs as RFC 8032 §7.1 TEST 1 does, and knows its public key", () => {
  const key = toPrivateKey("ed25519", SEED);
  assert.equal(
    encodeHex(sign(null, new Uint8Array(), key)),
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155" +
      "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  );
  const der = createPublicKey(key).export({ format: "der", type: "spki" });
  assert.deepEqual(new Uint8Array(der), encodePublicKeyInfo("ed25519", PUBLIC_KEY));
});

Deno.test("toPublicKey() and toPrivateKey() agree with RFC 7748 §5.2 for X25519", () => {
  const nine = new Uint8Array(32);
  nine[0] = 9;
  const product = diffieHellman({
    privateKey: toPrivateKey("x25519", nine),
    publicKey: toPublicKey("x25519", nine),
  });
  assert.equal(
    encodeHex(product),
    "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079",
  );
});

Deno.test("toPrivateKey() leaves the caller's bytes as they are", () => {
  const seed = SEED.slice();
  toPrivateKey("ed25519", seed);
  assert.deepEqual(seed, SEED);
});

Deno.test("toRawPublicKey() takes a public key and a private one, of both kinds", () => {
  assert.deepEqual(toRawPublicKey(toPrivateKey("ed25519", SEED)), PUBLIC_KEY);
  assert.deepEqual(toRawPublicKey(toPublicKey("x25519", PUBLIC_KEY)), PUBLIC_KEY);
});
