/**
 * How often something took how long, as monitoring systems read it.
 *
 * @module
 */

import { assert } from "./assert.ts";

/** What a histogram has counted. */
export interface HistogramCounts {
  /** The upper bound of each bucket but the last, which has none; ascending. */
  readonly bounds: readonly number[];
  /** How many values each bucket has: one more than there are bounds. */
  readonly counts: readonly number[];
  /** The sum of all values. */
  readonly sum: number;
}

/** Counts values by size. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  /** `bounds` ascend; a value belongs to the first bucket whose bound it does not exceed. */
  constructor(bounds: readonly number[]) {
    assert(bounds.every((bound, at) => at === 0 || (bounds[at - 1] ?? 0) < bound), "Bounds ascend");
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  /** What was counted so far. */
  get counted(): HistogramCounts {
    return { bounds: this.#bounds, counts: [...this.#counts], sum: this.#sum };
  }

  /** Counts a value. */
  observe(value: number): void {
    const found = this.#bounds.findIndex((bound) => value <= bound);
    const at = found < 0 ? this.#bounds.length : found;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += value;
  }
}
