/**
 * The files of the log, as the log needs them. The simulator has others, on a disk that fails.
 *
 * @module
 */

import { join } from "node:path";
import { removeIfThere, syncFolder, writeFully } from "../folder.ts";

/** One file that is being written. Nobody else writes it. */
export interface LogFile {
  /** Writes at a place, sooner or later; what it leaves out before is zero. */
  write(bytes: Uint8Array, offset: number): Promise<void>;
  /** Resolves when all that was written is durable. Off the loop. */
  sync(): Promise<void>;
  /** Cuts everything from a place on, durably. For a start, which waits for the disk. */
  cut(offset: number): void;
  /** Lets go of the file. */
  close(): void;
}

/** The files of one log, in a folder of their own. */
export interface LogFiles {
  /** The names of all files. */
  list(): readonly string[];
  /** All of a file. */
  read(name: string): Uint8Array;
  /** Opens a file to write; an absent one is made, durable with the next {@linkcode LogFiles.sync}. */
  open(name: string): LogFile;
  /** Makes a file with these bytes, durably. For a start, which waits for the disk. */
  create(name: string, bytes: Uint8Array): void;
  /** Removes a file, if it is there. */
  remove(name: string): void;
  /** Makes it durable which files there are. Off the loop. */
  sync(): Promise<void>;
}

/**
 * A file is made longer by so much at a time, before it is needed: to sync bytes that take the place of
 * others takes half as long as to sync a file that grows (0.21 ms, not 0.47).
 */
const GROWTH_BYTES = 256 * 1024;

/** Files in a folder of this machine. */
export class FolderFiles implements LogFiles {
  readonly #folder: string;

  /** The files in `folder`, which must exist. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** See {@linkcode LogFiles.list}. */
  list(): readonly string[] {
    return [...Deno.readDirSync(this.#folder)].filter(({ isFile }) => isFile)
      .map(({ name }) => name);
  }

  /** See {@linkcode LogFiles.read}. */
  read(name: string): Uint8Array {
    return Deno.readFileSync(join(this.#folder, name));
  }

  /** See {@linkcode LogFiles.open}. */
  open(name: string): LogFile {
    return new FolderFile(join(this.#folder, name));
  }

  /** See {@linkcode LogFiles.create}. */
  create(name: string, bytes: Uint8Array): void {
    const path = join(this.#folder, name);
    using file = Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
    writeFully(file, bytes);
    file.syncSync();
    syncFolder(this.#folder);
  }

  /** See {@linkcode LogFiles.remove}. */
  remove(name: string): void {
    removeIfThere(join(this.#folder, name));
  }

  /** See {@linkcode LogFiles.sync}. */
  async sync(): Promise<void> {
    using folder = Deno.openSync(this.#folder);
    await folder.sync();
  }
}

/** A file that grows before it has to. */
class FolderFile implements LogFile {
  readonly #file: Deno.FsFile;
  /** A handle of its own: each has one place at which it writes. */
  readonly #growing: Deno.FsFile;
  #bytes: number;
  #end = 0;
  #growth: Promise<void> | null = null;

  constructor(path: string) {
    const options = { write: true, create: true, mode: 0o600 };
    this.#file = Deno.openSync(path, options);
    this.#growing = Deno.openSync(path, options);
    this.#bytes = this.#file.statSync().size;
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    this.#end = offset + bytes.length;
    // What is being added are zeros, which must not come after what belongs there.
    if (this.#end > this.#bytes && this.#growth !== null) await this.#growth;
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    writeFully(this.#file, bytes);
    this.#bytes = Math.max(this.#bytes, this.#end);
  }

  async sync(): Promise<void> {
    await this.#file.syncData();
    if (this.#bytes - this.#end < GROWTH_BYTES) this.#growth ??= this.#grow();
  }

  cut(offset: number): void {
    this.#file.truncateSync(offset);
    this.#file.syncSync();
    this.#bytes = offset;
  }

  close(): void {
    this.#file.close();
    if (this.#growth === null) this.#growing.close();
    else void this.#growth.then(() => this.#growing.close());
  }

  /** The disk may be full: then a write that needs the room fails, and says so. */
  async #grow(): Promise<void> {
    try {
      this.#growing.seekSync(this.#bytes, Deno.SeekMode.Start);
      let left = GROWTH_BYTES;
      while (left > 0) left -= await this.#growing.write(new Uint8Array(left));
      await this.#growing.syncData();
      this.#bytes += GROWTH_BYTES;
    } catch {
      // What was added of it is zero, as is what was never written.
    }
    this.#growth = null;
  }
}
