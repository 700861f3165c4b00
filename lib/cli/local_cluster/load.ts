/**
 * Writes that `floe cluster` makes on demand, so that its screen has something to show.
 *
 * @module
 */

import { ClientError, type StoreClient } from "../../client/mod.ts";
import { pause } from "../../deadline.ts";
import type { LoadView } from "./screen.ts";

/** How many writes are under way at once. */
const WRITERS = 8;
/** How many keys are written again and again, so that the store does not grow. */
const KEYS = 100;
/** For how many seconds the counts are kept. */
const SECONDS_MAX = 60;
/** The pause of a writer after a failure, because a cluster without a leader fails at once. */
const FAILURE_PAUSE_MS = 200;

/** Writes as fast as the cluster takes them, from {@linkcode start} to {@linkcode stop}. */
export class WriteLoad {
  readonly #store: StoreClient;
  #stopping: AbortController | null = null;
  #perSecond: number[] = [];
  /** The counts of the present second. */
  #timesMs: number[] = [];
  #medianMs: number | null = null;

  /** Sends nothing yet. */
  constructor(store: StoreClient) {
    this.#store = store;
  }

  /** The figures for the screen. */
  get view(): LoadView {
    const isRunning = this.#stopping !== null;
    return { isRunning, perSecond: this.#perSecond, medianMs: this.#medianMs };
  }

  /** Begins to write, or stops. */
  toggle(): void {
    if (this.#stopping !== null) return this.stop();
    const stopping = new AbortController();
    this.#stopping = stopping;
    for (let writer = 0; writer < WRITERS; writer++) void this.#write(writer, stopping.signal);
  }

  /** Begins no further write. */
  stop(): void {
    this.#stopping?.abort();
    this.#stopping = null;
  }

  /** Ends the present second. */
  secondPassed(): void {
    const times = this.#timesMs.sort((left, right) => left - right);
    this.#timesMs = [];
    this.#medianMs = times[Math.floor(times.length / 2)] ?? null;
    this.#perSecond = [...this.#perSecond, times.length].slice(-SECONDS_MAX);
  }

  async #write(writer: number, signal: AbortSignal): Promise<void> {
    for (let count = 0; !signal.aborted; count++) {
      const startedMs = performance.now();
      try {
        await this.#store.put(`demo/${(count * WRITERS + writer) % KEYS}`, `${count}`);
        this.#timesMs.push(performance.now() - startedMs);
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        await pause(FAILURE_PAUSE_MS, signal);
      }
    }
  }
}
