/**
 * The snapshot that a leader sends, as far as it has arrived.
 *
 * @module
 */

import { assert, InvariantError } from "../../assert.ts";
import { encodeHex } from "../../bytes.ts";
import { EnvironmentError, InputError, messageOf } from "../../errors.ts";
import type { LogIndex } from "../../types.ts";
import { removeIfThere, writeFully } from "../folder.ts";
import {
  checkSnapshotFile,
  isSameSnapshot,
  type SnapshotFile,
  type SnapshotPaths,
} from "./snapshot_file.ts";

/** A chunk of a snapshot. */
export interface Chunk {
  /** Of which snapshot. */
  readonly snapshot: SnapshotFile;
  /** Where in it the chunk stands, in bytes. */
  readonly offset: number;
  /** The chunk. */
  readonly data: Uint8Array;
}

/** A file that grows by chunks. */
interface Partial {
  readonly snapshot: SnapshotFile;
  readonly file: Deno.FsFile;
  readonly sync: BackgroundSync;
  /** How much is there, all of it from the beginning on. */
  readonly bytes: number;
}

/**
 * Keeps the chunks of one snapshot in a file, in order. The snapshot's name is beside it, so that
 * after a restart it goes on where it was; another snapshot begins the file anew. What a power
 * failure makes of it, its SHA-256 shows in the end.
 */
export class IncomingSnapshot {
  readonly #paths: SnapshotPaths;
  readonly #removal: Removal;
  #partial: Partial | null = null;
  #closing: Promise<void> = Promise.resolve();

  /** Goes on with whatever is there. What is of no use any more is left to `removal`. */
  constructor(paths: SnapshotPaths, removal: Removal) {
    this.#paths = paths;
    this.#removal = removal;
  }

