import assert from "node:assert/strict";
import fc from "fast-check";
import { InputError } from "../../lib/errors.ts";
import { ByteReader, ByteWriter } from "../../lib/kv/byte_fields.ts";
import { type Command, EXPIRED_LEASES_MAX } from "../../lib/kv/command.ts";
import { CommandVersionError } from "../../lib/kv/command_codec.ts";
import {
  COMMAND_BYTES_MAX,
  COMMAND_VERSION,
  decodeCommand,
  encodeCommand,
  isCommand,
} from "../../lib/kv/command_codec.ts";
import { EXPIRES_AT_MS_MAX } from "../../lib/kv/token.ts";
import type { Operation } from "../../lib/kv/transaction.ts";
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from "../../lib/limits.ts";
import { anyEntry } from "./commands.ts";
import {
  ANY_INDEX,
  bytes,
  command,
  del,
  newToken,
  put,
  putCommand,
  range,
  TERM,
  toRange,
  transaction,
} from "./support.ts";

Deno.test("encodeCommand() returns bytes that no later command changes, short or long", () => {
  const values = [0, 1, 300, 2_000, 5_000, 40_000].map((length) => "v".repeat(length));
  const commands = Array.from({ length: 400 }, (_, at): Command => {
    return putCommand(`k${at}`, values[at % values.length] ?? "");
  });
  const encoded = commands.map((command) => encodeCommand(command));
  const copies = encoded.map((bytes) => bytes.slice());
  assert.deepEqual(encoded, copies);
  assert.deepEqual(encoded.map((bytes) => decodeCommand(bytes)), commands);
  const buffers = new Set(encoded.map(({ buffer }) => buffer));
  assert.ok(buffers.size < commands.length / 2, "short commands share buffers");
});

/** One command of each kind, with everything that it can have. */
const COMMANDS: readonly Command[] = [
  {
    kind: "transaction",
    conditions: [
      { target: "value", keys: toRange("a"), relation: "=", value: bytes("x") },
      { target: "version", keys: toRange("a*"), relation: ">", number: 300 },
      { target: "exists", keys: { start: bytes("a"), end: bytes("c") }, exists: true },
      { target: "fence", lock: bytes("lock"), revision: 70 },
    ],
    success: [
      put("a", "value", { lease: 9, isPreviousWanted: true }),
      { ...put("b", null), lease: null },
      range("*", { limit: 5, sortBy: "modRevision", order: "descending", modRevisionMin: 2 }),
      del("c*", { isPreviousWanted: true }),
      { kind: "transaction", ...transaction({ success: [put("d", "")] }) },
    ],
    failure: [range("a", { show: "keys" })],
    idempotency: { token: "0123456789abcdef", key: "try-1" },
  },
  { kind: "grantLease", id: 7, ttlSeconds: 60, idempotency: { token: null, key: "k" } },
  { kind: "revokeLease", id: 2 ** 53 - 1 },
  { kind: "expireLeases", term: TERM, appliedIndex: ANY_INDEX, ids: [1, 2, 300] },
  { kind: "compact", revision: 12_345 },
  { kind: "createToken", ...newToken("a") },
  { kind: "createToken", ...newToken("a", { expiresAtMs: 1 }) },
  { kind: "createToken", ...newToken("a", { prefixes: [], expiresAtMs: EXPIRES_AT_MS_MAX }) },
  { kind: "revokeToken", id: newToken("b").id },
];

Deno.test("decodeCommand() gives back every command that encodeCommand() wrote", () => {
  for (const command of COMMANDS) {
    assert.deepEqual(decodeCommand(encodeCommand(command)), command);
  }
  fc.assert(fc.property(anyEntry, (command) => {
    // A clone, as fast-check's objects have no prototype.
    assert.deepEqual(decodeCommand(encodeCommand(command)), structuredClone(command));
  }));
});

