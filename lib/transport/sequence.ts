/**
 * The form of every payload: a flat sequence of msgpack scalars, one after the other, without arrays
 * or maps. The schema alone says what stands where, which makes payloads small, and the reader takes
 * one value at a time and stops at the first that does not fit. Because containers are refused
 * altogether, a few bytes can never ask for a large or deeply nested structure.
 *
 * @module
 */

import { Decoder, Encoder } from "@msgpack/msgpack";
import { InputError, messageOf } from "../errors.ts";

/** What may stand in a sequence. */
export type Scalar = number | string | boolean | null | Uint8Array;

/** Most UTF-8 bytes in one string of a sequence; fields have tighter limits. */
export const SEQUENCE_STRING_BYTES_MAX = 4096;

const decoder = new Decoder({
  maxStrLength: SEQUENCE_STRING_BYTES_MAX,
  maxArrayLength: 0,
  maxMapLength: 0,
  maxExtLength: 0,
});

/** An encoder keeps a buffer as large as the largest sequence it wrote; above this it is let go. */
const ENCODER_BYTES_KEPT_MAX = 1024 * 1024;

let encoder = new Encoder();

/**
 * The bytes of a sequence. They stand in a shared buffer: copy or send them before the next call.
 *
 * A msgpack array is a header with the count, then its elements. The sequence is an array without
 * its header.
 */
export function encodeSequence(values: readonly Scalar[]): Uint8Array {
  const bytes = encoder.encodeSharedRef(values).subarray(arrayHeaderBytes(values.length));
  if (bytes.length > ENCODER_BYTES_KEPT_MAX) encoder = new Encoder();
  return bytes;
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
    // The library reads halves of characters as they come; written again they would be others.
    if (typeof value === "string" && !value.isWellFormed()) {
      throw new InputError("a text is not well-formed Unicode");
    }
    return value;
  }

  /** Checks the end. @throws {InputError} unless every value has been read. */
  end(): void {
    if (this.#step().done !== true) throw new InputError("more values than the schema has");
  }

  /** Gives the shared decoder back. Nothing can be read afterwards. */
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
