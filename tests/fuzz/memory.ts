/**
 * How much memory this process holds on to.
 *
 * @module
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Collects garbage now; the flag that lets it is V8's own, and costs nothing. */
const collectGarbage = makeCollector();

/** Bytes that are still reachable once all garbage is collected, buffers outside the heap included. */
export function measureHeap(): number {
  // A second time, for what only the first run's finalizers let go of.
  collectGarbage();
  collectGarbage();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

/** Growth up to here is warm-up and noise: caches that fill, code that is compiled. */
export const GROWTH_BYTES_MAX: number = 24 * 1024 * 1024;

/**
 * How much more is reachable at the end than near the beginning, given what was after each round. The
 * first round fills caches; the least of the last two forgives what was not let go of in time.
 */
export function growthOf(heap: readonly number[]): number {
  const [, second = 0] = heap;
  return Math.min(...heap.slice(-2)) - second;
}

function makeCollector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
