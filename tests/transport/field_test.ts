import assert from "node:assert/strict";
import { InputError } from "../../lib/errors.ts";
import {
  boolean,
  bytes,
  count,
  encodeSequence,
  type Field,
  fixedBytes,
  list,
  longText,
  nullable,
  record,
  type Scalar,
  SequenceReader,
  tagged,
  text,
  word,
} from "../../lib/transport/field.ts";

function write<Value>(field: Field<Value>, value: Value): Scalar[] {
  const sequence: Scalar[] = [];
  field.write(value, sequence);
  return sequence;
}

function read<Value>(field: Field<Value>, ...scalars: readonly Scalar[]): Value {
  const reader = new SequenceReader(encodeSequence(scalars).slice());
  try {
    const value = field.read(reader);
    reader.end();
    return value;
  } finally {
    reader.close();
  }
}

const color = word<"red" | "green">({ red: 4, green: 5 });

Deno.test("word() stands for its number", () => {
  assert.deepEqual(write(color, "green"), [5]);
  assert.equal(read(color, 4), "red");
  assert.throws(() => read(color, 6), new InputError("6 is none of 4, 5"));
});

Deno.test("nullable() is nil or the field", () => {
  const field = nullable(text({ lengthMax: 3 }));
  assert.deepEqual([write(field, null), write(field, "abc")], [[null], ["abc"]]);
  assert.deepEqual([read(field, null), read(field, "abc")], [null, "abc"]);
  assert.throws(() => read(field, false), new InputError("false is not a string"));
});

Deno.test("list() is a count and its items, and refuses a count above its limit at once", () => {
  const field = list(boolean, { countMax: 2 });
  assert.deepEqual(write(field, [true, false]), [2, true, false]);
  assert.deepEqual(read(field, 2, true, false), [true, false]);
  assert.throws(() => read(field, 3), new InputError("3 is above 2"));
  assert.throws(() => write(field, [true, true, true]), new InputError("3 is above 2"));
  assert.throws(() => read(field, 2, true), /missing/);
});

Deno.test("record() writes its fields in their order and names the one that is refused", () => {
  const inner = record<{ readonly size: number }>({ size: count });
  const field = record<{ readonly on: boolean; readonly inner: { readonly size: number } }>({
    on: boolean,
    inner,
  });
  assert.deepEqual(write(field, { inner: { size: 3 }, on: true }), [true, 3]);
  assert.deepEqual(read(field, true, 3), { on: true, inner: { size: 3 } });
  assert.throws(
    () => read(field, true, -3),
    new InputError("inner: size: -3 is not a whole number from 0 to 2^53 - 1", {
      cause: new InputError("-3 is not a whole number from 0 to 2^53 - 1"),
    }),
  );
});

type Shape = { readonly kind: "dot" } | { readonly kind: "circle"; readonly radius: number };

Deno.test("tagged() is the member's tag and its fields", () => {
  const field = tagged<Shape>({
    dot: { tag: 1, fields: {} },
    circle: { tag: 2, fields: { radius: count } },
  });
  assert.deepEqual(write(field, { kind: "circle", radius: 9 }), [2, 9]);
  assert.deepEqual([read(field, 1), read(field, 2, 9)], [
    { kind: "dot" },
    { kind: "circle", radius: 9 },
  ]);
  assert.throws(() => read(field, 3), new InputError("kind 3 is unknown"));
  assert.throws(() => read(field, 2, "9"), /circle: radius: "9" is not a whole number/);
});

Deno.test("a refusal shows the value, but not all of a long one", () => {
  const long = "x".repeat(1000);
  assert.throws(() => read(count, long), (error) => String(error).length < 200);
  assert.throws(
    () => read(bytes({ bytesMax: 1 }), long),
    /^InputError: "x{39}\.\.\. is not a byte string$/,
  );
});

Deno.test("fixedBytes() takes one length and no other", () => {
  const key = fixedBytes(3);
  assert.deepEqual(read(key, new Uint8Array(3)), new Uint8Array(3));
  assert.throws(() => read(key, new Uint8Array(2)), new InputError("2 bytes are not 3"));
  assert.throws(() => read(key, new Uint8Array(4)), new InputError("4 bytes are above 3"));
  assert.throws(() => write(key, new Uint8Array(0)), new InputError("0 bytes are not 3"));
});

Deno.test("longText() is UTF-8 up to its limit in bytes", () => {
  const note = longText({ bytesMax: 6_000 });
  const longest = "—".repeat(2_000);
  assert.equal(read(note, ...write(note, longest)), longest);
  assert.throws(() => write(note, `${longest}x`), new InputError("6001 bytes are above 6000"));
  assert.throws(() => read(note, "text"), new InputError('"text" is not a byte string'));
  assert.throws(() => read(note, new Uint8Array([0x80])), InputError);
});
