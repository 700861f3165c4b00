/**
 * A small file beside each database that says two things a database cannot say of itself: that a
 * process is using it, and that it was ever made.
 *
 * @module
 */

import { dirname } from "node:path";
import { encodeUtf8 } from "../bytes.ts";
import { EnvironmentError, messageOf } from "../errors.ts";
import { syncFolder } from "./folder.ts";

/**
 * The guard of one database, held for as long as the database is open.
 *
 * It is locked with `flock`, which the system undoes when the process ends, however it ends. It is
 * empty until the database beside it is complete and durable, and never empty after: a guard with
 * text and no database means that the database was lost, not that there never was one.
 */
export class Guard {
  readonly #path: string;
  readonly #file: Deno.FsFile;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Takes the guard at `path`, which is created when missing.
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

  /** Whether the database was ever completed. */
  get databaseWasMade(): boolean {
    return this.#file.statSync().size > 0;
  }

  /**
   * Notes for good that the database is complete, with a text for whoever looks into the file.
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

  /** Lets go of the database. */
  release(): void {
    this.#file.close();
  }
}

function openGuard(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
  } catch (cause) {
    throw new EnvironmentError(
      `Cannot open ${path}: ${messageOf(cause)}. The data folder must exist and be writable.`,
      { cause },
    );
  }
}
