import assert from "node:assert/strict";
import {
  checkNewToken,
  checkTokenId,
  EXPIRES_AT_MS_MAX,
  fromScopeBits,
  hasScope,
  isExpired,
  type NewToken,
  TOKEN_NAME_LENGTH_MAX,
  TOKEN_PREFIXES_MAX,
  toScopeBits,
} from "../../lib/kv/token.ts";
import { KEY_BYTES_MAX } from "../../lib/limits.ts";
import { newToken } from "./support.ts";

Deno.test("checkNewToken() takes everything at exactly its limit", () => {
  checkNewToken(newToken("a", { name: "n".repeat(TOKEN_NAME_LENGTH_MAX), scopes: ["read"] }));
  checkNewToken(
    newToken("f", { name: "", scopes: ["read", "write", "admin", "status"], prefixes: [] }),
  );
  const prefix = "ü".repeat(KEY_BYTES_MAX / 2);
  checkNewToken(newToken("0", { prefixes: Array(TOKEN_PREFIXES_MAX).fill(prefix) }));
});

for (
  const [what, changes, message] of [
    ["an id that is too short", { id: "a".repeat(15) }, /token id: "a{15}" is not 16 lower-case/],
    ["an id in upper case", { id: "A".repeat(16) }, /is not 16 lower-case hex digits/],
    ["a secret for its digest", { secretDigest: new Uint8Array(31) }, /has 31 bytes, not 32/],
    ["a name of one character too many", { name: "n".repeat(65) }, /does not match/],
    ["a name that drives a terminal", { name: "\u001b[2J" }, /its name "\\u001b\[2J" does not/],
    ["no scopes", { scopes: [] }, /none of read, write, admin/],
    ["one prefix too many", { prefixes: Array(17).fill("a") }, /17 prefixes are above 16/],
    ["an empty prefix", { prefixes: [""] }, /1 to 1024 bytes of UTF-8, not 0/],
    ["a prefix that is too long", { prefixes: ["a".repeat(1025)] }, /of UTF-8, not 1025/],
    ["a prefix that is no Unicode", { prefixes: ["\ud800"] }, /1 to 1024 bytes of UTF-8/],
    ["an expiry at no time", { expiresAtMs: 0 }, /it expires at 0 ms, not at 1 to/],
    ["an expiry within a millisecond", { expiresAtMs: 1.5 }, /it expires at 1\.5 ms/],
    ["an expiry without a date", { expiresAtMs: EXPIRES_AT_MS_MAX + 1 }, /it expires at/],
    ["admin with prefixes", { scopes: ["admin"] }, /admin goes without prefixes/],
  ] as readonly [string, Partial<NewToken>, RegExp][]
) {
  Deno.test(`checkNewToken() refuses ${what}`, () => {
    assert.throws(() => checkNewToken(newToken("a", changes)), { name: "InputError", message });
  });
}

Deno.test("checkTokenId() shows no more of a foreign id than a line holds", () => {
  assert.throws(() => checkTokenId("x".repeat(10_000)), ({ message }: Error) => {
    return message.length < 200;
  });
});

Deno.test("hasScope() takes admin for everything, read for status, and nothing else for what it is not", () => {
  for (const scope of ["read", "write", "admin", "status"] as const) {
    assert.equal(hasScope({ scopes: ["admin"] }, scope), true);
    assert.equal(hasScope({ scopes: ["read"] }, scope), scope === "read" || scope === "status");
    assert.equal(hasScope({ scopes: ["write"] }, scope), scope === "write");
    assert.equal(hasScope({ scopes: ["status"] }, scope), scope === "status");
  }
});

Deno.test("fromScopeBits() gives back what toScopeBits() made, and refuses every other number", () => {
  for (let bits = 0; bits < 16; bits++) assert.equal(toScopeBits(fromScopeBits(bits)), bits);
  let deep: unknown = [];
  for (let depth = 0; depth < 20_000; depth++) deep = [deep];
  for (const other of [16, 17, -1, 1.5, 2 ** 32 + 1, NaN, "1", null, undefined, 1n, [1], deep]) {
    assert.throws(() => fromScopeBits(other), { name: "InputError" });
  }
});

Deno.test("isExpired() holds from the very millisecond on, and never without an expiry", () => {
  assert.equal(isExpired({ expiresAtMs: 1_000 }, 999), false);
  assert.equal(isExpired({ expiresAtMs: 1_000 }, 1_000), true);
  assert.equal(isExpired({ expiresAtMs: null }, EXPIRES_AT_MS_MAX), false);
});
