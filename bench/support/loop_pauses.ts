/**
 * How long the loop of the thread that imports this stands still: the longest pause of each second. On a busy
 * machine a thread that does nothing pauses too, because others have the processor; so a benchmark looks at
 * such a thread beside ({@linkcode IdleThread}), and only what is beyond that is the loop's own.
 *
 * @module
 */

/** How often the loop is looked at. */
const LOOK_MS = 2;

/** Calls `tell` once a second with the longest pause since the last call. */
export function watchPauses(tell: (longestMs: number) => void): void {
  let lookedMs = performance.now();
  let longestMs = 0;
  setInterval(() => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lookedMs - LOOK_MS);
    lookedMs = nowMs;
  }, LOOK_MS);
  setInterval(() => {
    tell(longestMs);
    longestMs = 0;
  }, 1000);
}

/** A thread that does nothing but look how long it stands still. */
export class IdleThread implements Disposable {
  readonly #worker = new Worker(new URL("./idle_thread.ts", import.meta.url), { type: "module" });
  #longestMs = 0;

  /** Begins to look. */
  constructor() {
    this.#worker.addEventListener("message", ({ data }: MessageEvent<number>) => {
      this.#longestMs = Math.max(this.#longestMs, data);
    });
  }

  /** The longest pause since the last call. */
  takeLongestMs(): number {
    const longestMs = this.#longestMs;
    this.#longestMs = 0;
    return longestMs;
  }

  /** Ends the thread. */
  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
