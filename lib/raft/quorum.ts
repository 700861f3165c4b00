/**
 * Counting quorums.
 *
 * @module
 */

import { assertDefined } from "../assert.ts";

/** The largest value that at least `quorum` of the values reach. */
export function quorumValue(values: readonly number[], quorum: number): number {
  const descending = [...values].sort((left, right) => right - left);
  return assertDefined(descending[quorum - 1], "There is a value for every voter");
}
