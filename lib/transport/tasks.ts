/**
 * Work that goes on beside its caller, none of it unwatched.
 *
 * @module
 */

/** Keeps track of promises that nobody awaits one by one. */
export class Tasks {
  readonly #running = new Set<Promise<void>>();

  /** How many have not ended. */
  get size(): number {
    return this.#running.size;
  }

  /**
   * Watches `work`. What it throws is a bug of Floe's own, since everything else is handled within
   * it: it is reported as uncaught, which stops the process.
   */
  watch(work: Promise<void>): void {
    const task = work.catch(reportError).finally(() => this.#running.delete(task));
    this.#running.add(task);
  }

  /** Resolves once all have ended, those included that are added meanwhile. */
  async ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
