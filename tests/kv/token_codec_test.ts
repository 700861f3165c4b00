import { encode } from "@msgpack/msgpack";
import fc from "fast-check";
import assert from "node:assert/strict";
import { concatBytes, encodeUtf8 } from "../../lib/bytes.ts";
import { InputError } from "../../lib/errors.ts";
import type { TokenCommand } from "../../lib/kv/command.ts";
import { decodeCommand, encodeCommand, TOKEN_COMMAND_VERSION } from "../../lib/kv/command_codec.ts";
import { type NewToken, TOKEN_SCOPES } from "../../lib/kv/token.ts";
import { assertFlipsNoticed, newToken } from "./support.ts";

const create: TokenCommand = { kind: "createToken", ...newToken("a"), idempotencyKey: "try-1" };
const revoke: TokenCommand = { kind: "revokeToken", id: "a".repeat(16), idempotencyKey: "try-1" };

function encodeFields(...fields: readonly unknown[]): Uint8Array {
  return concatBytes(Uint8Array.of(TOKEN_COMMAND_VERSION), encode(fields));
}

const tokens: fc.Arbitrary<NewToken> = fc.record({
  id: fc.stringMatching(/^[0-9a-f]{16}$/),
  secretDigest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  name: fc.stringMatching(/^[A-Za-z0-9._-]{0,64}$/),
  scopes: fc.subarray([...TOKEN_SCOPES], { minLength: 1 }),
  prefixes: fc.array(fc.string({ unit: "binary", minLength: 1, maxLength: 40 }), { maxLength: 16 }),
}).map((token) => token.scopes.includes("admin") ? { ...token, prefixes: [] } : token);

Deno.test("decodeCommand() gives back every token command that encodeCommand() wrote", () => {
  const idempotencyKey = fc.option(fc.constant("k"), { nil: undefined });
  fc.assert(fc.property(tokens, idempotencyKey, (token, key) => {
    const options = key === undefined ? {} : { idempotencyKey: key };
    const commands: readonly TokenCommand[] = [
      { kind: "createToken", ...token, ...options },
      { kind: "revokeToken", id: token.id, ...options },
    ];
    for (const command of commands) {
      assert.deepEqual(decodeCommand(encodeCommand(command)), command);
    }
  }));
});

Deno.test("encodeCommand() writes the token commands that are in the log for ever", () => {
  const id = "61".repeat(16);
  assert.equal(
    encodeCommand({ ...create, scopes: ["read"], prefixes: ["p"] }).toHex(),
    [
      "02", // version
      "97", // array of 7
      "ab637265617465546f6b656e", // "createToken"
      "c4057472792d31", // idempotency key
      `c410${id}`, // id
      `c420${"07".repeat(32)}`, // digest of the secret
      "c4026369", // name
      "01", // scopes: read
      "91c40170", // prefixes
    ].join(""),
  );
  assert.equal(
    encodeCommand({ kind: "revokeToken", id: "a".repeat(16) }).toHex(),
    `0293ab7265766f6b65546f6b656ec0c410${id}`,
  );
});

Deno.test("encodeCommand() refuses a token outside its limits", () => {
  for (const command of [{ ...create, name: "a b" }, { ...revoke, id: "A".repeat(16) }]) {
    assert.throws(() => encodeCommand(command), InputError);
  }
});

Deno.test("decodeCommand() refuses every truncation of a token command, and bytes after it", () => {
  for (const whole of [encodeCommand(create), encodeCommand(revoke)]) {
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => decodeCommand(whole.subarray(0, length)), InputError, `${length} bytes`);
    }
    assert.throws(() => decodeCommand(concatBytes(whole, Uint8Array.of(0xc0))), InputError);
  }
});

Deno.test("decodeCommand() refuses a flipped bit of a token command, or reads another command", () => {
  assertFlipsNoticed(create);
});

const id = encodeUtf8("a".repeat(16));
const digest = new Uint8Array(32);
const name = encodeUtf8("ci");
for (
  const [what, bytes] of [
    ["a key command in the tokens' version", encodeFields("delete", encodeUtf8("a"), null, null)],
    ["a revocation without an id", encodeFields("revokeToken", null)],
    ["a revocation with a digest", encodeFields("revokeToken", null, id, digest)],
    ["an id as text", encodeFields("revokeToken", null, "a".repeat(16))],
    ["an idempotency key as text", encodeFields("revokeToken", "k", id)],
    ["a token without prefixes", encodeFields("createToken", null, id, digest, name, 1)],
    ["an eighth field", encodeFields("createToken", null, id, digest, name, 1, [], null)],
    ["a short digest", encodeFields("createToken", null, id, digest.subarray(1), name, 1, [])],
    ["a digest as text", encodeFields("createToken", null, id, "0".repeat(32), name, 1, [])],
    ["no scopes", encodeFields("createToken", null, id, digest, name, 0, [])],
    ["an unknown scope", encodeFields("createToken", null, id, digest, name, 8, [])],
    ["scopes as text", encodeFields("createToken", null, id, digest, name, "1", [])],
    ["a prefix as text", encodeFields("createToken", null, id, digest, name, 1, ["a"])],
    ["a prefix that is null", encodeFields("createToken", null, id, digest, name, 1, [null])],
    ["prefixes that are none", encodeFields("createToken", null, id, digest, name, 1, null)],
    [
      "too many prefixes",
      encodeFields("createToken", null, id, digest, name, 1, Array(17).fill(name)),
    ],
  ] as readonly [string, Uint8Array][]
) {
  Deno.test(`decodeCommand() refuses ${what} for a token command`, () => {
    assert.throws(() => decodeCommand(bytes), { name: "InputError" });
  });
}

Deno.test("decodeCommand() refuses a token command in the keys' version", () => {
  const bytes = encodeCommand(revoke);
  bytes[0] = 1;
  assert.throws(() => decodeCommand(bytes), InputError);
});
