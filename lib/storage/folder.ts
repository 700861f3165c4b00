/**
 * The node's data folder.
 *
 * @module
 */

import { dirname, resolve } from "node:path";
import { encodeUtf8 } from "../bytes.ts";
import { EnvironmentError, messageOf } from "../errors.ts";

/** Only the node's user has access, because the folder also holds the key share. */
const FOLDER_MODE = 0o700;

/**
 * Creates the data folder with mode 0700, and the folders above it, durably. An existing folder keeps its
 * mode.
 *
 * @throws {EnvironmentError} when it cannot be created, or is not a folder.
 */
export function createDataFolder(folder: string): void {
  if (isFolder(folder)) return;
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  } catch (cause) {
    throw fileError(`create data folder ${folder}`, {
      path: folder,
      cause,
      whatToDo: "Name another with --data-dir, or give this user the right to write there.",
    });
  }
  syncFolder(dirname(resolve(folder)));
}

/**
 * Makes creations, renames and removals in a folder durable (fsync of the folder itself).
 *
 * @throws {EnvironmentError} when the disk refuses.
 */
export function syncFolder(folder: string): void {
  try {
    using file = Deno.openSync(folder);
    file.syncSync();
  } catch (cause) {
    const whatToDo = "See that the disk works.";
    throw fileError(`sync folder ${folder}`, { path: folder, cause, whatToDo });
  }
}

function isFolder(path: string): boolean {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return false;
    const whatToDo = "Check its permissions, and those of the folders above it.";
    throw fileError(`read data folder ${path}`, { path, cause, whatToDo });
  }
  if (info.isDirectory) return true;
  throw new EnvironmentError(
    `Cannot use ${path} as data folder: it is a file. Name another with --data-dir.`,
  );
}

/**
 * The error for a file or folder that this process cannot use. It says what failed, why, and what to do:
 * `whatToDo`, or, where another user owns it, how to change that.
 */
export function fileError(
  what: string,
  { path, cause, whatToDo }: {
    readonly path: string;
    readonly cause: unknown;
    readonly whatToDo: string;
  },
): EnvironmentError {
  const owner = cause instanceof Deno.errors.PermissionDenied ? describeOtherOwner(path) : null;
  const advice = owner === null ? whatToDo : `${owner}. ${OWNER_ADVICE}`;
  return new EnvironmentError(`Cannot ${what}: ${messageOf(cause)}. ${advice}`, { cause });
}

/** The advice for a file of another user. */
export const OWNER_ADVICE =
  "Run Floe as that user, or give what is in the folder to the user that " +
  "runs Floe (chown -R).";

/** The owner of the file or folder to which access was denied; null where the owner is not the reason. */
function describeOtherOwner(path: string): string | null {
  const info = tryStat(path);
  const owner = describeFileOwner(path);
  if (owner !== null) return owner;
  const folder = info?.isDirectory ? path : dirname(path);
  return describeOwner(folder, tryStat(folder));
}

/**
 * The owner of a file that its owner may read and write, and this process may not; null in any other
 * case.
 */
export function describeFileOwner(path: string): string | null {
  const info = tryStat(path);
  return info?.isFile && isDenied(path) ? describeOwner(path, info) : null;
}

/** Access that the owner has and this process lacks means that another user owns the file. */
function describeOwner(path: string, info: Deno.FileInfo | null): string | null {
  if (info === null || info.uid === null || info.mode === null) return null;
  const needed = info.isDirectory ? 0o700 : 0o600;
  if ((info.mode & needed) !== needed) return null;
  return `${path} belongs to another user (uid ${info.uid})`;
}

function isDenied(path: string): boolean {
  try {
    Deno.openSync(path, { read: true, write: true }).close();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.PermissionDenied;
  }
}

function tryStat(path: string): Deno.FileInfo | null {
  try {
    return Deno.statSync(path);
  } catch {
    return null;
  }
}

/** Reads from the file's position until `bytes` is full or the file ends. @returns the number of bytes read. */
export function readFully(file: Deno.FsFile, bytes: Uint8Array): number {
  let length = 0;
  while (length < bytes.length) {
    const count = file.readSync(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return length;
}

/** Writes all of `bytes` at the file's position. @throws the system's error when it cannot. */
export function writeFully(file: Deno.FsFile, bytes: Uint8Array): void {
  let length = 0;
  while (length < bytes.length) length += file.writeSync(bytes.subarray(length));
}

/** Removes a file if it exists. @throws the system's error when it cannot. */
export function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * The guard of one database, held while the database is open.
 *
 * It is a file, locked with `flock`; the system releases the lock when the process ends. The file is empty
 * until the database is complete and durable, and never empty afterwards. So a guard with text and no
 * database means that the database was lost.
 */
export class Guard {
  readonly #path: string;
  readonly #file: Deno.FsFile;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Locks the guard at `path`, and creates it when missing.
   *
   * @throws {EnvironmentError} when another process, or another store in this one, holds it.
   */
  static take(path: string): Guard {
    const file = openGuard(path);
    if (file.tryLockSync(true)) return new Guard(path, file);
    file.close();
    throw new EnvironmentError(
      `Cannot use data folder ${dirname(path)}: another process is using it (it holds ${path}). ` +
        `Stop that node first, or name another folder with --data-dir.`,
    );
  }

  /** Whether the database was completed once. */
  get databaseWasMade(): boolean {
    return this.#file.statSync().size > 0;
  }

  /**
   * Records permanently that the database is complete, with a text for people who open the file.
   *
   * @throws {EnvironmentError} when the disk refuses.
   */
  markDatabaseMade(text: string): void {
    try {
      this.#file.writeSync(encodeUtf8(text));
      this.#file.syncSync();
    } catch (cause) {
      throw new EnvironmentError(`Cannot write ${this.#path}: ${messageOf(cause)}`, { cause });
    }
    syncFolder(dirname(this.#path));
  }

  /** Releases the lock. */
  release(): void {
    this.#file.close();
  }
}

function openGuard(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (cause) {
    const whatToDo = "The data folder must exist and be writable.";
    throw fileError(`open ${path}`, { path, cause, whatToDo });
  }
}
