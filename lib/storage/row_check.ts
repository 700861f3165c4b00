/**
 * Reading all of a key-value database to see whether it is what was written.
 *
 * @module
 */

import type { SqliteKeyValueStore } from "./key_value_store.ts";

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
