/**
 * Values at the edges of what code expects.
 *
 * @module
 */

import type { Random } from "../simulator/random.ts";

/** Numbers where types, widths and precision end. */
const EDGE_NUMBERS: readonly number[] = [
  0,
  1,
  2,
  3,
  -1,
  -0,
  0.5,
  NaN,
  Infinity,
  -Infinity,
  127,
  128,
  255,
  256,
  1023,
  1024,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 2,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 63,
  2 ** 64,
  -(2 ** 31),
  -(2 ** 53),
  Number.MIN_VALUE,
  Number.MAX_VALUE,
];

/** Texts that names, paths, JSON and terminals stumble over. */
export const EDGE_TEXTS: readonly string[] = [
  "",
  " ",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "\0",
  "\n",
  "\r\n",
  "\ud800",
  "\udc00",
  "\ud83d\ude00",
  "\ufeff",
  "\u2014",
  "\u2028",
  "\u202e",
  "\x1b[2J",
  "..",
  "/",
  "%00",
  "%",
  "'",
  '"',
  "-0",
  "1e999",
  "00",
  "null",
  "NaN",
  "9007199254740993",
  "x".repeat(64),
  "x".repeat(65),
  "x".repeat(5000),
  "\u00e9".repeat(600),
];

/** A number, most often at an edge. */
export function drawNumber(random: Random): number {
  if (random.chance(0.7)) return random.pick(EDGE_NUMBERS);
  return Math.floor(random.fraction() * 2 ** random.below(60));
}

/** A whole number that every count of Floe's takes. */
export function drawCount(random: Random): number {
  return random.chance(0.1)
    ? Number.MAX_SAFE_INTEGER - random.below(3)
    : Math.floor(random.fraction() * 2 ** random.below(random.chance(0.8) ? 6 : 50));
}

/** A text, most often at an edge. */
export function drawText(random: Random): string {
  if (random.chance(0.8)) return random.pick(EDGE_TEXTS);
  const units = Array.from({ length: random.below(40) }, () => random.below(0x10000));
  return String.fromCharCode(...units);
}
