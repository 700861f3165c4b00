import assert from "node:assert/strict";
import { encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { concatBytes, encodeUtf8 } from "../../lib/bytes.ts";
import { InputError } from "../../lib/errors.ts";
import { type Command, KEY_BYTES_MAX, VALUE_BYTES_MAX } from "../../lib/kv/command.ts";
import {
  checkKey,
  COMMAND_BYTES_MAX,
  COMMAND_VERSION,
  CommandVersionError,
  decodeCommand,
  encodeCommand,
} from "../../lib/kv/command_codec.ts";

const put: Command = { kind: "put", key: "config/größe", value: Uint8Array.of(0, 1, 255) };
const remove: Command = { kind: "delete", key: "config/größe" };

/** What a client could send that speaks MessagePack but not Floe. */
function encodeFields(...fields: readonly unknown[]): Uint8Array {
  return concatBytes(Uint8Array.of(COMMAND_VERSION), encode(fields));
}

/** Keys of one to a few characters from all of Unicode, U+0000 included. */
const keys = fc.string({ unit: "binary", minLength: 1, maxLength: 40 });

Deno.test("decodeCommand() gives back every command that encodeCommand() wrote", () => {
  const commands = fc.oneof(
    fc.tuple(keys, fc.uint8Array()).map(([key, value]): Command => ({ kind: "put", key, value })),
    keys.map((key): Command => ({ kind: "delete", key })),
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
      "93", // array of 3
      "a3707574", // "put"
      "c40161", // key
      "c40107", // value
    ].join(""),
  );
  assert.equal(encodeCommand({ kind: "delete", key: "a" }).toHex(), "0192a664656c657465c40161");
});

Deno.test("encodeCommand() takes a key and a value of exactly the limits", () => {
  const key = "k".repeat(KEY_BYTES_MAX);
  const bytes = encodeCommand({ kind: "put", key, value: new Uint8Array(VALUE_BYTES_MAX) });
  assert.ok(bytes.length <= COMMAND_BYTES_MAX);
  assert.equal(decodeCommand(bytes).key, key);
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
  const whole = encodeCommand(put);
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const flipped = whole.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    let command: Command;
    try {
      command = decodeCommand(flipped);
    } catch (error) {
      assert.ok(error instanceof InputError, `bit ${bit}: ${error}`);
      continue;
    }
    assert.deepEqual(encodeCommand(command), flipped, `bit ${bit}`);
    assert.notDeepEqual(command, put, `bit ${bit}`);
  }
});

Deno.test("decodeCommand() refuses an unknown version by an error of its own", () => {
  const newer = encodeCommand(put);
  newer[0] = COMMAND_VERSION + 1;
  assert.throws(() => decodeCommand(newer), CommandVersionError);
});

const key = encodeUtf8("a");
const value = Uint8Array.of(1);
for (
  const [what, bytes] of [
    ["no bytes", new Uint8Array(0)],
    ["a version and nothing else", Uint8Array.of(COMMAND_VERSION)],
    ["a map", concatBytes(Uint8Array.of(COMMAND_VERSION), encode({ kind: "put" }))],
    ["an unknown kind", encodeFields("touch", key)],
    ["a kind that an object inherits", encodeFields("toString", key)],
    ["a put without a value", encodeFields("put", key)],
    ["a delete with a value", encodeFields("delete", key, value)],
    ["a fourth field", encodeFields("put", key, value, value)],
    ["a key as text", encodeFields("delete", "a")],
    ["a value as text", encodeFields("put", key, "1")],
    ["a value that is null", encodeFields("put", key, null)],
    ["an empty key", encodeFields("delete", new Uint8Array(0))],
    ["a key that is not UTF-8", encodeFields("delete", Uint8Array.of(0xff))],
    ["a key with a surrogate in it", encodeFields("delete", Uint8Array.of(0xed, 0xa0, 0x80))],
    ["a key above the limit", encodeFields("delete", new Uint8Array(KEY_BYTES_MAX + 1))],
    ["a value above the limit", encodeFields("put", key, new Uint8Array(VALUE_BYTES_MAX + 1))],
    ["more bytes than any command has", new Uint8Array(COMMAND_BYTES_MAX + 1).fill(1)],
    ["an array in an array", encodeFields("delete", [key])],
    ["a wider head than needed", Uint8Array.fromHex("0192a664656c657465c5000161")],
  ] as readonly [string, Uint8Array][]
) {
  Deno.test(`decodeCommand() refuses ${what}`, () => {
    assert.throws(() => decodeCommand(bytes), { name: "InputError" });
  });
}
