/**
 * Whether a durable record is one that this node can have written. To take up any other could make it
 * sign twice, or call itself done without the share that it signed for.
 *
 * @module
 */

import { toGroupPublicKeys } from "../certificate/frost_certifier.ts";
import {
  describeRosterDifference,
  encodeGenesisStatement,
  type GenesisStatement,
  parseGenesisStatement,
  verifyGenesis,
} from "../certificate/mod.ts";
import { InputError } from "../errors.ts";
import { checkSecretShare } from "../frost/mod.ts";
import type { Plan } from "./configuration.ts";
import type { DurableKeyGeneration, DurableShare } from "./durable.ts";

/**
 * Checks that the parts of a record belong together, and to the plan.
 *
 * @throws {InputError} when the record is of another configuration, or damaged.
 */
export function checkRecord(plan: Plan, record: DurableKeyGeneration): void {
  const { configuration, attempt, share, genesis } = record;
  if (configuration !== plan.configuration) {
    throw refused(
      `it was begun under configuration ${configuration}, and this is ${plan.configuration}`,
    );
  }
  if (share !== null) {
    if (share.attempt > attempt) {
      throw refused(`its share is of attempt ${share.attempt}, and the last was ${attempt}`);
    }
    checkShare(plan, share);
  }
  if (genesis === null) return;
  const statement = encodeGenesisStatement(verifyGenesis(genesis, plan.roster));
  if (share?.signed && share.statement === statement) return;
  throw refused("its genesis certificate is not of the share that is kept with it");
}

function checkShare({ roster, identifier }: Plan, { statement: text, secret }: DurableShare): void {
  const statement: GenesisStatement = parseGenesisStatement(text);
  const difference = describeRosterDifference(statement, roster);
  if (difference !== null) throw refused(`in the statement of its share, ${difference}`);
  checkSecretShare(toGroupPublicKeys(statement), { identifier, secret });
}

function refused(why: string): InputError {
  return new InputError(`Cannot resume key generation: ${why}`);
}
