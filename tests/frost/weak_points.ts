/**
 * Encodings that are no elements of the prime-order group, each for a reason of its own.
 *
 * @module
 */

import { ed25519, ED25519_TORSION_SUBGROUP } from "@noble/curves/ed25519.js";
import { concatBytes, decodeHex } from "../../lib/bytes.ts";
import type { FrostRefusal } from "../../lib/frost/error.ts";

const { Point } = ed25519;

/** The seven points whose order is 2, 4 or 8. */
export const SMALL_ORDER_POINTS: readonly Uint8Array[] = ED25519_TORSION_SUBGROUP
  .map((hex) => Point.fromHex(hex)).filter((point) => !point.is0()).map((point) => point.toBytes());

/** A good element plus each of the small-order points. */
export const MIXED_ORDER_POINTS: readonly Uint8Array[] = SMALL_ORDER_POINTS
  .map((bytes) => Point.BASE.multiply(123456789n).add(Point.fromBytes(bytes)).toBytes());

/** A good element. */
export const GOOD_POINT: Uint8Array = Point.BASE.multiply(123456789n).toBytes();

/** One encoding for each way to be refused. */
export const BAD_ENCODINGS: readonly (readonly [string, FrostRefusal, Uint8Array])[] = [
  ["the identity", "identity-element", Point.ZERO.toBytes()],
  ["a point of small order", "not-prime-order", SMALL_ORDER_POINTS[0] ?? new Uint8Array()],
  ["a point of mixed order", "not-prime-order", MIXED_ORDER_POINTS[0] ?? new Uint8Array()],
  // y = p + 1 reads as y = 1 wherever reduction is not checked.
  ["y above the field", "malformed-element", decodeHex(`ee${"ff".repeat(30)}7f`)],
  // x = 0 has no negative.
  ["the identity with the sign of x set", "malformed-element", decodeHex(`01${"00".repeat(30)}80`)],
  ["y of no curve point", "malformed-element", decodeHex("02".padEnd(64, "0"))],
  ["31 bytes", "malformed-element", GOOD_POINT.slice(0, 31)],
  ["33 bytes", "malformed-element", concatBytes(GOOD_POINT, Uint8Array.of(0))],
  ["no bytes", "malformed-element", new Uint8Array()],
];
