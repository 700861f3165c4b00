/**
 * What many seeds came to so far, as lines for whoever waits.
 *
 * @module
 */

import { Counters } from "./counters.ts";
import { FAULT_COUNTERS } from "./fault_kinds.ts";
import type { RunReport } from "./run.ts";

/** How many characters the bar has. */
const BAR_CELLS = 20;

/** Adds up reports. */
export class Progress {
  readonly #counters = new Counters();
  #seeds = 0;
  #events = 0;
  #simulatedUs = 0;

  /** How many seeds were run. */
  get seeds(): number {
    return this.#seeds;
  }

  /** One more seed was run. */
  add(report: RunReport): void {
    this.#seeds++;
    this.#events += report.events;
    this.#simulatedUs += report.simulatedUs;
    this.#counters.add(report.counts);
  }

  /** All in one line, `elapsedMs` after the beginning. */
  summary(elapsedMs: number): string {
    return `${this.#pace(elapsedMs)}, ${this.#extent()}`;
  }

  /**
   * A progress bar with what was run, and how many kinds of faults have happened: lines of at most
   * `columns` characters, so that a terminal of that width can show them in place. `share` is how
   * much of the work is done, from 0 to 1.
   */
  bar({ share, elapsedMs, columns }: BarOptions): readonly string[] {
    const done = Math.min(BAR_CELLS, Math.round(BAR_CELLS * share));
    const cells = "#".repeat(done) + ".".repeat(BAR_CELLS - done);
    return [
      `[${cells}] ${this.#pace(elapsedMs)}`,
      this.#extent(),
      this.#faults(),
    ].map((line) => line.length > columns ? `${line.slice(0, columns - 3)}...` : line);
  }

  /** How often each thing happened, a line each; NEVER stands beside a fault that did not. */
  counts(): readonly string[] {
    const counts = this.#counters.toRecord();
    for (const name of FAULT_COUNTERS) counts[name] ??= 0;
    return Object.entries(counts).map(([name, count]) => {
      return `${String(count).padStart(12)}  ${name}${count === 0 ? "  NEVER" : ""}`;
    });
  }

  #pace(elapsedMs: number): string {
    return `${this.#seeds} seeds, ${Math.round(this.#seeds / elapsedMs * 60_000)} a minute`;
  }

  #extent(): string {
    return `${this.#events} events, ${(this.#simulatedUs / 3.6e9).toFixed(2)} simulated hours`;
  }

  #faults(): string {
    const never = FAULT_COUNTERS.filter((name) => this.#counters.of(name) === 0);
    const times = FAULT_COUNTERS.reduce((sum, name) => sum + this.#counters.of(name), 0);
    const kinds = `${FAULT_COUNTERS.length - never.length} of ${FAULT_COUNTERS.length} faults`;
    return `${kinds}, ${times} times${never.length === 0 ? "" : `; not yet ${never.join(", ")}`}`;
  }
}

/** What a bar shows besides what was added up. */
export interface BarOptions {
  /** How much of the work is done, from 0 to 1. */
  readonly share: number;
  /** Since the beginning. */
  readonly elapsedMs: number;
  /** How wide the terminal is. */
  readonly columns: number;
}
