/**
 * The chain of memberships as a node sent it, verified under a group key from outside.
 *
 * @module
 */

import { equalBytes } from "../../bytes.ts";
import {
  type GenesisStatement,
  type GroupKey,
  type Membership,
  parseGenesisStatement,
  verifyGenesis,
  verifyMembershipChain,
} from "../../certificate/mod.ts";
import { InputError } from "../../errors.ts";
import type { MembersChainBody } from "../../wire/mod.ts";

/** A chain that verifies under the key that its reader knew already. */
interface VerifiedChain {
  /** How the cluster was founded. */
  readonly founding: GenesisStatement;
  /** Who belongs to it now; at position 0 only what the genesis says, which nothing but itself proves. */
  readonly membership: Membership;
}

/**
 * Verifies a chain.
 *
 * @throws {InputError} when it is of another key or cluster, or anything in it does not verify.
 */
export function verifyChain(
  { genesis, founding: text, memberships }: MembersChainBody,
  key: GroupKey,
): VerifiedChain {
  const founding = genesis === null ? parseGenesisStatement(text) : verifyGenesis(genesis);
  if (!equalBytes(founding.publicKey, key.publicKey)) {
    throw new InputError("Cannot accept chain of memberships: it is of another group key");
  }
  if (key.cluster !== null && key.cluster !== founding.cluster) {
    throw new InputError(
      `Cannot accept chain of memberships: it is of cluster ${founding.cluster}, not ${key.cluster}`,
    );
  }
  return { founding, membership: verifyMembershipChain(founding, memberships) };
}
