/**
 * The SHA-256 that each row carries over what it says, so that damage inside a row is seen.
 *
 * Numbers are 8-byte big-endian, texts UTF-8; every part of variable length but the last has its
 * length before it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { equalBytes } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { type KeyValue, type RememberedWrite, type Token, toScopeBits } from "../kv/mod.ts";
import type { LogIndex } from "../types.ts";
import type { Row } from "./database.ts";
import type { SqliteKeyValueStore } from "./key_value_store.ts";

/** Covers all of a row: numbers, length of the key, key, value. 32 bytes. */
export function digestKeyValue(row: KeyValue, key: Uint8Array): Uint8Array {
  const { createRevision, modRevision, version, value } = row;
  return digest(encodeNumbers([createRevision, modRevision, version, key.length]), key, value);
}

/** Covers revision, lengths of idempotency key and result, both, digest of the command. 32 bytes. */
export function digestRememberedWrite(
  write: RememberedWrite,
  { idempotencyKey, result }: { readonly idempotencyKey: Uint8Array; readonly result: Uint8Array },
): Uint8Array {
  const head = encodeNumbers([write.result.revision, idempotencyKey.length, result.length]);
  return digest(head, idempotencyKey, result, write.commandDigest);
}

/** Covers createRevision, scopes, lengths of id, name and prefixes, these, digest of the secret. 32 bytes. */
export function digestToken(
  token: Token,
  { id, name, prefixes }: {
    readonly id: Uint8Array;
    readonly name: Uint8Array;
    readonly prefixes: Uint8Array;
  },
): Uint8Array {
  const { createRevision, scopes, secretDigest } = token;
  const lengths = [id.length, name.length, prefixes.length];
  const head = encodeNumbers([createRevision, toScopeBits(scopes), ...lengths]);
  return digest(head, id, name, prefixes, secretDigest);
}

/** Covers an applied index. 32 bytes. */
export function digestAppliedIndex(appliedIndex: LogIndex): Uint8Array {
  return digest(encodeNumbers([appliedIndex]));
}

/** Compares a row's `sha256` column. @throws {InputError} when it is another than `expected`. */
export function checkDigest(row: Row, expected: Uint8Array): void {
  const stored = row["sha256"];
  if (!(stored instanceof Uint8Array) || !equalBytes(stored, expected)) {
    throw new InputError("its SHA-256 does not match what it says");
  }
}

function digest(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function encodeNumbers(numbers: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * numbers.length));
  numbers.forEach((number, position) => {
    view.setUint32(8 * position, Math.floor(number / 2 ** 32));
    view.setUint32(8 * position + 4, number >>> 0);
  });
  return new Uint8Array(view.buffer);
}

/**
 * Reads every row of every table, each against its SHA-256, and counts them by another way: none is
 * there that is not read.
 *
 * @throws {CorruptionError} at the first damaged row, or when an index does not lead to every row.
 */
export function checkRows(store: SqliteKeyValueStore): void {
  checkTable(store, "kv", store.rows());
  checkTable(store, "remembered", store.remembered.rows());
  checkTable(store, "tokens", store.tokens.rows());
}

/** Rows are read in the order of an index, which could lie; and from where its first one belongs. */
function checkTable(
  { database }: SqliteKeyValueStore,
  table: string,
  rows: Iterable<unknown>,
): void {
  let read = 0;
  for (const _ of rows) read += 1;
  const all = database.prepare(`SELECT count(*) AS count FROM ${table} NOT INDEXED`);
  const count = database.get(all)?.["count"];
  if (count === read) return;
  throw database.corruption(`${table} has ${count} rows, of which ${read} can be read`);
}
