/**
 * What SQLite throws, and what it means to an operator.
 *
 * @module
 */

import { EnvironmentError, messageOf } from "../errors.ts";
import { CorruptionError } from "./corruption_error.ts";

const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_TOOBIG = 18;
const SQLITE_NOTADB = 26;

/** Whether SQLite itself threw `error`. */
export function isSqliteError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR";
}

/** What an error of SQLite's means to an operator. */
export function toStorageError(
  cause: unknown,
  { path, what, wayBack }: {
    readonly path: string;
    readonly what: string;
    readonly wayBack: string;
  },
): EnvironmentError {
  const reason = messageOf(cause);
  // Floe writes no number that JavaScript cannot hold.
  if (isOutOfRange(cause)) {
    return new CorruptionError({ file: path, damage: reason, wayBack, cause });
  }
  switch (primaryCode(cause)) {
    // The statements are constant, so one that does not fit means that a table is not as it was.
    case SQLITE_ERROR:
    case SQLITE_CORRUPT:
    case SQLITE_TOOBIG:
    case SQLITE_NOTADB:
      return new CorruptionError({ file: path, damage: reason, wayBack, cause });
    case SQLITE_BUSY:
      return new EnvironmentError(
        `Cannot use ${path}: another program has it open. Close that program, then start again.`,
        { cause },
      );
    default:
      return new EnvironmentError(
        `Cannot ${what} in ${path}: ${reason}. The node must stop: what has reached the disk is ` +
          `unknown. See that the disk works and has free space, then start the node again.`,
        { cause },
      );
  }
}

/** Whether `node:sqlite` could not make a number of what it read. */
function isOutOfRange(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_OUT_OF_RANGE";
}

/** SQLite's result code without the detail of its upper bits; null for any other error. */
function primaryCode(error: unknown): number | null {
  if (!(error instanceof Error && "errcode" in error)) return null;
  return typeof error.errcode === "number" ? error.errcode & 0xff : null;
}
