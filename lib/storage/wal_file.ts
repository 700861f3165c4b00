/**
 * A look at SQLite's write-ahead log before SQLite sees it.
 *
 * SQLite reads its log up to the first frame whose checksum is wrong and takes that for the end. That
 * is right here: a power failure leaves a commit that was not yet synced in pieces. But of a log that is
 * gone, or whose head is damaged, it reads nothing and says nothing.
 *
 * The format is at https://sqlite.org/fileformat2.html#the_write_ahead_log.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import { EnvironmentError } from "../errors.ts";
import { readFully } from "./folder.ts";

/** Size of a page of any of Floe's databases: SQLite's default. */
const PAGE_BYTES = 4096;

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
/** The magic number's last bit says in which byte order the checksums read the file. */
const MAGIC = 0x377f0682;

/** Running checksum: two 32-bit words. */
type Checksum = readonly [number, number];

/**
 * Whether the write-ahead log at `path` is there, with a head as it was written and at least one page: if
 * not, SQLite reads nothing from it. @throws whatever reading the file throws.
 */
export function isWalUsable(path: string): boolean {
  const head = readIfThere(path, HEADER_BYTES + FRAME_HEADER_BYTES + PAGE_BYTES);
  if (head === null) return false;
  const view = new DataView(head.buffer);
  const magic = view.getUint32(0);
  if (magic !== MAGIC && magic !== MAGIC + 1) return false;
  const [first, second] = checksum(view, { end: 24, littleEndian: magic === MAGIC });
  return view.getUint32(24) === first && view.getUint32(28) === second;
}

/** The first bytes of a file; null when it has fewer, or is not there. */
function readIfThere(path: string, length: number): Uint8Array<ArrayBuffer> | null {
  try {
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(length);
    return readFully(file, bytes) === length ? bytes : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function checksum(
  view: DataView,
  { end, littleEndian }: { readonly end: number; readonly littleEndian: boolean },
): Checksum {
  let [first, second] = [0, 0];
  for (let offset = 0; offset < end; offset += 8) {
    first = (first + view.getUint32(offset, littleEndian) + second) >>> 0;
    second = (second + view.getUint32(offset + 4, littleEndian) + first) >>> 0;
  }
  return [first, second];
}

/** Makes the table that holds the answer, among other things. */
export const META_SCHEMA: string =
  "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT; " +
  "INSERT INTO meta (name, value) VALUES ('whole', 'yes');";

/**
 * Moves the whole log into the database file, durably; the next transaction begins the log anew. Between the
 * second step and the third the file alone says it is not whole, while the log is still there.
 *
 * @throws {EnvironmentError} when something keeps SQLite from moving everything.
 */
export function checkpoint(connection: DatabaseSync): void {
  runAll(connection, ["UPDATE meta SET value = 'no' WHERE name = 'whole'"]);
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
