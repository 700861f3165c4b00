/**
 * Notices that a node's data folder is gone, or another stands in its place, while the node runs. The
 * system goes on writing to files that nobody finds any more, and says nothing of it.
 *
 * @module
 */

import { EnvironmentError } from "../errors.ts";

/** How often the folder is looked at, in milliseconds. */
const FOLDER_WATCH_MS = 1_000;

/** Which file or folder stands at a path; null where nothing does. */
type Identity = string | null;

/** Looks at a folder and at files in it, from {@linkcode start} to {@linkcode stop}. */
export class FolderWatch {
  readonly #folder: string;
  readonly #seen: ReadonlyMap<string, Identity>;
  readonly #there: readonly string[];
  #timer: ReturnType<typeof setInterval> | null = null;

  /**
   * Remembers the folder as it is now, and in it the files that stay the same while the node runs. Those
   * that Floe itself may put another in the place of need only be there.
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

  /** Looks again and again. `changed` is called once, with what to tell the operator. */
  start(changed: (error: EnvironmentError) => void, intervalMs: number = FOLDER_WATCH_MS): void {
    this.#timer = setInterval(() => {
      const error = this.look();
      if (error === null) return;
      this.stop();
      changed(error);
    }, intervalMs);
  }

  /** Ends the looking. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** What has changed since the start; null where nothing has. */
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

/** Null also where the system says nothing: a folder that cannot be looked at is as good as gone. */
function identify(path: string): Identity {
  try {
    const { dev, ino } = Deno.statSync(path);
    return `${dev} ${ino}`;
  } catch {
    return null;
  }
}