Deno.test("decodeCommand() refuses every command that is cut off, or goes on", () => {
  for (const command of COMMANDS) {
    const whole = encodeCommand(command);
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => decodeCommand(whole.subarray(0, length)), InputError);
    }
    const longer = new Uint8Array(whole.length + 1);
    longer.set(whole);
    assert.throws(() => decodeCommand(longer), /more bytes after its end/);
  }
});

Deno.test("decodeCommand() notices each flipped bit, or reads another command", () => {
  for (const command of COMMANDS) {
    const whole = encodeCommand(command);
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const flipped = whole.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      if (!isCommand(flipped)) continue;
      const read = decodeCommand(flipped);
      assert.deepEqual(encodeCommand(read), flipped, `bit ${bit} of ${command.kind}`);
      assert.notDeepEqual(read, command);
    }
  }
});

Deno.test("any bytes that are read are the one encoding of what was read", () => {
  const start = fc.integer({ min: 0, max: 6 }).map((kind) => [COMMAND_VERSION, kind, 0]);
  const rest = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 20 });
  fc.assert(
    fc.property(start, rest, (start, rest) => {
      const given = Uint8Array.of(...start, ...rest);
      if (!isCommand(given)) return;
      assert.deepEqual(encodeCommand(decodeCommand(given)), given);
    }),
    { numRuns: 20_000 },
  );
});

Deno.test("a range has one form: longer ones of the same range are refused", () => {
  const writer = new ByteWriter();
  const withRange = (form: number, ...bounds: readonly string[]) => {
    writer.begin().byte(COMMAND_VERSION).byte(0).byte(0).number(0).number(1).byte(2);
    writer.byte(form);
    for (const bound of bounds) writer.bytes(bytes(bound));
    return writer.byte(0).number(0).finish();
  };
  assert.ok(isCommand(withRange(0, "a")));
  assert.ok(isCommand(withRange(1, "a")));
  assert.ok(isCommand(withRange(2, "a", "c")));
  assert.ok(isCommand(withRange(3, "a")));
  assert.ok(isCommand(withRange(1, "")));
  assert.equal(isCommand(withRange(2, "a", "a\0")), false, "one key");
  assert.equal(isCommand(withRange(2, "a", "b")), false, "a prefix");
  assert.equal(isCommand(withRange(3, "")), false, "all keys");
  assert.equal(isCommand(withRange(0, "")), false, "an empty key");
  assert.equal(isCommand(withRange(2, "a", "")), false, "an empty end");
});

Deno.test("decodeCommand() names a version that it does not know", () => {
  for (const version of [1, COMMAND_VERSION - 1, COMMAND_VERSION + 1]) {
    assert.throws(() => decodeCommand(Uint8Array.of(version, 0)), CommandVersionError);
  }
  assert.throws(() => decodeCommand(new Uint8Array()), InputError);
});

