/**
 * How commands tell what a cluster can stand.
 *
 * @module
 */

import { marginsOf, marginWarnings, type Quorum } from "../margins.ts";
import type { OutputStream } from "./command.ts";

/** The margins as fields for people, for `printFields`. */
export function marginFields(quorum: Quorum): readonly (readonly [name: string, value: string])[] {
  const { n } = quorum;
  const { crashed, lying, sharesLost, sharesToForge } = marginsOf(quorum);
  return [
    ["may be down", `${crashed} of ${n} nodes, and the others elect and write`],
    ["may lie", `${lying} of ${n} voters, and no term has two leaders`],
    ["may be lost", `${sharesLost} of ${n} shares; with one more, nobody is elected again`],
    ["may be stolen", `${sharesToForge - 1} of ${n} shares; with one more, the thief elects`],
  ];
}

/** The margins that people ask for first, in a few words. */
export function describeMargins(quorum: Quorum): string {
  const { crashed, lying } = marginsOf(quorum);
  return `${crashed} of ${quorum.n} nodes down, ${lying} lying`;
}

/** Says on `stderr` what an operator of such a cluster should know; nothing for most clusters. */
export function printMarginWarnings(stderr: OutputStream, quorum: Quorum): void {
  for (const warning of marginWarnings(quorum)) stderr.write(`warning: ${warning}\n`);
}
