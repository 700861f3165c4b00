import { encode } from "@msgpack/msgpack";
import fc from "fast-check";
import assert from "node:assert/strict";
import { concatBytes, encodeUtf8 } from "../../lib/bytes.ts";
import { InputError } from "../../lib/errors.ts";
import {
  type Command,
  IDEMPOTENCY_KEY_LENGTH_MAX,
  KEY_BYTES_MAX,
  VALUE_BYTES_MAX,
} from "../../lib/kv/command.ts";
import {
  checkIdempotencyKey,
  checkKey,
  COMMAND_BYTES_MAX,
  COMMAND_VERSION,
  CommandVersionError,
  decodeCommand,
  encodeCommand,
  KEY_COMMAND_VERSION,
} from "../../lib/kv/command_codec.ts";
import { TOKEN_ID_LENGTH } from "../../lib/kv/token.ts";
import { toLogIndex } from "../../lib/types.ts";
import { assertFlipsNoticed, writeOptions } from "./support.ts";

const options = { ifModRevision: toLogIndex(300), idempotencyKey: "try-1" };
const put: Command = {
  kind: "put",
  key: "config/größe",
  value: Uint8Array.of(0, 1, 255),
  ...options,
};
const remove: Command = { kind: "delete", key: "config/größe", ...options };

/** A delete whose idempotency key stands behind this owner. */
function ownedKey(owner: string, idempotencyKey: string): Uint8Array {
  return encodeFields("delete", encodeUtf8("a"), null, encodeUtf8(`${owner} ${idempotencyKey}`));
}

/** What a client could send that speaks MessagePack but not Floe. */
function encodeFields(...fields: readonly unknown[]): Uint8Array {
  return concatBytes(Uint8Array.of(KEY_COMMAND_VERSION), encode(fields));
}

/** Keys of one to a few characters from all of Unicode, U+0000 included. */
const keys = fc.string({ unit: "binary", minLength: 1, maxLength: 40 });

Deno.test("decodeCommand() gives back every command that encodeCommand() wrote", () => {
  const commands = fc.oneof(
    fc.tuple(keys, fc.uint8Array(), writeOptions).map(([key, value, options]): Command => ({
      kind: "put",
      key,
      value,
      ...options,
    })),
    fc.tuple(keys, writeOptions).map(([key, options]): Command => ({
      kind: "delete",
      key,
      ...options,
    })),
  );
  fc.assert(fc.property(commands, (command) => {
    assert.deepEqual(decodeCommand(encodeCommand(command)), command);
  }));
});

Deno.test("encodeCommand() writes the bytes that are in the log for ever", () => {
  assert.equal(
    encodeCommand({ kind: "put", key: "a", value: Uint8Array.of(7) }).toHex(),
    [
      "01", // version
      "95", // array of 5
      "a3707574", // "put"
      "c40161", // key
      "c0", // no ifModRevision
      "c0", // no idempotency key
      "c40107", // value
    ].join(""),
  );
  const ifModRevision = toLogIndex(300);
  assert.equal(
    encodeCommand({ kind: "delete", key: "a", ifModRevision, idempotencyKey: "k" }).toHex(),
    [
      "01", // version
      "94", // array of 4
      "a664656c657465", // "delete"
      "c40161", // key
      "cd012c", // ifModRevision
      "c4016b", // idempotency key
    ].join(""),
  );
});

Deno.test("encodeCommand() takes everything at exactly its limit", () => {
  const command: Command = {
    kind: "put",
    key: "k".repeat(KEY_BYTES_MAX),
    value: new Uint8Array(VALUE_BYTES_MAX),
    ifModRevision: toLogIndex(Number.MAX_SAFE_INTEGER),
    idempotencyKey: "i".repeat(IDEMPOTENCY_KEY_LENGTH_MAX),
    idempotencyOwner: "f".repeat(TOKEN_ID_LENGTH),
  };
  const bytes = encodeCommand(command);
  assert.ok(bytes.length <= COMMAND_BYTES_MAX);
  assert.deepEqual(decodeCommand(bytes), command);
});

