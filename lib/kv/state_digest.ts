/**
 * One hash for the whole state, so that two nodes' states can be compared.
 *
 * @module
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { encodeUtf8 } from "../bytes.ts";
import type { KeyValue } from "./command.ts";
import type { KeyValueStore } from "./store.ts";

/**
 * The SHA-256 of everything in a store: 32 bytes, equal on all nodes at equal applied index.
 *
 * It covers the applied index and then each row in the order of the keys: lengths of key and value,
 * createRevision, modRevision and version as 8-byte big-endian numbers, key in UTF-8, value. Reads
 * the whole store: for tests, simulation and audits, not for the path of a write.
 */
export function digestState(store: KeyValueStore): Uint8Array {
  const hash = sha256.create().update(encodeNumbers([store.appliedIndex]));
  for (const row of store.rows()) updateWithRow(hash, row);
  return hash.digest();
}

function updateWithRow(hash: ReturnType<typeof sha256.create>, row: KeyValue): void {
  const key = encodeUtf8(row.key);
  const { value, createRevision, modRevision, version } = row;
  hash.update(
    encodeNumbers([key.length, value.length, createRevision, modRevision, version]),
  );
  hash.update(key).update(value);
}

function encodeNumbers(numbers: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * numbers.length));
  numbers.forEach((number, position) => view.setBigUint64(8 * position, BigInt(number)));
  return new Uint8Array(view.buffer);
}
