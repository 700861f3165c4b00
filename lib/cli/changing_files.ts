/**
 * Files that are read again when they change while a command runs. Tokens and certificates are renewed while a
 * node or a watch runs.
 *
 * @module
 */

import { decodeUtf8 } from "../bytes.ts";
import { InputError, messageOf } from "../errors.ts";

/** The settings of {@linkcode ChangingFiles}. */
interface ChangingFilesOptions<Value> {
  readonly paths: readonly string[];
  /** The present content of the files. */
  readonly value: Value;
  /** Reads the files again. Throws when they cannot be used. */
  readonly read: () => Value;
  /** Called once for each change to files that cannot be used. */
  readonly onKept: (reason: string) => void;
}

/** The newest usable content of files. */
export class ChangingFiles<Value> {
  readonly #options: ChangingFilesOptions<Value>;
  #value: Value;
  #state: string;

  /** Reads nothing yet. */
  constructor(options: ChangingFilesOptions<Value>) {
    this.#options = options;
    this.#value = options.value;
    this.#state = stateOfFiles(options.paths);
  }

  /** The content. Each call checks whether the files have changed, and reads them only after a change. */
  current(): Value {
    const { paths, read, onKept } = this.#options;
    const state = stateOfFiles(paths);
    if (state === this.#state) return this.#value;
    this.#state = state;
    try {
      this.#value = read();
    } catch (error) {
      onKept(messageOf(error));
    }
    return this.#value;
  }
}

/** A text that becomes another one when a file, or a link to it, is changed or replaced. */
export function stateOfFiles(paths: readonly string[]): string {
  return JSON.stringify(paths.map(stateOf));
}

function stateOf(path: string): readonly unknown[] | null {
  try {
    const { ino, size, mtime, ctime } = Deno.statSync(path);
    return [ino, size, mtime, ctime];
  } catch {
    // The read of the file then reports the reason.
    return null;
  }
}

/**
 * The text of a file that was read before. A pipe is not read again: that would block.
 *
 * @throws {InputError} when it is no file any more, or has more than `bytesMax` bytes.
 */
export function readFileAgain(path: string, bytesMax: number): string {
  try {
    const { isFile, size } = Deno.statSync(path);
    if (!isFile) throw new InputError("it is no regular file");
    if (size > bytesMax) throw new InputError(`it holds more than ${bytesMax} bytes`);
    return decodeUtf8(Deno.readFileSync(path));
  } catch (cause) {
    throw new InputError(`Cannot read ${path} again: ${messageOf(cause)}`, { cause });
  }
}