  /**
   * Keeps a chunk if it is the one that comes next, and does nothing if it is not.
   *
   * @returns the offset of the chunk that comes next; the snapshot's length when all is there.
   * @throws {InputError} when the snapshot's name or the chunk is impossible.
   * @throws {EnvironmentError} when the disk refuses. Then nothing is kept: a disk that is full is
   * needed for more than this.
   */
  store(chunk: Chunk): number {
    checkChunk(chunk);
    try {
      return this.#store(chunk);
    } catch (cause) {
      this.#letGo();
      this.#removeFile();
      throw toKnownError(cause, this.#paths);
    }
  }

  /**
   * Moves a complete snapshot to another path, and settles when it can be read there.
   *
   * @throws {EnvironmentError} when the disk refuses. Then nothing is left at that path.
   */
  async take(snapshot: SnapshotFile, path: string): Promise<void> {
    try {
      const sync = this.#move(snapshot, path);
      await sync.close();
    } catch (cause) {
      this.#removal.remove(path);
      throw toKnownError(cause, this.#paths);
    }
  }

  /** Whether something is there, in this life or since an earlier one, of a snapshot up to `index`. */
  isUpTo(index: LogIndex): boolean {
    if (this.#partial !== null) return this.#partial.snapshot.index <= index;
    const name = readIfThere(this.#paths.incomingName);
    const found = name === null ? null : /^index (\d+)\n/.exec(name);
    return found !== null && Number(found[1]) <= index;
  }

  /** Removes what is there. @throws whatever the system throws. */
  remove(): void {
    this.#letGo();
    this.#removeFile();
  }

  /** Lets go of the file; what is in it stays. */
  close(): Promise<void> {
    this.#letGo();
    return this.#closing;
  }

  #store({ snapshot, offset, data }: Chunk): number {
    const partial = this.#open(snapshot);
    if (offset !== partial.bytes || data.length === 0) return partial.bytes;
    writeFully(partial.file, data);
    partial.sync.written(data.length);
    const bytes = offset + data.length;
    this.#partial = { ...partial, bytes };
    return bytes;
  }

  /** Moves what is there; its sync is left to the caller. */
  #move(snapshot: SnapshotFile, path: string): BackgroundSync {
    const { sync, file, bytes } = this.#open(snapshot);
    assert(bytes === snapshot.bytes, `Only ${bytes} bytes of a snapshot of ${snapshot.bytes}`);
    Deno.renameSync(this.#paths.incoming, path);
    this.#partial = null;
    file.close();
    removeIfThere(this.#paths.incomingName);
    return sync;
  }

  #open(snapshot: SnapshotFile): Partial {
    const before = this.#partial;
    if (before !== null && isSameSnapshot(before.snapshot, snapshot)) return before;
    this.#letGo();
    const { incoming, incomingName } = this.#paths;
    const name = nameOf(snapshot);
    if (readIfThere(incomingName) !== name) {
      this.#removeFile();
      Deno.writeTextFileSync(incomingName, name, { mode: 0o600 });
    }
    const file = Deno.openSync(incoming, { append: true, create: true, mode: 0o600 });
    // Longer than the snapshot it cannot be, unless its end is no good.
    if (file.statSync().size > snapshot.bytes) file.truncateSync(0);
    const sync = new BackgroundSync(incoming);
    this.#partial = { snapshot, file, sync, bytes: file.statSync().size };
    return this.#partial;
  }

  /** In this order: no file must ever stand beside the name of another snapshot. */
  #removeFile(): void {
    this.#removal.remove(this.#paths.incoming);
    removeIfThere(this.#paths.incomingName);
  }

  #letGo(): void {
    const partial = this.#partial;
    if (partial === null) return;
    this.#partial = null;
    partial.file.close();
    // Whether the last sync succeeded matters to nobody any more.
    const closed = partial.sync.close().catch(() => {});
    this.#closing = Promise.all([this.#closing, closed]).then(() => {});
  }
}

function checkChunk({ snapshot, offset, data }: Chunk): void {
  checkSnapshotFile(snapshot);
  if (Number.isSafeInteger(offset) && offset >= 0 && offset + data.length <= snapshot.bytes) return;
  throw new InputError(
    `Cannot use snapshot: a chunk of ${data.length} bytes at byte ${offset} is not inside its ` +
      `length of ${snapshot.bytes}`,
  );
}

function toKnownError(cause: unknown, { folder }: SnapshotPaths): unknown {
  if (cause instanceof InvariantError) return cause;
  return new EnvironmentError(
    `Cannot keep a snapshot in ${folder}: ${messageOf(cause)}. See that the disk works and has ` +
      `free space; the leader sends it again.`,
    { cause },
  );
}

function nameOf({ index, bytes, sha256 }: SnapshotFile): string {
  return `index ${index}\nbytes ${bytes}\nsha256 ${encodeHex(sha256)}\n`;
}

function readIfThere(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/**
 * Removes files off the loop: the system takes its time to let go of a large one. A file's name is
 * free at once, for the next one. What stays when the process ends is removed at the next start.
 */
export class Removal {
  readonly #paths: SnapshotPaths;
  #count = 0;
  #running: Promise<void> = Promise.resolve();

  /** Files that are being removed stand beside those of `paths`. */
  constructor(paths: SnapshotPaths) {
    this.#paths = paths;
  }

  /** Removes the file at `path` if there is one. @throws {EnvironmentError} when the disk refuses. */
  remove(path: string): void {
    const aside = this.#paths.removing(++this.#count);
    try {
      Deno.renameSync(path, aside);
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) return;
      throw new EnvironmentError(
        `Cannot remove ${path}: ${messageOf(cause)}. Check the folder's permissions and the disk.`,
        { cause },
      );
    }
    // It has no use and no name that anyone asks for, so that it may as well stay.
    const removed = Deno.remove(aside).catch(() => {});
    this.#running = Promise.all([this.#running, removed]).then(() => {});
  }

  /** Settles when all is removed. */
  close(): Promise<void> {
    return this.#running;
  }
}

/**
 * How much is written to a file before it is synced. Until the end nobody needs it to be durable, but
 * what waits to be written makes every other fsync on the disk wait for it, those of the node's log
 * included. Beside a file that grows as fast as it can, half of all others took 0.5 ms or less with
 * this and nine in ten 2 ms, against 5 and 10 ms with 16 MiB; the file itself took a fifth longer.
 */
export const SYNC_BYTES: number = 1024 * 1024;

/** Syncs a file again and again, off the loop. */
class BackgroundSync {
  readonly #file: Deno.FsFile;
  #unsyncedBytes = 0;
  #running: Promise<void> | null = null;
  #failure: unknown = null;

  /** Opens the file at `path`, by a handle of its own. @throws whatever the system throws. */
  constructor(path: string) {
    this.#file = Deno.openSync(path, { write: true });
  }

  /**
   * Says that more was written, and starts a sync if there is enough and none is running.
   *
   * @throws what an earlier sync has failed with: the file is not to be trusted then.
   */
  written(bytes: number): void {
    if (this.#failure !== null) throw this.#failure;
    this.#unsyncedBytes += bytes;
    if (this.#unsyncedBytes < SYNC_BYTES || this.#running !== null) return;
    this.#unsyncedBytes = 0;
    this.#running = this.#sync();
  }

  /**
   * Lets go of the file, once, when a sync that is running has ended.
   *
   * @throws what a sync has failed with.
   */
  async close(): Promise<void> {
    await this.#running;
    this.#file.close();
    if (this.#failure !== null) throw this.#failure;
  }

  async #sync(): Promise<void> {
    try {
      await this.#file.syncData();
    } catch (error) {
      this.#failure = error;
    }
    this.#running = null;
  }
}
