/**
 * A deliberate bug, as a small change to one file. The place is named by its text and not by a line
 * number, so that it survives every change that leaves the rule itself as it is.
 *
 * @module
 */

import { InputError } from "../../lib/errors.ts";
import type { DirectedWorld } from "../simulator/directed_worlds.ts";
import type { LieKind } from "../simulator/fault_kinds.ts";

/** One deliberate bug. */
export interface Mutant {
  /** A name, in kebab case. */
  readonly name: string;
  /** What goes wrong, in words. */
  readonly bug: string;
  /** The file, relative to the project's root. */
  readonly file: string;
  /** What stands there exactly once. */
  readonly find: string;
  /** What stands there in the mutant. */
  readonly replace: string;
  /** The file of tests that finds it, where the simulator's clusters cannot. */
  readonly test?: string;
  /** The world that finds it where seeds take too long: a directed one, or the liars' with one lie. */
  readonly world?: DirectedWorld | LieKind;
}

/**
 * The file's text with the bug in it.
 *
 * @throws {InputError} unless what is to be found stands there exactly once.
 */
export function mutate(mutant: Mutant, text: string): string {
  const parts = text.split(mutant.find);
  if (parts.length !== 2) {
    throw new InputError(
      `Cannot apply mutant ${mutant.name}: its place stands ${parts.length - 1} times in ` +
        `${mutant.file}, not once`,
    );
  }
  return parts.join(mutant.replace);
}
