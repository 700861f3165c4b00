/**
 * The snapshot that a node has made, for its followers.
 *
 * @module
 */

import { EnvironmentError, messageOf } from "../../errors.ts";
import type { LogIndex } from "../../types.ts";
import { readFully } from "../folder.ts";
import { isSameSnapshot, type SnapshotFile } from "./snapshot_file.ts";

/** The newest snapshot, kept open so that its chunks can be read. */
export class OutgoingSnapshot {
  readonly #path: string;
  #current: { readonly snapshot: SnapshotFile; readonly file: Deno.FsFile } | null = null;

  /** `path` is where the snapshot will be. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Offers the file at the path, instead of an earlier one. @throws {EnvironmentError} */
  offer(snapshot: SnapshotFile): void {
    const file = this.#attempt(() => Deno.openSync(this.#path));
    this.close();
    this.#current = { snapshot, file };
  }

  /**
   * At most `bytesMax` bytes from `offset` on; no bytes at the end and beyond; null when another snapshot is
   * offered, or none.
   *
   * @throws {EnvironmentError} when the file cannot be read.
   */
  read(
    snapshot: SnapshotFile,
    { offset, bytesMax }: { readonly offset: number; readonly bytesMax: number },
  ): Uint8Array | null {
    if (this.#current === null || !isSameSnapshot(this.#current.snapshot, snapshot)) return null;
    const { file } = this.#current;
    const bytes = new Uint8Array(Math.max(0, Math.min(bytesMax, snapshot.bytes - offset)));
    if (bytes.length === 0) return bytes;
    const length = this.#attempt(() => {
      file.seekSync(offset, Deno.SeekMode.Start);
      return readFully(file, bytes);
    });
    if (length === bytes.length) return bytes;
    throw new EnvironmentError(`Cannot read ${this.#path}: it is shorter than it was`);
  }

  /** Whether the offered snapshot ends before `index`. */
  isBefore(index: LogIndex): boolean {
    return this.#current !== null && this.#current.snapshot.index < index;
  }

  /** Closes the file. */
  close(): void {
    this.#current?.file.close();
    this.#current = null;
  }

  #attempt<Result>(action: () => Result): Result {
    try {
      return action();
    } catch (cause) {
      throw new EnvironmentError(`Cannot read ${this.#path}: ${messageOf(cause)}`, { cause });
    }
  }
}
