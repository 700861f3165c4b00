/**
 * The error for data on disk that can no longer be trusted.
 *
 * @module
 */

import { EnvironmentError, messageOf } from "../errors.ts";
import { describeFileOwner, OWNER_ADVICE } from "./folder.ts";

/** The advice for a damaged or missing log. */
export const RAFT_WAY_BACK: string =
  "This node may have voted and acknowledged entries that its disk no " +
  "longer shows, so it must not run on this data, on an older copy of it, or on an empty folder " +
  "with its old key share. Keep the folder for inspection. The other nodes go on without it, as " +
  "long as enough of them can sign. A share cannot be made again: this node takes part again once " +
  "the whole cluster has a new key, which all nodes make that are started with folders that hold " +
  "nothing but their identity.json. What the cluster stores is then gone.";

/** The advice for a damaged, missing or outdated `kv.db`. */
export const KEY_VALUE_WAY_BACK: string =
  "kv.db holds nothing that the cluster does not also hold. Keep " +
  "a copy, then move every file of this folder whose name begins with kv.db out of it and start " +
  "the node again: it rebuilds kv.db from its own log or, where that no longer reaches back, from " +
  "a snapshot that the leader sends. Do so on one node at a time.";

/** The advice for a data folder in the format of another version. Nothing in it was changed. */
export const OTHER_FORMAT_WAY_ON: string =
  "Nothing in the folder was changed. Go on with the version of Floe that wrote it; or move the data: " +
  "start the cluster with that version and run its `floe export > kv.jsonl`; then start a new cluster " +
  "with this version, in new and empty data folders, and run `floe import kv.jsonl`. If that version has " +
  "no `floe export`, read each key there with `floe get` and write it here with `floe put`. Leases, " +
  "tokens and history do not move.";

/**
 * Data on disk is damaged or missing. Floe never repairs it: a store that lost data looks like a store that
 * never had them, and a node that forgets a vote can vote twice.
 */
export class CorruptionError extends EnvironmentError {
  /** Distinguishes this error in logs and in `catch` clauses. */
  override readonly name = "CorruptionError";
  /** Path of the damaged file. */
  readonly file: string;
  /** What is wrong with it, in words. */
  readonly damage: string;

  /** The message says which file, what is broken and the way back. */
  constructor(
    { file, damage, wayBack, cause }: {
      readonly file: string;
      readonly damage: string;
      readonly wayBack: string;
      readonly cause?: unknown;
    },
  ) {
    super(`Cannot trust ${file}: ${damage}. ${wayBack}`, { cause });
    this.file = file;
    this.damage = damage;
  }
}

const SQLITE_ERROR = 1;
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_TOOBIG = 18;
const SQLITE_NOTADB = 26;

/** Whether SQLite itself threw `error`. */
export function isSqliteError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR";
}

/** Translates an error of SQLite for the operator. */
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
    // The statements are constant. If one does not fit, a table was changed.
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
    default: {
      // SQLite reports every such file as a disk failure.
      const owner = describeFileOwner(path);
      if (owner !== null) {
        const message = `Cannot use ${path}: ${reason}. ${owner}. ${OWNER_ADVICE}`;
        return new EnvironmentError(message, { cause });
      }
      return new EnvironmentError(
        `Cannot ${what} in ${path}: ${reason}. The node must stop: what has reached the disk is ` +
          `unknown. See that the disk works and has free space, then start the node again.`,
        { cause },
      );
    }
  }
}

/** Whether `node:sqlite` read a number that JavaScript cannot hold. */
function isOutOfRange(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_OUT_OF_RANGE";
}

/** SQLite's result code without the detail of its upper bits; null for any other error. */
function primaryCode(error: unknown): number | null {
  if (!(error instanceof Error && "errcode" in error)) return null;
  return typeof error.errcode === "number" ? error.errcode & 0xff : null;
}
