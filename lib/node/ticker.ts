/**
 * The node's clock, cut into ticks. It is monotonic: setting the system's time moves no timer.
 *
 * @module
 */

/** One tick of the core's clock, in milliseconds. */
export const TICK_MS = 10;
/**
 * Most ticks passed on at once. A process that was stopped or starved hears its peers before it
 * concludes that they were silent.
 */
export const TICKS_AT_ONCE_MAX = 5;

/** How many ticks `durationMs` takes, at least one. */
export function toTicks(durationMs: number): number {
  return Math.max(1, Math.round(durationMs / TICK_MS));
}

/**
 * Calls `onTicks` with the number of ticks that have passed, about once a tick.
 *
 * @returns what stops it.
 */
export function startTicker(onTicks: (count: number) => void): Disposable {
  let lastMs = performance.now();
  const timer = setInterval(() => {
    const passed = Math.floor((performance.now() - lastMs) / TICK_MS);
    if (passed === 0) return;
    lastMs += passed * TICK_MS;
    onTicks(Math.min(passed, TICKS_AT_ONCE_MAX));
  }, TICK_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
