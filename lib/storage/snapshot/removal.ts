/**
 * Removing large files.
 *
 * @module
 */

import { EnvironmentError, messageOf } from "../../errors.ts";
import type { SnapshotPaths } from "./snapshot_file.ts";

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
