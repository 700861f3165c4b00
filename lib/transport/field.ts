/**
 * The parts of payload schemas. A field writes a value as scalars. It reads the value back and checks
 * everything, because no payload is trusted.
 *
 * @module
 */

import { Decoder, Encoder } from "@msgpack/msgpack";
import { decodeUtf8, encodeUtf8 } from "../bytes.ts";
import { InputError, messageOf } from "../errors.ts";
import {
  type Epoch,
  type LogIndex,
  type NodeId,
  type Term,
  toEpoch,
  toLogIndex,
  toNodeId,
  toTerm,
} from "../types.ts";

/** Writes and reads one value of a sequence. */
export interface Field<Value> {
  /** Appends the value's scalars to `sequence`. @throws {InputError} when it exceeds a limit. */
  write(value: Value, sequence: Scalar[]): void;
  /** Reads and checks the value. @throws {InputError} when it does not fit. It has no path yet. */
  read(reader: SequenceReader): Value;
}

/** A field of exactly one scalar. */
interface ScalarField<Value> extends Field<Value> {
  /** Checks a scalar that was already read. @throws {InputError} when it does not fit. */
  check(value: unknown): Value;
}

/** One field for each property, in the order in which they are written. */
export type FieldsOf<Value> = { readonly [Name in keyof Value]: Field<Value[Name]> };

/** A schema for each member of a union tagged by `kind`. */
type SchemasOf<Union extends { readonly kind: string }> = {
  readonly [Kind in Union["kind"]]: {
    /** The kind's number in the sequence. It never changes. */
    readonly tag: number;
    /** The member's other properties. */
    readonly fields: FieldsOf<Omit<Extract<Union, { readonly kind: Kind }>, "kind">>;
  };
};

/**
 * A field of one scalar that `check` turns into its value. The sender checks it too: a value that the
 * receiver would refuse is better found where it was made.
 */
export function scalar<Value extends Scalar>(
  check: (value: unknown) => Value,
): ScalarField<Value> {
  return {
    check,
    write: (value, sequence) => void sequence.push(check(value)),
    read: (reader) => check(reader.next()),
  };
}

/** A Raft term. */
export const term: ScalarField<Term> = scalar(toTerm);
export const logIndex: ScalarField<LogIndex> = scalar(toLogIndex);
export const epoch: ScalarField<Epoch> = scalar(toEpoch);
export const nodeId: ScalarField<NodeId> = scalar(toNodeId);

/** True or false. */
export const boolean: ScalarField<boolean> = scalar((value) => {
  if (typeof value !== "boolean") throw new InputError(`${describe(value)} is not a boolean`);
  return value;
});

/** A safe integer of at least 0. */
export const count: ScalarField<number> = scalar((value) => {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new InputError(`${describe(value)} is not a whole number from 0 to 2^53 - 1`);
  }
  return value;
});

/** A byte string of at most `bytesMax` bytes; reading yields a view into the payload. */
export function bytes(limit: { readonly bytesMax: number }): ScalarField<Uint8Array> {
  return scalar((value) => {
    if (!(value instanceof Uint8Array)) {
      throw new InputError(`${describe(value)} is not a byte string`);
    }
    if (value.length > limit.bytesMax) {
      throw new InputError(`${value.length} bytes are above ${limit.bytesMax}`);
    }
    return value;
  });
}

/** A byte string of exactly `length` bytes; reading yields a view into the payload. */
export function fixedBytes(length: number): ScalarField<Uint8Array> {
  const field = bytes({ bytesMax: length });
  return scalar((value) => {
    const found = field.check(value);
    if (found.length !== length) throw new InputError(`${found.length} bytes are not ${length}`);
    return found;
  });
}

/** A string as UTF-8, at most `bytesMax` bytes. It may be longer than the strings of a sequence. */
export function longText(limit: { readonly bytesMax: number }): Field<string> {
  const field = bytes(limit);
  return {
    write: (value, sequence) => field.write(encodeUtf8(value), sequence),
    read: (reader) => decodeUtf8(field.read(reader)),
  };
}

/** A string of at most `lengthMax` UTF-16 code units. */
export function text(limit: { readonly lengthMax: number }): ScalarField<string> {
  return scalar((value) => {
    if (typeof value !== "string") throw new InputError(`${describe(value)} is not a string`);
    if (value.length > limit.lengthMax) {
      throw new InputError(`${value.length} characters are above ${limit.lengthMax}`);
    }
    return value;
  });
}

