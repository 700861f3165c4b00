/**
 * Repeatable bytes for tests.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** A source of bytes that gives the same ones for the same seed. Predictable: for tests only. */
export function seededBytes(seed: number): (length: number) => Uint8Array<ArrayBuffer> {
  let block = 0;
  return (length) => {
    const bytes = new Uint8Array(length);
    for (let offset = 0; offset < length; offset += 32) {
      const hashed = createHash("sha256").update(`${seed}/${block++}`).digest();
      bytes.set(hashed.subarray(0, length - offset), offset);
    }
    return bytes;
  };
}
