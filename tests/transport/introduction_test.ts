import assert from "node:assert/strict";
import { InputError } from "../../lib/errors.ts";
import {
  CONFIGURATION_BYTES_MAX,
  decodeIntroduction,
  encodeIntroduction,
  HelloError,
  INTRODUCTION_FRAME_BYTES_MAX,
} from "../../lib/transport/hello.ts";

const LARGEST = new Uint8Array(CONFIGURATION_BYTES_MAX).fill(7);

Deno.test("decodeIntroduction() returns what was encoded, and the largest fits into its frame", () => {
  for (const configuration of [null, new Uint8Array(0), new Uint8Array([1, 2]), LARGEST]) {
    const payload = encodeIntroduction({ configuration, memberships: 3 }).slice();
    assert.deepEqual(decodeIntroduction(payload), { configuration, memberships: 3 });
    assert.ok(payload.length <= INTRODUCTION_FRAME_BYTES_MAX);
  }
});

Deno.test("encodeIntroduction() refuses a configuration above the limit", () => {
  const configuration = new Uint8Array(CONFIGURATION_BYTES_MAX + 1);
  assert.throws(() => encodeIntroduction({ configuration, memberships: 3 }), InputError);
});

Deno.test("decodeIntroduction() refuses truncations, additions and other values", () => {
  const payload = encodeIntroduction({ configuration: new Uint8Array([1, 2, 3]), memberships: 3 })
    .slice();
  for (let length = 0; length < payload.length; length++) {
    assert.throws(() => decodeIntroduction(payload.subarray(0, length)), HelloError);
  }
  for (const wrong of [[...payload, 0], [0x01], [0xa1, 0x61], [0x90], [0xc2]]) {
    assert.throws(
      () => decodeIntroduction(new Uint8Array(wrong)),
      (error) => error instanceof HelloError && error.refusal === "malformed",
    );
  }
});