/** One of a few words, each with its number in the sequence. */
export function word<Word extends string>(
  numbers: Readonly<Record<Word, number>>,
): ScalarField<Word> {
  const words = new Map<unknown, Word>();
  for (const name in numbers) words.set(numbers[name], name);
  const check = (value: unknown) => {
    const name = words.get(value);
    if (name === undefined) {
      throw new InputError(`${describe(value)} is none of ${[...words.keys()].join(", ")}`);
    }
    return name;
  };
  return {
    check,
    write: (name, sequence) => void sequence.push(numbers[name]),
    read: (reader) => check(reader.next()),
  };
}

/** A value or nil. */
export function nullable<Value>(field: ScalarField<Value>): Field<Value | null> {
  return {
    write: (value, sequence) => {
      if (value === null) sequence.push(null);
      else field.write(value, sequence);
    },
    read: (reader) => {
      const value = reader.next();
      return value === null ? null : field.check(value);
    },
  };
}

/** A value of any kind or null: a boolean, then the value. */
export function optional<Value>(field: Field<Value>): Field<Value | null> {
  return {
    write: (value, sequence) => {
      boolean.write(value !== null, sequence);
      if (value !== null) field.write(value, sequence);
    },
    read: (reader) => boolean.read(reader) ? field.read(reader) : null,
  };
}

/** A count of at most `countMax`, then as many items. */
export function list<Item>(
  item: Field<Item>,
  limit: { readonly countMax: number },
): Field<readonly Item[]> {
  const length = atMost(limit.countMax);
  return {
    write: (items, sequence) => {
      length.write(items.length, sequence);
      for (const value of items) item.write(value, sequence);
    },
    read: (reader) => {
      const items: Item[] = [];
      for (let missing = length.read(reader); missing > 0; missing--) items.push(item.read(reader));
      return items;
    },
  };
}

/** A whole number from 0 to `max`. */
export function atMost(max: number): ScalarField<number> {
  return scalar((value) => {
    const whole = count.check(value);
    if (whole > max) throw new InputError(`${whole} is above ${max}`);
    return whole;
  });
}

/** An object with one field for each property. */
export function record<Value extends object>(fields: FieldsOf<Value>): Field<Value> {
  // The one place where properties lose their types. FieldsOf checks them for the caller.
  const entries = Object.entries<Field<unknown>>(fields);
  return {
    write: (value, sequence) => {
      const properties = value as Readonly<Record<string, unknown>>;
      for (const [name, field] of entries) field.write(properties[name], sequence);
    },
    read: (reader) => {
      const properties: Record<string, unknown> = {};
      let name = "";
      try {
        for (const [next, field] of entries) {
          name = next;
          properties[name] = field.read(reader);
        }
      } catch (cause) {
        throw withPath(name, cause);
      }
      return properties as Value;
    },
  };
}

/** A member of a union tagged by `kind`: its tag, then its fields. */
export function tagged<Union extends { readonly kind: string }>(
  schemas: SchemasOf<Union>,
): Field<Union> {
  const byKind = new Map<string, { readonly tag: number; readonly body: Field<object> }>();
  const byTag = new Map<unknown, { readonly kind: string; readonly body: Field<object> }>();
  for (const kind in schemas) {
    const { tag, fields } = schemas[kind as Union["kind"]];
    const body = record<object>(fields);
    byKind.set(kind, { tag, body });
    byTag.set(tag, { kind, body });
  }
  return {
    write: (value, sequence) => {
      const schema = byKind.get(value.kind);
      if (schema === undefined) throw new InputError(`kind ${describe(value.kind)} is unknown`);
      sequence.push(schema.tag);
      schema.body.write(value, sequence);
    },
    read: (reader) => {
      const tag = reader.next();
      const schema = byTag.get(tag);
      if (schema === undefined) throw new InputError(`kind ${describe(tag)} is unknown`);
      try {
        return { kind: schema.kind, ...schema.body.read(reader) } as Union;
      } catch (cause) {
        throw withPath(schema.kind, cause);
      }
    },
  };
}

