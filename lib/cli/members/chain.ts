/**
 * Verifies the chain of memberships that a node sent, under a group key that the user knows.
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

/** What a verified chain proves. */
interface VerifiedChain {
  /** The founding of the cluster. */
  readonly founding: GenesisStatement;
  /** The newest membership. At position 0 it is only the genesis's own, which no membership proves yet. */
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
