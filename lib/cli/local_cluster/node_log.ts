/**
 * The log file of one node of a local cluster.
 *
 * @module
 */

import { EnvironmentError, messageOf } from "../../errors.ts";
import { statFile } from "../../node/files.ts";

/** A log file's name within its node's data folder. */
export const LOG_FILE = "node.log";
/** A log file that has grown beyond this is put aside for a new one; the one put aside before goes. */
export const LOG_FILE_BYTES_MAX = 16 * 1024 * 1024;
/** How much of a log's end is kept in memory, for the report of a node that died. */
const TAIL_LENGTH_MAX = 2_000;

/** Appends to a file that stays below twice {@linkcode LOG_FILE_BYTES_MAX}, the one aside included. */
export class NodeLog {
  /** The file's path. */
  readonly path: string;
  readonly #bytesMax: number;
  #file: Deno.FsFile;
  #bytes: number;
  #tail = "";
  readonly #decoder = new TextDecoder();

  /** Opens the log in a node's data folder. @throws {EnvironmentError} when it cannot be. */
  constructor(folder: string, bytesMax: number = LOG_FILE_BYTES_MAX) {
    this.path = `${folder}/${LOG_FILE}`;
    this.#bytesMax = bytesMax;
    this.#file = open(this.path);
    this.#bytes = statFile(this.path)?.size ?? 0;
  }

  /** The last few lines written. */
  get lastLines(): readonly string[] {
    return this.#tail.split("\n").filter((line) => line !== "").slice(-5);
  }

  /** Appends everything that `stream` brings, and closes the file at its end. */
  async copyFrom(stream: ReadableStream<Uint8Array>): Promise<void> {
    try {
      for await (const chunk of stream) await this.#append(chunk);
    } finally {
      this.#file.close();
    }
  }

  async #append(chunk: Uint8Array): Promise<void> {
    this.#tail += this.#decoder.decode(chunk, { stream: true });
    this.#tail = this.#tail.slice(-TAIL_LENGTH_MAX);
    if (this.#bytes > 0 && this.#bytes + chunk.length > this.#bytesMax) this.#putAside();
    for (let left = chunk; left.length > 0;) left = left.subarray(await this.#file.write(left));
    this.#bytes += chunk.length;
  }

  #putAside(): void {
    this.#file.close();
    Deno.renameSync(this.path, `${this.path}.1`);
    this.#file = open(this.path);
    this.#bytes = 0;
  }
}

function open(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { create: true, append: true, mode: 0o600 });
  } catch (cause) {
    throw new EnvironmentError(
      `Cannot open ${path}: ${messageOf(cause)}. Check the permissions of its folder.`,
      { cause },
    );
  }
}
