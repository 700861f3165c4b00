/**
 * Notices when a node's data folder is removed or replaced while the node runs. The operating system reports
 * nothing: it goes on writing to the removed files, which no path leads to any more.
 *
 * @module
 */

import { EnvironmentError } from "../errors.ts";

/** How often the folder is checked, in milliseconds. */
const FOLDER_WATCH_MS = 1_000;

/** Identifies the file or folder at a path; null if there is none. */
type Identity = string | null;

/** Checks a folder and files in it, from {@linkcode start} to {@linkcode stop}. */
export class FolderWatch {
  readonly #folder: string;
  readonly #seen: ReadonlyMap<string, Identity>;
  readonly #there: readonly string[];
  #timer: ReturnType<typeof setInterval> | null = null;

  /**
   * Remembers the folder, and the files in it that stay the same while the node runs. Files that Floe itself
   * replaces need only exist.
   */
  constructor(folder: string, { same, there }: {
    readonly same: readonly string[];
    readonly there: readonly string[];
  }) {
    this.#folder = folder;
    const paths = [folder, ...same.map((file) => `${folder}/${file}`)];
    this.#seen = new Map(paths.map((path) => [path, identify(path)]));
    this.#there = there.map((file) => `${folder}/${file}`);
  }

  /** Begins to check. Calls `changed` once, with a message for the operator. */
  start(changed: (error: EnvironmentError) => void, intervalMs: number = FOLDER_WATCH_MS): void {
    this.#timer = setInterval(() => {
      const error = this.look();
      if (error === null) return;
      this.stop();
      changed(error);
    }, intervalMs);
  }

  /** Ends the checks. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** What has changed since the start; null if nothing has. */
  look(): EnvironmentError | null {
    for (const [path, before] of this.#seen) {
      const now = identify(path);
      if (now !== before) {
        return this.#describe(path, now === null ? "was removed" : "was replaced");
      }
    }
    const missing = this.#there.find((path) => identify(path) === null);
    return missing === undefined ? null : this.#describe(missing, "was removed");
  }

  #describe(path: string, what: string): EnvironmentError {
    return new EnvironmentError(
      `Cannot go on: ${path} ${what} while the node ran. What the node has written since is lost, so it ` +
        `stops. If ${this.#folder} was moved, move it back, or name its new place with --data-dir, and ` +
        "start the node again. If it is gone, do not start the node with an older copy: it has forgotten " +
        "votes and entries that it acknowledged.",
    );
  }
}

/** Null also when the system refuses to answer: a folder that cannot be read is of no use either. */
function identify(path: string): Identity {
  try {
    const { dev, ino } = Deno.statSync(path);
    return `${dev} ${ino}`;
  } catch {
    return null;
  }
}
