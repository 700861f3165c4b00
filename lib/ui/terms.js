// @ts-check
/// <reference lib="dom" />

/**
 * The colour of a term, the same in the ring, the logs and the elections. Neighbouring terms differ well.
 *
 * @module
 */

const COLOURS = 8;

/**
 * A colour of style.css.
 *
 * @param {number} term
 * @returns {string}
 */
export function termColour(term) {
  return term === 0 ? "var(--line)" : `var(--term-${(term * 3) % COLOURS})`;
}
