/**
 * Changes bytes that were right until now.
 *
 * @module
 */

import { concatBytes } from "../../lib/bytes.ts";
import type { Random } from "../simulator/random.ts";

/** Bytes that formats give a meaning: ends of ranges, heads of MessagePack, quotes, line ends. */
const EDGE_BYTES = [
  0x00,
  0x01,
  0x7f,
  0x80,
  0x90,
  0x91,
  0xa0,
  0xbf,
  0xc0,
  0xc1,
  0xc6,
  0xca,
  0xcb,
  0xcf,
  0xd3,
  0xd6,
  0xdb,
  0xdd,
  0xdf,
  0xe0,
  0xed,
  0xff,
  0x0a,
  0x0d,
  0x22,
  0x2d,
  0x30,
  0x5b,
  0x5c,
  0x7b,
];
const CHANGES_MAX = 4;
const INSERTED_BYTES_MAX = 300;

type Change = (bytes: Uint8Array, random: Random) => Uint8Array;

const CHANGES: readonly Change[] = [
  flipBit,
  setByte,
  truncate,
  cutOut,
  insert,
  repeat,
  swap,
  setLength,
];

/** Bytes with a few changes. */
export function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  let changed = bytes.slice();
  for (let changes = random.between(1, CHANGES_MAX); changes > 0; changes--) {
    changed = random.pick(CHANGES)(changed, random) as typeof changed;
  }
  return changed;
}

/** The beginning of one and the end of the other. */
export function splice(left: Uint8Array, right: Uint8Array, random: Random): Uint8Array {
  return concatBytes(
    left.subarray(0, random.between(0, left.length)),
    right.subarray(random.between(0, right.length)),
  );
}

function flipBit(bytes: Uint8Array, random: Random): Uint8Array {
  if (bytes.length === 0) return bytes;
  const at = random.below(bytes.length);
  return bytes.with(at, (bytes[at] ?? 0) ^ (1 << random.below(8)));
}

function setByte(bytes: Uint8Array, random: Random): Uint8Array {
  return bytes.length === 0
    ? bytes
    : bytes.with(random.below(bytes.length), random.pick(EDGE_BYTES));
}

function truncate(bytes: Uint8Array, random: Random): Uint8Array {
  return bytes.slice(0, random.between(0, bytes.length));
}

function cutOut(bytes: Uint8Array, random: Random): Uint8Array {
  const { from, to } = drawRange(bytes, random);
  return concatBytes(bytes.subarray(0, from), bytes.subarray(to));
}

function insert(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.between(0, bytes.length);
  const length = random.between(1, random.chance(0.9) ? 8 : INSERTED_BYTES_MAX);
  const inserted = random.chance(0.5)
    ? random.bytes(length)
    : new Uint8Array(length).fill(random.pick(EDGE_BYTES));
  return concatBytes(bytes.subarray(0, at), inserted, bytes.subarray(at));
}

function repeat(bytes: Uint8Array, random: Random): Uint8Array {
  const { from, to } = drawRange(bytes, random);
  return concatBytes(bytes.subarray(0, to), bytes.subarray(from, to), bytes.subarray(to));
}

function swap(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.between(0, bytes.length);
  return concatBytes(bytes.subarray(at), bytes.subarray(0, at));
}

/** Four bytes, as most lengths have, of a length that is not there. */
function setLength(bytes: Uint8Array, random: Random): Uint8Array {
  if (bytes.length < 4) return bytes;
  const changed = bytes.slice();
  const length = random.pick([0, 1, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]);
  new DataView(changed.buffer).setUint32(random.below(changed.length - 3), length);
  return changed;
}

function drawRange(bytes: Uint8Array, random: Random): { from: number; to: number } {
  const from = random.between(0, bytes.length);
  return { from, to: Math.min(bytes.length, from + random.between(1, 16)) };
}