for (
  const [what, command, message] of [
    ["an empty key", { kind: "delete", key: "" }, /key: it is empty/],
    [
      "a key of one byte too many",
      { kind: "delete", key: "k".repeat(KEY_BYTES_MAX + 1) },
      /1025 bytes are above 1024/,
    ],
    [
      "a key whose UTF-8 is too long, though its characters are few enough",
      { kind: "delete", key: "ü".repeat(KEY_BYTES_MAX / 2 + 1) },
      /1026 bytes are above 1024/,
    ],
    ["a lone surrogate in the key", { kind: "delete", key: "a\ud800" }, /not well-formed Unicode/],
    [
      "a value of one byte too many",
      { kind: "put", key: "a", value: new Uint8Array(VALUE_BYTES_MAX + 1) },
      /524289 bytes are above 524288/,
    ],
    [
      "an owner of no idempotency key",
      { kind: "delete", key: "a", idempotencyOwner: "f".repeat(TOKEN_ID_LENGTH) },
      /an owner of no idempotency key/,
    ],
    [
      "an owner that is no token's id",
      { kind: "delete", key: "a", idempotencyKey: "k", idempotencyOwner: "F".repeat(16) },
      /16 lower-case hex digits/,
    ],
    [
      "an empty idempotency key",
      { kind: "delete", key: "a", idempotencyKey: "" },
      /must be visible ASCII/,
    ],
    [
      "an idempotency key of one character too many",
      { kind: "delete", key: "a", idempotencyKey: "i".repeat(IDEMPOTENCY_KEY_LENGTH_MAX + 1) },
      /129 characters are above 128/,
    ],
  ] as readonly [string, Command, RegExp][]
) {
  Deno.test(`encodeCommand() refuses ${what}`, () => {
    assert.throws(() => encodeCommand(command), { name: "InputError", message });
  });
}

Deno.test("checkKey() refuses what encodeCommand() refuses as a key", () => {
  checkKey("a");
  checkKey("\u0000");
  assert.throws(() => checkKey(""), InputError);
  assert.throws(() => checkKey("k".repeat(KEY_BYTES_MAX + 1)), InputError);
  assert.throws(() => checkKey("\udc00"), InputError);
});

Deno.test("checkIdempotencyKey() takes visible ASCII without quote and backslash, nothing else", () => {
  for (let code = 0; code < 0x180; code++) {
    const character = String.fromCharCode(code);
    const isAllowed = code > 0x20 && code < 0x7f && character !== '"' && character !== "\\";
    if (isAllowed) checkIdempotencyKey(`a${character}`);
    else assert.throws(() => checkIdempotencyKey(`a${character}`), InputError, `code ${code}`);
  }
});

Deno.test("decodeCommand() refuses every truncation", () => {
  for (const whole of [encodeCommand(put), encodeCommand(remove)]) {
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => decodeCommand(whole.subarray(0, length)), InputError, `${length} bytes`);
    }
  }
});

Deno.test("decodeCommand() refuses bytes after the command", () => {
  assert.throws(
    () => decodeCommand(concatBytes(encodeCommand(put), Uint8Array.of(0xc0))),
    InputError,
  );
});

Deno.test("decodeCommand() refuses a flipped bit, or reads it as another command", () => {
  assertFlipsNoticed(put);
});

Deno.test("decodeCommand() refuses an unknown version by an error of its own", () => {
  const newer = encodeCommand(put);
  newer[0] = COMMAND_VERSION + 1;
  assert.throws(() => decodeCommand(newer), CommandVersionError);
});

const key = encodeUtf8("a");
const value = Uint8Array.of(1);

