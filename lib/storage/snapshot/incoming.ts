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

/** A part of a snapshot, as the leader sends it. */
export interface Chunk {
  /** The snapshot that it belongs to. */
  readonly snapshot: SnapshotFile;
  /** Its offset in the snapshot, in bytes. */
  readonly offset: number;
  /** The bytes of the chunk. */
  readonly data: Uint8Array;
}

/** A file that grows by chunks. */
interface Partial {
  readonly snapshot: SnapshotFile;
  readonly file: Deno.FsFile;
  readonly sync: BackgroundSync;
  /** The bytes that have arrived, without gaps from the beginning. */
  readonly bytes: number;
}

/**
 * Keeps the chunks of one snapshot in a file, in order. The snapshot's name is in a second file, so that it
 * continues after a restart. Another snapshot begins a new file. If a power failure damages the file, the
 * SHA-256 shows it at the end.
 */
export class IncomingSnapshot {
  readonly #paths: SnapshotPaths;
  readonly #removal: Removal;
  #partial: Partial | null = null;
  #closing: Promise<void> = Promise.resolve();

  /** Continues with the existing file. `removal` removes files that are no longer needed. */
  constructor(paths: SnapshotPaths, removal: Removal) {
    this.#paths = paths;
    this.#removal = removal;
  }

  /**
   * Keeps a chunk if it is the next one, and otherwise does nothing.
   *
   * @returns the offset of the next chunk; the snapshot's length when it is complete.
   * @throws {InputError} when the snapshot's name or the chunk is invalid.
   * @throws {EnvironmentError} when the disk fails. Then nothing is kept: other data may need the space.
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
   * Moves a complete snapshot to another path. Resolves when it can be read there.
   *
   * @throws {EnvironmentError} when the disk fails. Then nothing is left at that path.
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

  /** Whether a part of a snapshot up to `index` is there, from this or an earlier process. */
  isUpTo(index: LogIndex): boolean {
    if (this.#partial !== null) return this.#partial.snapshot.index <= index;
    const name = readIfThere(this.#paths.incomingName);
    const found = name === null ? null : /^index (\d+)\n/.exec(name);
    return found !== null && Number(found[1]) <= index;
  }

  /** Removes the parts that have arrived. @throws the system's own error. */
  remove(): void {
    this.#letGo();
    this.#removeFile();
  }

  /** Closes the file, and keeps its content. */
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

  /** Moves the file. The caller syncs it. */
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
    // It is longer than the snapshot only if its end is damaged.
    if (file.statSync().size > snapshot.bytes) file.truncateSync(0);
    const sync = new BackgroundSync(incoming);
    this.#partial = { snapshot, file, sync, bytes: file.statSync().size };
    return this.#partial;
  }

  /** The file first, then the name: a file must never be beside the name of another snapshot. */
  #removeFile(): void {
    this.#removal.remove(this.#paths.incoming);
    removeIfThere(this.#paths.incomingName);
  }

  #letGo(): void {
    const partial = this.#partial;
    if (partial === null) return;
    this.#partial = null;
    partial.file.close();
    // The result of the last sync no longer matters.
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
 * Removes files in the background, because the system takes long to remove a large file. The name of a file
 * is free at once. Files that are left when the process ends are removed at the next start.
 */
export class Removal {
  readonly #paths: SnapshotPaths;
  #count = 0;
  #running: Promise<void> = Promise.resolve();

  /** Files that are being removed are in the folder of `paths`. */
  constructor(paths: SnapshotPaths) {
    this.#paths = paths;
  }

  /** Removes the file at `path` if there is one. @throws {EnvironmentError} when the disk fails. */
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
    // If this fails, the file is unused and the next start removes it.
    const removed = Deno.remove(aside).catch(() => {});
    this.#running = Promise.all([this.#running, removed]).then(() => {});
  }

  /** Resolves when all files are removed. */
  close(): Promise<void> {
    return this.#running;
  }
}

/**
 * A file is synced after this many bytes. It need not be durable before its end. But unwritten data delays
 * every other fsync on the disk, including those of the node's log. Measured while a file grew as fast as
 * possible: with this value, half of the other fsyncs took at most 0.5 ms and nine in ten at most 2 ms;
 * with 16 MiB, 5 and 10 ms. The file itself took a fifth longer.
 */
export const SYNC_BYTES: number = 1024 * 1024;

/** Syncs a file repeatedly, in the background. */
class BackgroundSync {
  readonly #file: Deno.FsFile;
  #unsyncedBytes = 0;
  #running: Promise<void> | null = null;
  #failure: unknown = null;

  /** Opens the file at `path` with its own handle. @throws the system's own error. */
  constructor(path: string) {
    this.#file = Deno.openSync(path, { write: true });
  }

  /**
   * More was written. Starts a sync if there is enough unsynced data and no sync is running.
   *
   * @throws the error of an earlier sync. The file must then not be trusted.
   */
  written(bytes: number): void {
    if (this.#failure !== null) throw this.#failure;
    this.#unsyncedBytes += bytes;
    if (this.#unsyncedBytes < SYNC_BYTES || this.#running !== null) return;
    this.#unsyncedBytes = 0;
    this.#running = this.#sync();
  }

  /**
   * Closes the file after a running sync has ended.
   *
   * @throws the error of a failed sync.
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
