/**
 * Small files of a node: written and removed durably, with errors that say what to do.
 *
 * @module
 */

import { basename, dirname } from "node:path";
import { encodeUtf8 } from "../bytes.ts";
import { EnvironmentError } from "../errors.ts";
import { fileError, removeIfThere, syncFolder, writeFully } from "../storage/mod.ts";

/** A file to write, and its permissions. */
export interface AtomicFile {
  /** The file's path; its folder must exist. */
  readonly path: string;
  /** The file's text. */
  readonly text: string;
  /** The file's permissions, such as `0o600`. They hold from the first byte written. */
  readonly mode: number;
}

/**
 * Writes a file durably: under another name, synced, renamed, and the folder synced. An earlier file of the name
 * is replaced.
 *
 * @throws {EnvironmentError} when the folder or the disk refuses.
 */
export function writeFileAtomically({ path, text, mode }: AtomicFile): void {
  const temporary = `${path}.${Deno.pid}.tmp`;
  try {
    writeSynced({ path: temporary, text, mode });
    Deno.renameSync(temporary, path);
    // A rename is durable only once the folder that holds both names is.
    syncFolder(dirname(path));
  } catch (cause) {
    removeIfThere(temporary);
    const whatToDo = "Check the folder's permissions and the space on its disk.";
    throw fileError(`write ${path}`, { path, cause, whatToDo });
  }
}

/**
 * Removes what an interrupted {@linkcode writeFileAtomically} left behind, so that no earlier content of the file
 * stays. No other process may be writing the file.
 *
 * @throws {EnvironmentError} when the folder refuses.
 */
export function removeLeftovers(path: string): void {
  const [folder, name] = [dirname(path), basename(path)];
  try {
    for (const entry of Deno.readDirSync(folder)) {
      const isLeftover = entry.name.startsWith(`${name}.`) &&
        /^[0-9]+\.tmp$/.test(entry.name.slice(name.length + 1));
      if (isLeftover) Deno.removeSync(`${folder}/${entry.name}`);
    }
    syncFolder(folder);
  } catch (cause) {
    throw fileError(`tidy up beside ${path}`, { path, cause, whatToDo: CHECK_FOLDER });
  }
}

const CHECK_FOLDER = "Check the folder's permissions.";

function writeSynced({ path, text, mode }: AtomicFile): void {
  removeIfThere(path);
  using file = Deno.openSync(path, { write: true, createNew: true, mode });
  const bytes = encodeUtf8(text);
  try {
    writeFully(file, bytes);
    file.syncSync();
  } finally {
    // The text may be a secret that is not encrypted.
    bytes.fill(0);
  }
}

/** Removes a file durably, if it is there. @throws {EnvironmentError} when the disk refuses. */
export function removeFile(path: string): void {
  try {
    removeIfThere(path);
    syncFolder(dirname(path));
  } catch (cause) {
    throw fileError(`remove ${path}`, { path, cause, whatToDo: CHECK_FOLDER });
  }
}

/**
 * The file or folder at a path, after symbolic links are followed; null if there is none.
 *
 * @throws {EnvironmentError} when the system does not tell.
 */
export function statFile(path: string): Deno.FileInfo | null {
  return lookAt(path, Deno.statSync);
}

/** As {@linkcode statFile}, but of a symbolic link the link itself. */
export function lstatFile(path: string): Deno.FileInfo | null {
  return lookAt(path, Deno.lstatSync);
}

function lookAt(path: string, stat: (path: string) => Deno.FileInfo): Deno.FileInfo | null {
  try {
    return stat(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory) {
      return null;
    }
    const whatToDo = "Check the permissions of its folder.";
    throw fileError(`look at ${path}`, { path, cause, whatToDo });
  }
}

/**
 * The permissions, in octal, of a file or folder that other users can use; null when only its owner can,
 * and on a system without such permissions.
 */
export function othersMode({ mode }: Deno.FileInfo): string | null {
  if (mode === null || (mode & 0o077) === 0) return null;
  return (mode & 0o777).toString(8);
}

/** The error for a file that is there and cannot be read. */
export function unreadable(path: string, cause: unknown): EnvironmentError {
  return fileError(`read ${path}`, { path, cause, whatToDo: "Check its permissions." });
}

/**
 * Locks a node's folder for this process. The lock is on the folder itself, so it leaves no file behind
 * and ends with the process. A folder that does not exist is not locked.
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
    throw fileError(`open ${path}`, { path, cause, whatToDo: "Check its permissions." });
  }
}
