/**
 * All deliberate bugs. `deno task mutants` shows that the simulator catches every one, or the tests that the
 * mutant names: one that survives is a hole there, to be closed there.
 *
 * @module
 */

import { InputError } from "../../lib/errors.ts";
import { CLIENT_MUTANTS } from "./client_mutants.ts";
import { ELECTION_MUTANTS } from "./election_mutants.ts";
import { LIMIT_MUTANTS } from "./limit_mutants.ts";
import { MEMBERS_MUTANTS } from "./members_mutants.ts";
import type { Mutant } from "./mutant.ts";
import { REPLICATION_MUTANTS } from "./replication_mutants.ts";
import { STORAGE_MUTANTS } from "./storage_mutants.ts";
import { STORE_MUTANTS } from "./store_mutants.ts";

/** See the module. */
export const MUTANTS: readonly Mutant[] = [
  ...ELECTION_MUTANTS,
  ...REPLICATION_MUTANTS,
  ...LIMIT_MUTANTS,
  ...STORAGE_MUTANTS,
  ...CLIENT_MUTANTS,
  ...STORE_MUTANTS,
  ...MEMBERS_MUTANTS,
];

/** The mutants of these names, or all where none is named. @throws {InputError} for a name of none. */
export function chooseMutants(names: readonly string[]): readonly Mutant[] {
  const unknown = names.find((name) => !MUTANTS.some((mutant) => mutant.name === name));
  if (unknown !== undefined) {
    throw new InputError(`There is no mutant ${unknown}; docs/mutants.md lists all`);
  }
  return names.length === 0 ? MUTANTS : MUTANTS.filter(({ name }) => names.includes(name));
}
