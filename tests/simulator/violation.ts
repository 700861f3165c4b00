/**
 * What a checker throws.
 *
 * @module
 */

/** A promise of Floe's that a run has broken: a bug in Floe, or in the simulator. */
export class Violation extends Error {
  /** Distinguishes this error from all that nodes throw by themselves. */
  override readonly name = "Violation";
  /** Which promise, in a few words: the same words for every violation of it. */
  readonly invariant: string;

  /** `details` says what was seen where. */
  constructor(invariant: string, details: string, options: { readonly cause?: unknown } = {}) {
    super(`${invariant}: ${details}`, options);
    this.invariant = invariant;
  }
}

/** @throws {Violation} unless `holds`. The details are only worked out when they are needed. */
export function require(holds: boolean, invariant: string, details: () => string): void {
  if (!holds) throw new Violation(invariant, details());
}