Deno.test("encodeCommand() refuses what is outside its limits, and goes on", () => {
  const long = new Uint8Array(KEY_BYTES_MAX + 1);
  const refused: readonly [Command, RegExp][] = [
    [command({ success: [{ ...put("a", ""), key: long }] }), /1025 bytes are above 1024/],
    [command({ success: [put("", "")] }), /it is empty/],
    [
      command({ success: [{ ...put("a", ""), value: new Uint8Array(VALUE_BYTES_MAX + 1) }] }),
      /524/,
    ],
    [command({ success: [put("a", "", { lease: -1 })] }), /its id -1/],
    [command({ success: [put("a", "", { lease: 1.5 })] }), /its id 1.5/],
    [command({ success: [range({ start: long, end: null })] }), /its start of 1025/],
    [command({ success: [range({ start: bytes("a"), end: new Uint8Array(1026) })] }), /1026/],
    [command({ success: [range("a", { limit: 0 })] }), /limit of 0/],
    [command({ success: [range("a", { modRevisionMin: -3 })] }), /-3/],
    [
      command({ conditions: [{ target: "fence", lock: new Uint8Array(0), revision: 1 }] }),
      /a name of 0 bytes/,
    ],
    [{ kind: "grantLease", id: 0, ttlSeconds: 5 }, /its id 0/],
    [{ kind: "grantLease", id: 1, ttlSeconds: 0 }, /0 seconds/],
    [{ kind: "grantLease", id: 1, ttlSeconds: 86_401 }, /86401 seconds/],
    [{ kind: "revokeLease", id: 2 ** 53 }, /its id/],
    [{ kind: "expireLeases", term: TERM, appliedIndex: ANY_INDEX, ids: [] }, /0 leases/],
    [{ kind: "expireLeases", term: TERM, appliedIndex: ANY_INDEX, ids: [2, 2] }, /rising/],
    [
      {
        kind: "expireLeases",
        term: TERM,
        appliedIndex: ANY_INDEX,
        ids: Array.from({ length: EXPIRED_LEASES_MAX + 1 }, (_, at) => at + 1),
      },
      /1001 leases/,
    ],
    [{ kind: "compact", revision: -1 }, /-1/],
    [{ kind: "compact", revision: 1, idempotency: { token: null, key: 'a"' } }, /visible ASCII/],
    [{ kind: "compact", revision: 1, idempotency: { token: "xyz", key: "a" } }, /token id/],
  ];
  for (const [command, why] of refused) {
    assert.throws(() => encodeCommand(command), (error) => {
      assert.ok(error instanceof InputError);
      assert.match(error.message, why);
      return true;
    });
    const [first] = COMMANDS;
    assert.ok(first !== undefined);
    assert.deepEqual(decodeCommand(encodeCommand(first)), first);
  }
});

Deno.test("a command of too many bytes is refused, whole or read", () => {
  const value = new Uint8Array(VALUE_BYTES_MAX);
  const success = ["a", "b", "c"].map((key) => ({ ...put(key, ""), value }));
  assert.throws(() => encodeCommand(command({ success })), /are above 1572864/);
  const bytes = new Uint8Array(COMMAND_BYTES_MAX + 1).fill(COMMAND_VERSION);
  assert.throws(() => decodeCommand(bytes), /are above 1572864/);
});

Deno.test("transactions nested deeper than they can be are refused, not followed", () => {
  const nested = [COMMAND_VERSION, 0, 0];
  for (let depth = 0; depth < 100_000; depth++) nested.push(0, 1, 3);
  assert.throws(() => decodeCommand(Uint8Array.from(nested)), /nested deeper than 128/);
});

Deno.test("a number has one form, and ends at 2^53 - 1", () => {
  const writer = new ByteWriter();
  for (const number of [0, 1, 127, 128, 16_383, 16_384, 2 ** 32, 2 ** 53 - 1]) {
    const reader = new ByteReader(writer.number(number).finish(), "number");
    assert.equal(reader.number(), number);
    reader.end();
  }
  const refused = [
    [0x80, 0x00],
    [0xff],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x10],
    [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
  ];
  for (const bytes of refused) {
    assert.throws(() => new ByteReader(Uint8Array.from(bytes), "number").number(), InputError);
  }
});

Deno.test("a writer keeps no large buffer and writes on", () => {
  const writer = new ByteWriter();
  const large = new Uint8Array(200_000).fill(7);
  assert.equal(writer.bytes(large).finish().length, 200_003);
  assert.deepEqual(writer.byte(1).finish(), Uint8Array.of(1));
});

/** What of the first operation of a transaction is read back. */
function firstOf(operation: Operation): Operation | undefined {
  const read = decodeCommand(encodeCommand(command({ success: [operation] })));
  return read.kind === "transaction" ? read.success[0] : undefined;
}

Deno.test("a put keeps apart no value, an empty one, no lease and the one that is there", () => {
  for (const operation of [put("a", ""), put("a", null), put("a", "", { lease: null })]) {
    assert.deepEqual(firstOf(operation), operation);
  }
});
