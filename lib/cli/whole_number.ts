/**
 * Reading whole numbers among a command's options.
 *
 * @module
 */

import { InvalidArgumentError } from "commander";

/** A parser of whole numbers in decimal, from 1 to `most`, without leading zeros. */
export function wholeNumberUpTo(most: number): (text: string) => number {
  return (text) => {
    const value = /^[1-9][0-9]{0,15}$/.test(text) ? Number(text) : NaN;
    if (value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${most}.`);
  };
}
