/**
 * What a node does with small files: durably, or with an error that says what to do.
 *
 * @module
 */

import { basename, dirname } from "node:path";
import { EnvironmentError, messageOf } from "../errors.ts";
import { removeIfThere, syncFolder } from "../storage/mod.ts";

/** What to write, and who may read it. */
export interface AtomicFile {
  /** The file's path; its folder must exist. */
  readonly path: string;
  /** The file's text. */
  readonly text: string;
  /** The file's permissions, such as `0o600`. They hold from the first byte written. */
  readonly mode: number;
}

/**
 * Writes a file durably: under another name, synced, renamed, and the folder synced. An earlier
 * file of the name is replaced.
 *
 * @throws {EnvironmentError} when the disk or the folder does not let it.
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
    throw new EnvironmentError(
      `Cannot write ${path}: ${messageOf(cause)}. ` +
        "Check the folder's permissions and the space on its disk.",
      { cause },
    );
  }
}

/**
 * Removes what {@linkcode writeFileAtomically} left behind where it was cut short, so that no earlier
 * content of the file outlives it. Nobody else may be writing the file.
 *
 * @throws {EnvironmentError} when the folder does not let it.
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
    throw new EnvironmentError(
      `Cannot tidy up beside ${path}: ${messageOf(cause)}. Check the folder's permissions.`,
      { cause },
    );
  }
}

function writeSynced({ path, text, mode }: AtomicFile): void {
  removeIfThere(path);
  using file = Deno.openSync(path, { write: true, createNew: true, mode });
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) {
    written += file.writeSync(bytes.subarray(written));
  }
  file.syncSync();
}

/** Removes a file durably, if it is there. @throws {EnvironmentError} when the disk does not let it. */
export function removeFile(path: string): void {
  try {
    removeIfThere(path);
    syncFolder(dirname(path));
  } catch (cause) {
    throw new EnvironmentError(
      `Cannot remove ${path}: ${messageOf(cause)}. Check the folder's permissions.`,
      { cause },
    );
  }
}

/** What is at a path, or null when there is nothing. @throws {EnvironmentError} when it cannot be told. */
export function statFile(file: string): Deno.FileInfo | null {
  try {
    return Deno.statSync(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return null;
    }
    throw new EnvironmentError(
      `Cannot look at ${file}: ${messageOf(error)}. ` +
        "Check the permissions of its folder.",
      { cause: error },
    );
  }
}

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
