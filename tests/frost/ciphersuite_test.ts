import assert from "node:assert/strict";
import { deserializeScalar, serializeScalar } from "../../lib/frost/ciphersuite.ts";
import { assertRefused } from "./signing.ts";

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

Deno.test("deserializeScalar() reads back what serializeScalar() wrote", () => {
  for (const scalar of [0n, 1n, 255n, 256n, ORDER - 1n]) {
    assert.equal(serializeScalar(scalar).length, 32);
    assert.equal(deserializeScalar(serializeScalar(scalar)), scalar);
  }
});

Deno.test("deserializeScalar() refuses the group order and everything above", () => {
  for (const value of [ORDER, ORDER + 1n, 2n * ORDER, 2n ** 255n, 2n ** 256n - 1n]) {
    const bytes = Uint8Array.fromHex(value.toString(16).padStart(64, "0")).reverse();
    assertRefused("malformed-scalar", () => deserializeScalar(bytes));
  }
});

Deno.test("deserializeScalar() refuses any length but 32 bytes", () => {
  for (const length of [0, 31, 33, 64]) {
    assertRefused("malformed-scalar", () => deserializeScalar(new Uint8Array(length)));
  }
});

Deno.test("deserializeScalar() does not repeat a refused value, which may be a secret", () => {
  const bytes = new Uint8Array(32).fill(0xfe);
  assert.throws(() => deserializeScalar(bytes), (error: Error) => {
    assert.ok(!/fe|254|\d{20}/.test(error.message), error.message);
    assert.equal(error.cause, undefined);
    return true;
  });
});
