/**
 * Moving the write-ahead log into the database file, so that the file says whether it is whole.
 *
 * SQLite deletes the log when it closes a database, which it also does when a process ends by itself
 * without closing it. So a missing log is nothing wrong, unless someone else deleted it. The file
 * tells the two apart: **without its log it says that the log is missing, with the log it says that
 * all is there.** SQLite's closing moves the second answer into the file before it deletes the log.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import { EnvironmentError } from "../errors.ts";

/** Makes the table that holds the answer, among other things. */
export const META_SCHEMA: string =
  "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT; " +
  "INSERT INTO meta (name, value) VALUES ('whole', 'yes');";

/**
 * Moves the whole log into the database file, durably; the next transaction begins the log anew.
 * Between the second step and the third the file alone says it is not whole, while the log is
 * still there.
 *
 * @param beforeMove is called when the log is as it will be moved, and the file still as it was.
 * @throws {EnvironmentError} when something keeps SQLite from moving all of it.
 */
export function checkpoint(connection: DatabaseSync, beforeMove: () => void = () => {}): void {
  runAll(connection, ["UPDATE meta SET value = 'no' WHERE name = 'whole'"]);
  beforeMove();
  const moved = connection.prepare("PRAGMA wal_checkpoint(PASSIVE)").get();
  if (moved?.["busy"] !== 0 || moved["log"] !== moved["checkpointed"]) {
    throw new EnvironmentError(
      `only ${moved?.["checkpointed"]} of ${moved?.["log"]} pages of the write-ahead log moved`,
    );
  }
  runAll(connection, ["UPDATE meta SET value = 'yes' WHERE name = 'whole'"]);
}

/** Whether nothing is missing from the database, as it is being read. */
export function isWhole(connection: DatabaseSync): boolean {
  return readMeta(connection, "whole") === "yes";
}

/** One value of the table `meta`, or null. */
export function readMeta(connection: DatabaseSync, name: string): string | null {
  const value = connection.prepare("SELECT value FROM meta WHERE name = ?").get(name)?.["value"];
  return typeof value === "string" ? value : null;
}

/** Runs statements one by one: the errors of `exec` lack SQLite's result code. */
export function runAll(connection: DatabaseSync, statements: readonly string[]): void {
  for (const sql of statements) connection.prepare(sql).all();
}
