/**
 * Keeps events that others can cause at will from flooding the log.
 *
 * @module
 */

/** Most records of one event in one window. */
export const LOG_RECORDS_MAX = 10;
/** Length of a window in milliseconds. */
export const LOG_WINDOW_MS = 10_000;

interface Window {
  readonly startMs: number;
  readonly records: number;
  readonly suppressed: number;
}

/** Lets through so many records of each event in each window and counts the others. */
export class LogLimiter {
  readonly #nowMs: () => number;
  readonly #windows = new Map<string, Window>();

  /** `nowMs` is a monotonic clock in milliseconds. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /**
   * Whether a record of `event` may be written now. Null if not; else how many were suppressed since
   * the last one that was. The set of events must be a small fixed one.
   */
  admit(event: string): { readonly suppressed: number } | null {
    const nowMs = this.#nowMs();
    const window = this.#windows.get(event) ?? { startMs: nowMs, records: 0, suppressed: 0 };
    const expired = nowMs - window.startMs >= LOG_WINDOW_MS;
    if (!expired && window.records >= LOG_RECORDS_MAX) {
      this.#windows.set(event, { ...window, suppressed: window.suppressed + 1 });
      return null;
    }
    const { startMs, records } = expired ? { startMs: nowMs, records: 0 } : window;
    this.#windows.set(event, { startMs, records: records + 1, suppressed: 0 });
    return { suppressed: window.suppressed };
  }
}
