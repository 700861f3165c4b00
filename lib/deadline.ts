/**
 * An end to waiting.
 *
 * @module
 */

/**
 * A signal that is aborted after a time, or when another signal is. Disposal stops the clock: `using deadline =
 * new Deadline(...)` around what may take only so long.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #parent: AbortSignal;
  readonly #onParentAbort = () => this.#controller.abort(this.#parent.reason);

  /** Starts the clock. `timeoutMs` is in milliseconds; `what` names what waits, for the reason. */
  constructor(
    options: { readonly timeoutMs: number; readonly signal: AbortSignal; readonly what: string },
  ) {
    this.#parent = options.signal;
    this.#timer = setTimeout(() => {
      const message = `${options.what} took longer than ${options.timeoutMs} ms`;
      this.#controller.abort(new DOMException(message, "TimeoutError"));
    }, options.timeoutMs);
    if (this.#parent.aborted) this.#onParentAbort();
    else this.#parent.addEventListener("abort", this.#onParentAbort, { once: true });
  }

  /** Aborted at the deadline, or with the signal that was handed in. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Calls `cancel` once when the deadline comes, or now if it has. */
  onAbort(cancel: (reason: unknown) => void): void {
    const { signal } = this.#controller;
    if (signal.aborted) cancel(signal.reason);
    else signal.addEventListener("abort", () => cancel(signal.reason), { once: true });
  }

  /** Stops the clock and lets go of the signal that was handed in. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#parent.removeEventListener("abort", this.#onParentAbort);
  }
}

/** Waits for a time in milliseconds, or until `signal` is aborted, whichever is first. */
export async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  using deadline = new Deadline({ timeoutMs: delayMs, signal, what: "the pause" });
  await new Promise<void>((resolve) => deadline.onAbort(() => resolve()));
}
