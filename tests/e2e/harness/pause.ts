/**
 * A process that stands still.
 *
 * @module
 */

import { assertDefined } from "../../../lib/assert.ts";

/** Says when the process stands still, and lets it go on when its own standard input ends. */
const HOLD_SCRIPT = `kill -STOP "$1" && echo stopped && cat >&2; kill -CONT "$1"`;

/**
 * A process under SIGSTOP, until the pause ends. Whoever began it may die by any signal: the process
 * then goes on, sees that its parent is gone, and ends as well, instead of standing there for ever.
 */
export class Pause implements AsyncDisposable {
  readonly #holder: Deno.ChildProcess;

  private constructor(holder: Deno.ChildProcess) {
    this.#holder = holder;
  }

  /** Stops a process. @throws {Error} when there is no such process. */
  static async begin(pid: number): Promise<Pause> {
    const holder = new Deno.Command("sh", {
      args: ["-c", HOLD_SCRIPT, "sh", String(pid)],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const pause = new Pause(holder);
    const said = await holder.stdout.getReader().read();
    if (!said.done) return pause;
    await pause.end();
    throw new Error(`Cannot stop process ${pid}: it has ended`);
  }

  /** Lets the process go on. */
  async end(): Promise<void> {
    await assertDefined(this.#holder.stdin, "a holder's input is a pipe").close().catch(() => {});
    await this.#holder.status;
  }

  /** As {@linkcode Pause.end}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}