/** A delete whose revision is an array in an array in an array. */
function nestedRevision(depth: number): Uint8Array {
  return concatBytes(
    Uint8Array.of(COMMAND_VERSION, 0x94),
    encode("delete"),
    encode(key),
    new Uint8Array(depth).fill(0x91),
    encode(null),
    encode(null),
  );
}

for (
  const [what, bytes] of [
    ["no bytes", new Uint8Array(0)],
    ["a version and nothing else", Uint8Array.of(KEY_COMMAND_VERSION)],
    ["a map", concatBytes(Uint8Array.of(KEY_COMMAND_VERSION), encode({ kind: "put" }))],
    ["an unknown kind", encodeFields("touch", key)],
    ["a kind that an object inherits", encodeFields("toString", key)],
    ["a kind that an object inherits, with all fields", encodeFields("toString", key, null, null)],
    ["a put without a value", encodeFields("put", key, null, null)],
    ["a delete with a value", encodeFields("delete", key, null, null, value)],
    ["a sixth field", encodeFields("put", key, null, null, value, value)],
    ["a command without its options", encodeFields("delete", key)],
    ["a key as text", encodeFields("delete", "a", null, null)],
    ["a value as text", encodeFields("put", key, null, null, "1")],
    ["a value that is null", encodeFields("put", key, null, null, null)],
    ["an empty key", encodeFields("delete", new Uint8Array(0), null, null)],
    ["a key that is not UTF-8", encodeFields("delete", Uint8Array.of(0xff), null, null)],
    [
      "a key with a surrogate in it",
      encodeFields("delete", Uint8Array.of(0xed, 0xa0, 0x80), null, null),
    ],
    [
      "a key above the limit",
      encodeFields("delete", new Uint8Array(KEY_BYTES_MAX + 1), null, null),
    ],
    [
      "a value above the limit",
      encodeFields("put", key, null, null, new Uint8Array(VALUE_BYTES_MAX + 1)),
    ],
    ["more bytes than any command has", new Uint8Array(COMMAND_BYTES_MAX + 1).fill(1)],
    ["an array in an array", encodeFields("delete", [key], null, null)],
    ["a wider head than needed", Uint8Array.fromHex("0194a664656c657465c5000161c0c0")],
    ["a number in a signed type", Uint8Array.fromHex("0194a664656c657465c40161d1012cc0")],
    [
      "a number in a floating-point type",
      Uint8Array.fromHex("0194a664656c657465c40161cb4270000000000000c0"),
    ],
    ["a negative revision", encodeFields("delete", key, -1, null)],
    ["a revision with a fraction", encodeFields("delete", key, 1.5, null)],
    ["a revision that is no safe integer", encodeFields("delete", key, 2 ** 53, null)],
    ["a revision as text", encodeFields("delete", key, "1", null)],
    ["a boolean for a revision", encodeFields("delete", key, false, null)],
    ["a revision nested deeper than the stack reaches", nestedRevision(100_000)],
    ["an idempotency key as text", encodeFields("delete", key, null, "k")],
    ["an empty idempotency key", encodeFields("delete", key, null, new Uint8Array(0))],
    ["an idempotency key with a space", encodeFields("delete", key, null, encodeUtf8("a b"))],
    ["an owner's idempotency key that is empty", ownedKey("f".repeat(16), "")],
    ["an owner that is too short", ownedKey("f".repeat(15), "k")],
    ["an idempotency key with two owners", ownedKey("f".repeat(16), `${"f".repeat(16)} k`)],
    ["an idempotency key that is not ASCII", encodeFields("delete", key, null, encodeUtf8("ä"))],
    [
      "an idempotency key above the limit",
      encodeFields("delete", key, null, new Uint8Array(IDEMPOTENCY_KEY_LENGTH_MAX + 1).fill(97)),
    ],
  ] as readonly [string, Uint8Array][]
) {
  Deno.test(`decodeCommand() refuses ${what}`, () => {
    assert.throws(() => decodeCommand(bytes), { name: "InputError" });
  });
}
