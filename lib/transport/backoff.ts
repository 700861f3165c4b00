/**
 * How long to wait before the next attempt to connect.
 *
 * @module
 */

/** Bounds in milliseconds, and the source of jitter. */
export interface BackoffOptions {
  /** The longest first wait. */
  readonly backoffInitialMs: number;
  /** The longest wait of all. */
  readonly backoffMaxMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/**
 * Exponential backoff: each wait may be twice as long as the one before, up to a maximum, and is
 * drawn from the upper half of its range, so that nodes that lost the same peer do not come back in
 * step.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #ceilingMs: number;

  /** Starts at the initial wait. */
  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#ceilingMs = options.backoffInitialMs;
  }

  /** The next wait in milliseconds. */
  next(): number {
    const delayMs = this.#ceilingMs * (0.5 + this.#options.random() / 2);
    this.#ceilingMs = Math.min(this.#ceilingMs * 2, this.#options.backoffMaxMs);
    return delayMs;
  }

  /** Starts over: the last connection was sound. */
  reset(): void {
    this.#ceilingMs = this.#options.backoffInitialMs;
  }
}
