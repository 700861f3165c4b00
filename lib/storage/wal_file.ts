/**
 * A look at SQLite's write-ahead log before SQLite sees it.
 *
 * SQLite reads its log up to the first frame whose checksum is wrong and takes that for the end: it
 * cannot tell a write that a power failure cut short, which nobody was promised, from damage to
 * one that was durable. With one fsync for each transaction there is a difference that can be seen: a
 * transaction is only begun when the one before it is durable. So a wrong frame with a later
 * *transaction* behind it is damage. (In the very last transaction, and when the end of the file is
 * cut off, the two look alike; `mod.ts` says what remains.)
 *
 * The format is at https://sqlite.org/fileformat2.html#the_write_ahead_log.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import { assert } from "../assert.ts";
import { EnvironmentError } from "../errors.ts";
import { readFully } from "./folder.ts";

/** What a write-ahead log looks like from outside. */
export type WalFinding =
  /** There is none, or none that SQLite would read anything from. */
  | { readonly kind: "unusable" }
  /** Every frame up to the end, or up to a last transaction that was cut short, is right. */
  | { readonly kind: "intact" }
  /** The frame with this number, counted from 1, is wrong, and durable transactions follow it. */
  | { readonly kind: "broken"; readonly frame: number };

/** Size of a page of any of Floe's databases: SQLite's default. */
export const PAGE_BYTES = 4096;

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
/** The magic number's last bit says in which byte order the checksums read the file. */
const MAGIC = 0x377f0682;

/** Running checksum: two 32-bit words. */
type Checksum = readonly [number, number];

/** Examines the write-ahead log at `path`. @throws whatever reading the file throws. */
export function inspectWalFile(path: string): WalFinding {
  const bytes = readIfThere(path);
  const wal = bytes === null ? null : parseHeader(bytes);
  if (wal === null || wal.frameCount === 0) return { kind: "unusable" };
  const wrong = findWrongFrame(wal);
  if (wrong === null) return { kind: "intact" };
  const end = findNext(wal, wrong, ({ isCommit }) => isCommit);
  const later = end === null ? null : findNext(wal, end + 1, () => true);
  return later === null ? { kind: "intact" } : { kind: "broken", frame: wrong + 1 };
}

/**
 * The numbers, from 1, of the pages that the first `frameCount` frames of the log at `path` change.
 *
 * @throws whatever reading the file throws.
 */
export function listWalPages(path: string, frameCount: number): ReadonlySet<number> {
  using file = Deno.openSync(path);
  const view = new DataView(new ArrayBuffer(4));
  const number = new Uint8Array(view.buffer);
  const pages = new Set<number>();
  for (let frame = 0; frame < frameCount; frame++) {
    // Only the numbers: to read all of the log takes several times as long.
    file.seekSync(HEADER_BYTES + frame * (FRAME_HEADER_BYTES + PAGE_BYTES), Deno.SeekMode.Start);
    assert(readFully(file, number) === 4, `${path} has less than ${frameCount} frames`);
    pages.add(view.getUint32(0));
  }
  return pages;
}

interface Wal {
  readonly view: DataView;
  readonly pageBytes: number;
  readonly frameCount: number;
  readonly littleEndian: boolean;
  readonly salts: Checksum;
  readonly headerChecksum: Checksum;
}

interface Frame {
  readonly offset: number;
  /** Whether the frame belongs to the log's present round and not to an overwritten older one. */
  readonly isCurrent: boolean;
  /** Whether it ends a transaction. */
  readonly isCommit: boolean;
  readonly checksum: Checksum;
}

function readIfThere(path: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function parseHeader(bytes: Uint8Array<ArrayBuffer>): Wal | null {
  if (bytes.length < HEADER_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const magic = view.getUint32(0);
  if (magic !== MAGIC && magic !== MAGIC + 1) return null;
  const littleEndian = magic === MAGIC;
  const headerChecksum = readPair(view, 24);
  const expected = addChecksum(view, { start: 0, end: 24, littleEndian, from: [0, 0] });
  if (!isEqual(headerChecksum, expected)) return null;
  const pageBytes = view.getUint32(8);
  const frameCount = Math.floor((bytes.length - HEADER_BYTES) / (FRAME_HEADER_BYTES + pageBytes));
  return { view, pageBytes, frameCount, littleEndian, salts: readPair(view, 16), headerChecksum };
}

/** Number from 0 of the first frame that SQLite would not accept; null when it accepts them all. */
function findWrongFrame(wal: Wal): number | null {
  const { view, littleEndian, pageBytes } = wal;
  let from = wal.headerChecksum;
  for (let number = 0; number < wal.frameCount; number++) {
    const frame = readFrame(wal, number);
    if (!frame.isCurrent) return number;
    const data = frame.offset + FRAME_HEADER_BYTES;
    from = addChecksum(view, { start: frame.offset, end: frame.offset + 8, littleEndian, from });
    from = addChecksum(view, { start: data, end: data + pageBytes, littleEndian, from });
    if (!isEqual(from, frame.checksum)) return number;
  }
  return null;
}

function findNext(wal: Wal, first: number, matches: (frame: Frame) => boolean): number | null {
  for (let number = first; number < wal.frameCount; number++) {
    const frame = readFrame(wal, number);
    if (frame.isCurrent && matches(frame)) return number;
  }
  return null;
}

function readFrame({ view, pageBytes, salts }: Wal, number: number): Frame {
  const offset = HEADER_BYTES + number * (FRAME_HEADER_BYTES + pageBytes);
  return {
    offset,
    isCurrent: isEqual(readPair(view, offset + 8), salts),
    isCommit: view.getUint32(offset + 4) !== 0,
    checksum: readPair(view, offset + 16),
  };
}

function addChecksum(
  view: DataView,
  { start, end, littleEndian, from }: {
    readonly start: number;
    readonly end: number;
    readonly littleEndian: boolean;
    readonly from: Checksum;
  },
): Checksum {
  let [first, second] = from;
  for (let offset = start; offset < end; offset += 8) {
    first = (first + view.getUint32(offset, littleEndian) + second) >>> 0;
    second = (second + view.getUint32(offset + 4, littleEndian) + first) >>> 0;
  }
  return [first, second];
}

function readPair(view: DataView, offset: number): Checksum {
  return [view.getUint32(offset), view.getUint32(offset + 4)];
}

function isEqual(left: Checksum, right: Checksum): boolean {
  return left[0] === right[0] && left[1] === right[1];
}

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
