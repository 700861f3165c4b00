/**
 * Looks for secrets in whatever a program has written, in every form in which bytes come to be written by
 * accident: raw, as hex, as base64, as numbers in a list, as one large number.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { assert } from "../../lib/assert.ts";
import { concatBytes, encodeBase64, encodeHex, encodeUtf8 } from "../../lib/bytes.ts";

/** A secret that was found. */
export interface Finding {
  /** Which secret. */
  readonly secret: string;
  /** In which form. */
  readonly form: string;
  /** Where. */
  readonly place: string;
}

/**
 * So many bytes of a secret betray it: half of a key, so that either half of one that was cut in two is
 * found; and so many that they are nowhere by accident.
 */
const PART_BYTES = 16;
/** By how many bytes of its beginning a form is looked up: so few that a table has a place for each value. */
const LOOKUP_BYTES = 3;
const START_MASK = 2 ** (8 * LOOKUP_BYTES) - 1;

interface Needle {
  readonly secret: string;
  readonly form: string;
  readonly bytes: Uint8Array;
}

/** Secrets to look for. Each text is read once, however many there are. */
export class SecretScanner {
  readonly #needles = new Map<number, Needle[]>();
  /** One where a needle begins with these bytes. Asking the map at every byte takes ten times as long. */
  readonly #starts = new Uint8Array(2 ** (8 * LOOKUP_BYTES));
  #count = 0;

  /** How many secrets there are. */
  get count(): number {
    return this.#count;
  }

  /** Looks for a secret from now on: its first and its last {@linkcode PART_BYTES} bytes, or all. */
  add(secret: string, bytes: Uint8Array): void {
    this.#count++;
    const parts = bytes.length <= PART_BYTES
      ? [bytes]
      : [bytes.subarray(0, PART_BYTES), bytes.subarray(-PART_BYTES)];
    for (const part of parts) {
      for (const [form, needle] of formsOf(part)) this.#addNeedle({ secret, form, bytes: needle });
    }
    for (const [form, needle] of numbersOf(bytes)) this.#addNeedle({ secret, form, bytes: needle });
  }

  /** Every secret in a text, each form of it once. */
  scan(place: string, text: Uint8Array): readonly Finding[] {
    const found = new Map<string, Finding>();
    // Lists of numbers are broken into lines and columns in many ways.
    for (const view of [text, withoutSpace(text)]) {
      for (const { secret, form } of this.#search(view)) {
        found.set(`${secret} ${form}`, { secret, form, place });
      }
    }
    return [...found.values()];
  }

  #addNeedle(needle: Needle): void {
    assert(needle.bytes.length >= LOOKUP_BYTES, `${needle.secret} is too short to look for`);
    const start = Buffer.from(needle.bytes).readUIntBE(0, LOOKUP_BYTES);
    this.#starts[start] = 1;
    const others = this.#needles.get(start);
    if (others === undefined) this.#needles.set(start, [needle]);
    else others.push(needle);
  }

  *#search(text: Uint8Array): Generator<Needle> {
    let start = 0;
    for (let offset = 0; offset < text.length; offset++) {
      start = ((start << 8) | (text[offset] ?? 0)) & START_MASK;
      if (this.#starts[start] === 1) yield* this.#needlesAt(text, offset + 1 - LOOKUP_BYTES, start);
    }
  }

  #needlesAt(text: Uint8Array, from: number, start: number): readonly Needle[] {
    return (this.#needles.get(start) ?? []).filter(({ bytes }) => isAt(text, from, bytes));
  }
}

function isAt(text: Uint8Array, from: number, needle: Uint8Array): boolean {
  return from >= 0 && from + needle.length <= text.length &&
    needle.every((byte, at) => text[from + at] === byte);
}

/** The forms in which a part of a secret gives the part away. */
function* formsOf(part: Uint8Array): Generator<[form: string, needle: Uint8Array]> {
  yield ["raw", part];
  yield ["hex", encodeUtf8(encodeHex(part))];
  yield ["upper-case hex", encodeUtf8(encodeHex(part).toUpperCase())];
  yield ["hex, from its end", encodeUtf8(encodeHex(part.toReversed()))];
  for (const shift of [0, 1, 2]) {
    const text = base64At(part, shift);
    yield [`base64, ${shift} bytes behind`, encodeUtf8(text)];
    const url = text.replaceAll("+", "-").replaceAll("/", "_");
    if (url !== text) yield [`base64url, ${shift} bytes behind`, encodeUtf8(url)];
  }
  yield ["a list", encodeUtf8(part.join(","))];
  yield ["a list of two-digit hex", encodeUtf8([...part].map(toHex).join(","))];
}

/** A whole secret as a number, and as the JSON of an object with numbered fields. */
function* numbersOf(bytes: Uint8Array): Generator<[form: string, needle: Uint8Array]> {
  yield ["a number", encodeUtf8(BigInt(`0x${encodeHex(bytes)}`).toString())];
  const reversed = bytes.toReversed();
  yield ["a number, from its end", encodeUtf8(BigInt(`0x${encodeHex(reversed)}`).toString())];
  const fields = [...bytes].slice(0, PART_BYTES).map((byte, at) => `"${at}":${byte}`);
  yield ["the JSON of bytes", encodeUtf8(fields.join(","))];
}

/** What the base64 of a longer text has of a part that begins `shift` bytes behind a multiple of 3. */
function base64At(part: Uint8Array, shift: number): string {
  const text = encodeBase64(concatBytes(new Uint8Array(shift), part)).replace(/=+$/, "");
  // The characters at both ends depend on what is around the part.
  const from = Math.ceil(shift * 8 / 6);
  const to = Math.floor((shift + part.length) * 8 / 6);
  return text.slice(from, to);
}

function toHex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}

const SPACES = new Uint8Array(256);
for (const space of encodeUtf8(" \t\r\n")) SPACES[space] = 1;

function withoutSpace(text: Uint8Array): Uint8Array {
  const rest = new Uint8Array(text.length);
  let length = 0;
  for (let offset = 0; offset < text.length; offset++) {
    const byte = text[offset] ?? 0;
    rest[length] = byte;
    length += 1 - (SPACES[byte] ?? 0);
  }
  return rest.subarray(0, length);
}
