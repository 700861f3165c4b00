/**
 * Counts of what happened since the start, each under a name that is part of the status.
 *
 * @module
 */

/** A count for each of a fixed set of names. */
export class Counters<Name extends string> {
  readonly #counts: Record<Name, number>;

  /** Every count begins at zero. */
  constructor(names: readonly Name[]) {
    this.#counts = Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
  }

  /** A copy of what was counted so far. */
  get counts(): Readonly<Record<Name, number>> {
    return { ...this.#counts };
  }

  /** Adds `by` occurrences of `name`. */
  count(name: Name, by: number = 1): void {
    this.#counts[name] += by;
  }
}