/** Adds the place of a refusal, from the outside inward: `voteRequest: commitments: ...`. */
function withPath(place: string, cause: unknown): unknown {
  return cause instanceof InputError
    ? new InputError(`${place}: ${cause.message}`, { cause: cause.cause ?? cause })
    : cause;
}

const DESCRIBED_LENGTH_MAX = 40;

/** Shows a value of a peer in a message, shortened. */
function describe(value: unknown): string {
  if (value instanceof Uint8Array) return `a byte string of ${value.length}`;
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length <= DESCRIBED_LENGTH_MAX
    ? shown
    : `${shown.slice(0, DESCRIBED_LENGTH_MAX)}...`;
}

/** A value of a sequence. */
export type Scalar = number | string | boolean | null | Uint8Array;

/** Most UTF-8 bytes in one string of a sequence; fields have tighter limits. */
export const SEQUENCE_STRING_BYTES_MAX = 4096;

const decoder = new Decoder({
  maxStrLength: SEQUENCE_STRING_BYTES_MAX,
  maxArrayLength: 0,
  maxMapLength: 0,
  maxExtLength: 0,
});

/** An encoder keeps a buffer as large as its largest sequence. A larger buffer than this is released. */
const ENCODER_BYTES_KEPT_MAX = 1024 * 1024;

let encoder = new Encoder();

/**
 * The bytes of a sequence, in a shared buffer: copy or send them before the next call.
 *
 * A msgpack array is a header with the count, then its elements. The sequence is an array without
 * its header.
 */
export function encodeSequence(values: readonly Scalar[]): Uint8Array {
  const bytes = encoder.encodeSharedRef(values).subarray(arrayHeaderBytes(values.length));
  if (bytes.length > ENCODER_BYTES_KEPT_MAX) encoder = new Encoder();
  return bytes;
}

/** A payload of one value, in the same shared buffer. @throws {InputError} when it exceeds a limit. */
export function encodePayload<Value>(field: Field<Value>, value: Value): Uint8Array {
  const sequence: Scalar[] = [];
  field.write(value, sequence);
  return encodeSequence(sequence);
}

/**
 * Reads a payload of one value and nothing else. Byte strings in the value are views into `payload`.
 *
 * @throws {InputError} when it does not fit.
 */
export function decodePayload<Value>(
  field: Pick<Field<Value>, "read">,
  payload: Uint8Array,
): Value {
  const reader = new SequenceReader(payload);
  try {
    const value = field.read(reader);
    reader.end();
    return value;
  } finally {
    reader.close();
  }
}

/** The msgpack specification, "Array format family": fixarray, array 16, array 32. */
function arrayHeaderBytes(count: number): number {
  if (count < 16) return 1;
  return count < 65_536 ? 3 : 5;
}

/**
 * Reads a sequence value by value. Byte strings are views into the bytes it was given. Always
 * {@linkcode close} it: the underlying decoder is shared.
 */
export class SequenceReader {
  readonly #values: Generator<unknown, void, unknown>;

  /** Reads nothing yet. */
  constructor(bytes: Uint8Array) {
    this.#values = decoder.decodeMulti(bytes);
  }

  /**
   * The next value: a scalar of any type, which the caller checks.
   *
   * @throws {InputError} when there is none, or it is not a msgpack scalar within the limits.
   */
  next(): unknown {
    const { done, value } = this.#step();
    if (done === true) throw new InputError("missing: the sequence ends before it");
    if (Object.is(value, -0)) throw new InputError("-0 is not a whole number");
    // The library accepts unpaired surrogates, which would not be written again as the same bytes.
    if (typeof value === "string" && !value.isWellFormed()) {
      throw new InputError("a text is not well-formed Unicode");
    }
    return value;
  }

  /** Checks the end. @throws {InputError} unless every value has been read. */
  end(): void {
    if (this.#step().done !== true) throw new InputError("more values than the schema has");
  }

  /** Returns the shared decoder. Nothing can be read afterwards. */
  close(): void {
    this.#values.return();
  }

  #step(): IteratorResult<unknown, void> {
    try {
      return this.#values.next();
    } catch (cause) {
      // The library throws RangeError for truncated input and DecodeError for everything else.
      const reason = messageOf(cause);
      throw new InputError(`not a msgpack scalar: ${reason}`, { cause });
    }
  }
}
