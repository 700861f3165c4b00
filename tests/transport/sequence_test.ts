import { decode, encode } from "@msgpack/msgpack";
import fc from "fast-check";
import assert from "node:assert/strict";
import { concatBytes, decodeHex } from "../../lib/bytes.ts";
import { InputError } from "../../lib/errors.ts";
import {
  encodeSequence,
  type Scalar,
  SEQUENCE_STRING_BYTES_MAX,
  SequenceReader,
} from "../../lib/transport/field.ts";

function readAll(bytes: Uint8Array, count: number): unknown[] {
  const reader = new SequenceReader(bytes);
  try {
    const values = Array.from({ length: count }, () => reader.next());
    reader.end();
    return values;
  } finally {
    reader.close();
  }
}

const scalars = fc.oneof(
  fc.maxSafeInteger().map((value) => value + 0),
  fc.boolean(),
  fc.constant(null),
  fc.string({ maxLength: 40 }),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => new Uint8Array(bytes)),
);

Deno.test("encodeSequence() and SequenceReader agree on every scalar", () => {
  fc.assert(fc.property(fc.array(scalars, { maxLength: 40 }), (values) => {
    assert.deepEqual(readAll(encodeSequence(values).slice(), values.length), values);
  }));
});

Deno.test("encodeSequence() writes an array without its header, whatever the header's size", () => {
  for (
    const [count, headerBytes] of [[0, 1], [15, 1], [16, 3], [65_535, 3], [65_536, 5]] as const
  ) {
    const values: Scalar[] = new Array(count).fill(7);
    const whole = encode(values);
    assert.deepEqual(encodeSequence(values), whole.subarray(headerBytes));
    assert.deepEqual(
      decode(concatBytes(whole.slice(0, headerBytes), encodeSequence(values))),
      values,
    );
  }
});

Deno.test("encodeSequence() goes on after a sequence larger than it keeps a buffer for", () => {
  assert.equal(encodeSequence([new Uint8Array(3 * 1024 * 1024)]).length, 3 * 1024 * 1024 + 5);
  assert.deepEqual(encodeSequence([1, 2]), new Uint8Array([1, 2]));
});

Deno.test("SequenceReader refuses arrays, maps and extensions, however they are announced", () => {
  for (const hex of ["91c0", "dc0001c0", "ddffffffff", "81a161c0", "de0001", "dfffffffff"]) {
    assert.throws(() => readAll(decodeHex(hex), 1), InputError, hex);
  }
  for (const hex of ["d40100", "c70101ff", "d6ff00000000"]) {
    assert.throws(() => readAll(decodeHex(hex), 1), InputError, hex);
  }
});

Deno.test("SequenceReader sets nothing aside for nested arrays of a few bytes each", () => {
  const nested = new Uint8Array(3 * 1024 * 1024).map((_, index) =>
    [0xdc, 0xff, 0xff][index % 3] ?? 0
  );
  assert.throws(() => readAll(nested, 1), /not a msgpack scalar/);
});

Deno.test("SequenceReader refuses a value that is cut off", () => {
  const whole = encodeSequence(["floe", 70_000, new Uint8Array(300)]).slice();
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => readAll(whole.subarray(0, length), 3), InputError, `length ${length}`);
  }
});

Deno.test("SequenceReader refuses more values than are asked for, and fewer", () => {
  assert.throws(() => readAll(new Uint8Array([1, 2]), 1), /more values than the schema has/);
  assert.throws(() => readAll(new Uint8Array([1, 2]), 3), /missing: the sequence ends/);
});

Deno.test("SequenceReader refuses a string above the limit, and minus zero", () => {
  const long = encodeSequence(["x".repeat(SEQUENCE_STRING_BYTES_MAX + 1)]).slice();
  assert.throws(() => readAll(long, 1), /not a msgpack scalar: Max length exceeded/);
  assert.throws(() => readAll(decodeHex("cb8000000000000000"), 1), /-0 is not a whole number/);
});

Deno.test("SequenceReader refuses a text with half a character in it", () => {
  for (const hex of ["a3eda080", "a3edb080", "a478eda080"]) {
    assert.throws(() => readAll(decodeHex(hex), 1), /not well-formed Unicode/, hex);
  }
});

Deno.test("SequenceReader leaves the shared decoder usable after it stopped half-way", () => {
  const reader = new SequenceReader(new Uint8Array([1, 2, 3]));
  assert.equal(reader.next(), 1);
  reader.close();
  assert.deepEqual(readAll(new Uint8Array([4, 5]), 2), [4, 5]);
});
