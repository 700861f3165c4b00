/**
 * MessagePack as nobody writes it: every scalar in any width that holds it, containers where none
 * belong, heads that promise more than there is.
 *
 * @module
 */

import { Encoder } from "@msgpack/msgpack";
import { concatBytes, encodeUtf8 } from "../../lib/bytes.ts";
import type { Random } from "../simulator/random.ts";
import { drawNumber, drawText } from "./values.ts";

/** So deep that whatever descends by calling itself runs out of stack. */
const NESTING_DEPTH = 60_000;

const encoder = new Encoder();

/** One value that a schema does not expect where it stands. */
export function drawWildValue(random: Random): Uint8Array {
  const kind = random.below(10);
  if (kind < 3) return encodeNumber(drawNumber(random), random);
  if (kind < 5) return encodeText(drawText(random), random);
  if (kind < 7) return encodeBinary(random.bytes(random.below(80)), random);
  return random.pick(WILD)(random);
}

const WILD: readonly ((random: Random) => Uint8Array)[] = [
  () => encoder.encode(null),
  (random) => encoder.encode(random.chance(0.5)),
  () => encoder.encode([1, "x", null]),
  () => encoder.encode([]),
  () => encoder.encode({ ["__proto__"]: 1, toString: 1, kind: "put" }),
  () => encoder.encode({}),
  nested,
  extension,
  // Heads without what they promise: array 32, map 32, bin 32, str 32.
  (random) => Uint8Array.of(random.pick([0xdd, 0xdf, 0xc6, 0xdb]), 0xff, 0xff, 0xff, 0xff),
  // Never used (0xc1), and strings that are not UTF-8 or end inside a character.
  (random) =>
    random.pick([[0xc1], [0xa2, 0xc3, 0x28], [0xa1, 0xf0], [0xa3, 0xed, 0xa0, 0x80]].map(
      (bytes) => new Uint8Array(bytes),
    )),
];

/** Arrays in arrays, most often a few, sometimes more than a stack holds. */
function nested(random: Random): Uint8Array {
  const depth = random.chance(0.1) ? NESTING_DEPTH : random.between(1, 20);
  return concatBytes(new Uint8Array(depth).fill(0x91), encoder.encode(null));
}

function extension(random: Random): Uint8Array {
  const type = random.pick([0xff, 0x00, 0x7f]);
  const length = random.pick([0, 1, 4, 8, 12]);
  return concatBytes(Uint8Array.of(0xc7, length, type), random.bytes(length));
}

/** A number in one of the widths that hold it. */
export function encodeNumber(value: number, random: Random): Uint8Array {
  if (!Number.isSafeInteger(value) || Object.is(value, -0) || random.chance(0.1)) {
    return withHead(0xcb, 8, (view) => view.setFloat64(0, value));
  }
  if (random.chance(0.5)) return encoder.encode(value);
  if (value < 0) return withHead(0xd3, 8, (view) => view.setBigInt64(0, BigInt(value)));
  return value < 2 ** 32 && random.chance(0.5)
    ? withHead(0xce, 4, (view) => view.setUint32(0, value))
    : withHead(0xcf, 8, (view) => view.setBigUint64(0, BigInt(value)));
}

function encodeText(text: string, random: Random): Uint8Array {
  const bytes = encodeUtf8(text);
  if (random.chance(0.5)) return encoder.encode(text);
  return concatBytes(withHead(0xdb, 4, (view) => view.setUint32(0, bytes.length)), bytes);
}

function encodeBinary(bytes: Uint8Array, random: Random): Uint8Array {
  if (random.chance(0.5)) return encoder.encode(bytes);
  return concatBytes(withHead(0xc6, 4, (view) => view.setUint32(0, bytes.length)), bytes);
}

function withHead(head: number, bytes: number, write: (view: DataView) => void): Uint8Array {
  const buffer = new Uint8Array(1 + bytes);
  buffer[0] = head;
  write(new DataView(buffer.buffer, 1));
  return buffer;
}
