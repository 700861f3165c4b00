/**
 * Keeps what others can ask for at will below a rate.
 *
 * @module
 */

/** How much is allowed. */
export interface RateLimiterOptions {
  /** So many at once, after a time with fewer. */
  readonly burst: number;
  /** So many in a second on average. */
  readonly perSecond: number;
  /** A monotonic clock in milliseconds. */
  readonly nowMs: () => number;
}

/** A bucket of tokens that fills with time, up to the burst. */
export class RateLimiter {
  readonly #options: RateLimiterOptions;
  #tokens: number;
  #filledMs: number;

  /** Starts full. */
  constructor(options: RateLimiterOptions) {
    this.#options = options;
    this.#tokens = options.burst;
    this.#filledMs = options.nowMs();
  }

  /** Takes one and returns 0, or takes none and returns after how many milliseconds to try again. */
  take(): number {
    const { burst, perSecond, nowMs } = this.#options;
    const now = nowMs();
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#filledMs) * perSecond / 1000);
    this.#filledMs = now;
    if (this.#tokens < 1) return (1 - this.#tokens) * 1000 / perSecond;
    this.#tokens -= 1;
    return 0;
  }
}
