/**
 * One process at a time in a node's folder.
 *
 * @module
 */

import { EnvironmentError, messageOf } from "../errors.ts";
import { statFile } from "./files.ts";

/**
 * Takes a node's folder for this process, with a lock on the folder itself, so that it leaves no file
 * behind and ends with the process, however that ends. Where there is no folder, there is nothing to
 * take.
 *
 * @throws {EnvironmentError} when another process has it, or it cannot be opened.
 */
export function lockDataFolder(dataDir: string): Disposable {
  if (statFile(dataDir) === null) return { [Symbol.dispose]: () => {} };
  const folder = openFolder(dataDir);
  if (folder.tryLockSync(true)) return folder;
  folder.close();
  throw new EnvironmentError(
    `Cannot use data folder ${dataDir}: another process is using it. ` +
      "Stop that node first, or name another folder with --data-dir.",
  );
}

function openFolder(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path);
  } catch (cause) {
    throw new EnvironmentError(
      `Cannot open ${path}: ${messageOf(cause)}. Check its permissions.`,
      { cause },
    );
  }
}
