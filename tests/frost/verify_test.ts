import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { concatBytes, decodeHex, encodeHex, encodeUtf8 } from "../../lib/bytes.ts";
import { verifySignature } from "../../lib/frost/aggregate.ts";

/** RFC 8032 §7.1, TEST 2. */
const PUBLIC_KEY = decodeHex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
const MESSAGE = decodeHex("72");
const SIGNATURE = decodeHex(
  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
);

/** Wycheproof's ed25519 key, and a right signature of `Test` by it (tcId 33 to 37, 63 to 70). */
const WYCHEPROOF_KEY = decodeHex(
  "7d4d0e7f6153a69b6242b522abbee685fda4420f8834b108c3bdae369ef549fa",
);
const WYCHEPROOF_R = "7c38e026f29e14aabd059a0f2db8b0cd783040609a8be684db12f82a27774ab0";

Deno.test("verifySignature() accepts RFC 8032 §7.1 TEST 2", () => {
  assert.ok(verifySignature(PUBLIC_KEY, MESSAGE, SIGNATURE));
});

Deno.test("verifySignature() refuses a signature with any one bit changed", () => {
  for (let bit = 0; bit < 8 * SIGNATURE.length; bit++) {
    const changed = SIGNATURE.slice();
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.ok(!verifySignature(PUBLIC_KEY, MESSAGE, changed), `bit ${bit}`);
  }
});

Deno.test("verifySignature() refuses any other length of signature or key", () => {
  for (const length of [0, 32, 63, 65, 128]) {
    assert.ok(!verifySignature(PUBLIC_KEY, MESSAGE, new Uint8Array(length)));
    const padded = new Uint8Array(length);
    padded.set(SIGNATURE.subarray(0, length));
    assert.ok(!verifySignature(PUBLIC_KEY, MESSAGE, padded));
  }
  for (const length of [0, 31, 33, 44]) {
    assert.ok(!verifySignature(new Uint8Array(length), MESSAGE, SIGNATURE));
  }
});

Deno.test("verifySignature() refuses another message and another key", () => {
  assert.ok(!verifySignature(PUBLIC_KEY, decodeHex("73"), SIGNATURE));
  assert.ok(!verifySignature(PUBLIC_KEY, new Uint8Array(), SIGNATURE));
  assert.ok(!verifySignature(WYCHEPROOF_KEY, MESSAGE, SIGNATURE));
  assert.ok(verifySignature(PUBLIC_KEY, MESSAGE, SIGNATURE));
});

Deno.test("verifySignature() never throws on a key that is no point", () => {
  for (const key of [new Uint8Array(32).fill(0xff), decodeHex("02".padEnd(64, "0"))]) {
    assert.ok(!verifySignature(key, MESSAGE, SIGNATURE));
  }
});

for (
  const [tcId, name, s] of [
    [63, "s + L", "67654bce3832c2d76f8f6f5dafc08d9339d4eef676573336a5c51eb6f946b31d"],
    [64, "s + 2L", "5439412b5395d42f462c67008eba6ca839d4eef676573336a5c51eb6f946b32d"],
    [66, "s + 8L", "e2300459f1e742404cd934d2c595a6253ad4eef676573336a5c51eb6f946b38d"],
    [67, "s + 2^253", "7a9155711ecfaf7f99f277bad0c6ae7e39d4eef676573336a5c51eb6f946b32d"],
    [69, "s + 2^255", "7a9155711ecfaf7f99f277bad0c6ae7e39d4eef676573336a5c51eb6f946b38d"],
    [70, "s + p", "679155711ecfaf7f99f277bad0c6ae7e39d4eef676573336a5c51eb6f946b38d"],
  ] as const
) {
  Deno.test(`verifySignature() refuses ${name} in place of s (Wycheproof ${tcId})`, () => {
    const message = encodeUtf8("Test");
    const right = "7a9155711ecfaf7f99f277bad0c6ae7e39d4eef676573336a5c51eb6f946b30d";
    assert.ok(verifySignature(WYCHEPROOF_KEY, message, decodeHex(WYCHEPROOF_R + right)));
    assert.ok(!verifySignature(WYCHEPROOF_KEY, message, decodeHex(WYCHEPROOF_R + s)));
  });
}

Deno.test("verifySignature() agrees with noble on signatures of its own making", () => {
  for (let seed = 0; seed < 5; seed++) {
    const secretKey = new Uint8Array(32).fill(seed);
    const message = new Uint8Array(seed * 50).fill(seed);
    const signature = ed25519.sign(message, secretKey);
    assert.ok(verifySignature(ed25519.getPublicKey(secretKey), message, signature));
  }
});

Deno.test("verifySignature() refuses R = identity, though its equation holds", () => {
  const seed = new Uint8Array(32).fill(3);
  const { scalar } = ed25519.utils.getExtendedPublicKey(seed);
  const publicKey = ed25519.getPublicKey(seed);
  const message = encodeUtf8("message");
  const identity = ed25519.Point.ZERO.toBytes();
  const signature = concatBytes(identity, answerFor({ nonce: 0n, scalar, publicKey, message }));
  assert.ok(ed25519.verify(signature, message, publicKey));
  assert.ok(!verifySignature(publicKey, message, signature));
  // The same way to sign, with a nonce that is none but zero.
  const one = concatBytes(
    ed25519.Point.BASE.toBytes(),
    answerFor({ nonce: 1n, scalar, publicKey, message }),
  );
  assert.ok(verifySignature(publicKey, message, one));
});

/** RFC 8032 §5.1.6: S = r + k s for a nonce r, whose point is the identity or the base point. */
function answerFor({ nonce, scalar, publicKey, message }: {
  readonly nonce: 0n | 1n;
  readonly scalar: bigint;
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
}): Uint8Array {
  const { Fn, BASE, ZERO } = ed25519.Point;
  const point = nonce === 0n ? ZERO : BASE;
  const hashed = sha512(concatBytes(point.toBytes(), publicKey, message));
  const challenge = Fn.create(BigInt(`0x${encodeHex(hashed.reverse())}`));
  return Fn.toBytes(Fn.add(nonce, Fn.mul(challenge, scalar)));
}

const WYCHEPROOF_FILE = new URL(
  "../../../shared/vectors/wycheproof-ed25519.json",
  import.meta.url,
);

Deno.test({
  name: "verifySignature() decides every Wycheproof vector as it says (../shared/vectors)",
  ignore: !existsSync(WYCHEPROOF_FILE),
  fn() {
    const vectors = JSON.parse(readFileSync(WYCHEPROOF_FILE, "utf8")) as Wycheproof;
    let count = 0;
    for (const { publicKey, tests } of vectors.testGroups) {
      const key = decodeHex(publicKey.pk);
      for (const { tcId, comment, msg, sig, result } of tests) {
        const accepted = verifySignature(key, decodeHex(msg), decodeHex(sig));
        assert.equal(accepted, result === "valid", `${tcId}: ${comment}`);
        count++;
      }
    }
    assert.equal(count, vectors.numberOfTests);
  },
});

interface Wycheproof {
  readonly numberOfTests: number;
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk: string };
    readonly tests: readonly {
      readonly tcId: number;
      readonly comment: string;
      readonly msg: string;
      readonly sig: string;
      readonly result: "valid" | "invalid";
    }[];
  }[];
}
