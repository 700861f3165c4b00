/**
 * A file of lines that never grows above a bound, and never stops the program that writes it.
 *
 * @module
 */

import { encodeUtf8 } from "../bytes.ts";
import { messageOf } from "../errors.ts";
import { statFile } from "../keys/mod.ts";

/** Above this size a file is renamed, and a new one begins. The file that was renamed before is deleted. */
const FILE_BYTES_MAX = 16 * 1024 * 1024;

/** The settings of a {@linkcode RotatingFile}. */
export interface RotatingFileOptions {
  /** Above this size it is renamed; by default {@linkcode FILE_BYTES_MAX}. */
  readonly bytesMax?: number;
  /** Called once each time that the file cannot be written any more. */
  readonly onFailure: (reason: string) => void;
  /** Makes the text that reports how many bytes were lost, when writing works again. */
  readonly describeLost: (bytes: number) => string;
}

/**
 * Appends to a file, which only its owner can read. It and the renamed one stay below twice the bound. When
 * the file cannot be written, the bytes are lost, and the next ones try again.
 */
export class RotatingFile {
  /** The file's path. */
  readonly path: string;
  readonly #options: RotatingFileOptions;
  #file: Deno.FsFile | null = null;
  #bytes = 0;
  /** Bytes lost since the last successful write. */
  #lostBytes = 0;

  /** Opens nothing yet. */
  constructor(path: string, options: RotatingFileOptions) {
    this.path = path;
    this.#options = options;
  }

  /** Appends bytes. Never rejects. One call at a time. */
  async append(bytes: Uint8Array): Promise<void> {
    try {
      await this.#write(bytes);
    } catch (error) {
      this.close();
      if (this.#lostBytes === 0) this.#options.onFailure(messageOf(error));
      this.#lostBytes += bytes.length;
    }
  }

  /** Closes the file. A later {@linkcode append} opens it again. */
  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    const file = this.#openFor(bytes.length);
    if (this.#lostBytes > 0) {
      await this.#writeAll(file, encodeUtf8(this.#options.describeLost(this.#lostBytes)));
      this.#lostBytes = 0;
    }
    await this.#writeAll(file, bytes);
  }

  async #writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
    for (let left = bytes; left.length > 0;) {
      const count = await file.write(left);
      this.#bytes += count;
      left = left.subarray(count);
    }
  }

  /** The open file, after a full one was renamed. */
  #openFor(length: number): Deno.FsFile {
    this.#file ??= this.#open();
    const { bytesMax = FILE_BYTES_MAX } = this.#options;
    if (this.#bytes === 0 || this.#bytes + length <= bytesMax) return this.#file;
    this.close();
    // The file may have been removed: then there is nothing to rename.
    if (statFile(this.path) !== null) Deno.renameSync(this.path, `${this.path}.1`);
    this.#file = this.#open();
    return this.#file;
  }

  #open(): Deno.FsFile {
    const file = Deno.openSync(this.path, { create: true, append: true, mode: 0o600 });
    this.#bytes = file.statSync().size;
    return file;
  }
}
