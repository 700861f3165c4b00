/**
 * Files that hold a passphrase, as systemd's credentials, a mounted secret or a password manager make
 * them.
 *
 * @module
 */

import { EnvironmentError, InputError, messageOf } from "../errors.ts";
import { readFully } from "../storage/mod.ts";
import { Passphrase, PASSPHRASE_BYTES_MAX } from "./passphrase.ts";
import { statFile } from "./private_file.ts";
import { othersMode } from "./secret_file.ts";

/** A passphrase, the end of its line, and one byte to notice that there is more. */
const READ_BYTES_MAX = PASSPHRASE_BYTES_MAX + 3;
const [LINE_FEED, CARRIAGE_RETURN] = [0x0a, 0x0d];

/**
 * Reads the one line of a file, without its end. A symbolic link is followed, as Floe never writes
 * there.
 *
 * @throws {InputError} when there is no such file, others can read it, or no passphrase is in it.
 * @throws {EnvironmentError} when it is there but cannot be read.
 */
export function readPassphraseFile(path: string): Passphrase {
  // Before it is opened: opening a pipe waits for a writer.
  if (statFile(path)?.isFile !== true) throw unusable(path, "there is no such file");
  using file = openFile(path);
  const mode = othersMode(file.statSync());
  if (mode !== null) {
    throw unusable(
      path,
      `other users can read it (mode ${mode}). If none did, run chmod 600 ${path}; else choose ` +
        "another passphrase (floe keys passphrase)",
    );
  }
  const line = readLine(file, path);
  try {
    return new Passphrase(line);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw unusable(path, cause.message, cause);
  }
}

function openFile(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** All of a file but the end of its last line; not more than shows that it is too much. */
function readLine(file: Deno.FsFile, path: string): Uint8Array {
  const bytes = new Uint8Array(READ_BYTES_MAX);
  try {
    let length = readFully(file, bytes);
    for (const end of [LINE_FEED, CARRIAGE_RETURN]) {
      if (length > 0 && bytes[length - 1] === end) length--;
    }
    return bytes.slice(0, length);
  } catch (cause) {
    throw unreadable(path, cause);
  } finally {
    bytes.fill(0);
  }
}

function unusable(path: string, why: string, cause?: InputError): InputError {
  return new InputError(`Cannot take a passphrase from ${path}: ${why}`, { cause });
}

function unreadable(path: string, cause: unknown): EnvironmentError {
  return new EnvironmentError(
    `Cannot read ${path}: ${messageOf(cause)}. Check its permissions.`,
    { cause },
  );
}
