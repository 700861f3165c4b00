/**
 * How often each thing happened, so that a fault that never fires is seen.
 *
 * @module
 */

/** Counts by name. */
export class Counters {
  readonly #counts = new Map<string, number>();

  /** One more. */
  count(name: string, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
  }

  /** How often so far. */
  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** Adds all of another's counts. */
  add(counts: Readonly<Record<string, number>>): void {
    for (const [name, count] of Object.entries(counts)) this.count(name, count);
  }

  /** Everything, by name. */
  toRecord(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([left], [right]) => left < right ? -1 : 1));
  }
}
