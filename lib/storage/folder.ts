/**
 * The node's data folder.
 *
 * @module
 */

import { dirname, resolve } from "node:path";
import { EnvironmentError, messageOf } from "../errors.ts";

/** Only the node's own user: the folder also holds its key share. */
const FOLDER_MODE = 0o700;

/**
 * Creates the data folder with mode 0700, and the folders above it, unless it is there. Durable
 * when it returns. A folder that is there keeps its mode.
 *
 * @throws {EnvironmentError} when it cannot be created, or is something else than a folder.
 */
export function createDataFolder(folder: string): void {
  if (isFolder(folder)) return;
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  } catch (cause) {
    throw new EnvironmentError(
      `Cannot create data folder ${folder}: ${
        messageOf(cause)
      }. Name another with --data-dir, or ` +
        `give this user the right to write there.`,
      { cause },
    );
  }
  syncFolder(dirname(resolve(folder)));
}

/**
 * Makes what was created, renamed or removed in a folder durable (fsync of the folder itself).
 *
 * @throws {EnvironmentError} when the disk refuses.
 */
export function syncFolder(folder: string): void {
  try {
    using file = Deno.openSync(folder);
    file.syncSync();
  } catch (cause) {
    throw new EnvironmentError(`Cannot sync folder ${folder}: ${messageOf(cause)}`, { cause });
  }
}

function isFolder(path: string): boolean {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return false;
    throw new EnvironmentError(`Cannot read data folder ${path}: ${messageOf(cause)}`, { cause });
  }
  if (info.isDirectory) return true;
  throw new EnvironmentError(
    `Cannot use ${path} as data folder: it is a file. Name another with --data-dir.`,
  );
}
