import { encode } from "@msgpack/msgpack";
import assert from "node:assert/strict";
import { InputError } from "../../lib/errors.ts";
import {
  decodeResult,
  encodeResult,
  REMEMBERED_BYTES_MAX,
  REMEMBERED_ENTRIES,
} from "../../lib/kv/apply_command.ts";
import type { WriteResult } from "../../lib/kv/command.ts";
import { toLogIndex } from "../../lib/types.ts";

const most = toLogIndex(Number.MAX_SAFE_INTEGER);
const revision = toLogIndex(9);
const results: readonly WriteResult[] = [
  { kind: "put", revision, createRevision: revision, version: 1 },
  { kind: "put", revision, createRevision: most, version: most },
  { kind: "delete", revision, deleted: true },
  { kind: "delete", revision, deleted: false },
  { kind: "preconditionFailed", revision, modRevision: toLogIndex(0) },
  { kind: "preconditionFailed", revision, modRevision: most },
  { kind: "tokenCreated", revision },
  { kind: "tokenRefused", revision, reason: "exists" },
  { kind: "tokenRefused", revision, reason: "tooMany" },
  { kind: "tokenRevoked", revision, revoked: true },
  { kind: "tokenRevoked", revision, revoked: false },
];

Deno.test("decodeResult() gives back every result that encodeResult() wrote", () => {
  for (const result of results) {
    assert.deepEqual(decodeResult(encodeResult(result), revision), result);
  }
});

Deno.test("encodeResult() stays within the bytes that are counted for a remembered write", () => {
  const counted = REMEMBERED_BYTES_MAX / REMEMBERED_ENTRIES - 128 - 32 - 8;
  for (const result of results) assert.ok(encodeResult(result).length <= counted);
});

Deno.test("decodeResult() refuses every truncation and every byte too many", () => {
  for (const result of results) {
    const whole = encodeResult(result);
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => decodeResult(whole.subarray(0, length), revision), InputError);
    }
    assert.throws(() => decodeResult(Uint8Array.of(...whole, 0xc0), revision), InputError);
  }
});

for (
  const [what, fields] of [
    ["no array", "put"],
    ["an unknown kind", ["touch", 1]],
    ["a kind that an object inherits", ["toString"]],
    ["a put without a version", ["put", 1]],
    ["a put with a field too many", ["put", 1, 1, 1]],
    ["a negative revision", ["put", -1, 1]],
    ["a number for whether a key was deleted", ["delete", 1]],
    ["a failed condition without a revision", ["preconditionFailed", null]],
  ] as const
) {
  Deno.test(`decodeResult() refuses ${what}`, () => {
    assert.throws(() => decodeResult(encode(fields), revision), { name: "InputError" });
  });
}
