/**
 * How a node joins a cluster. Its operator gives it the group key, and it trusts only what verifies under that
 * key.
 *
 * @module
 */

import {
  encodeGenesisStatement,
  type GenesisStatement,
  type GroupKey,
  type Membership,
  parseGenesisStatement,
  toFirstMembership,
  verifyGenesis,
  verifyMembership,
} from "../certificate/mod.ts";
import { type ClusterConfig, type PinnedClusterConfig } from "../config/mod.ts";
import { equalBytes } from "../bytes.ts";
import { InputError } from "../errors.ts";
import { type KeyFolder, writeJoinerKeys } from "../keys/mod.ts";
import type { MembershipChain } from "./members_api.ts";
import { membersConfig } from "./cluster_members.ts";

/** A cluster, as its verified chain of memberships shows it. */
export interface VerifiedCluster {
  /** What the genesis states. */
  readonly genesis: GenesisStatement;
  /** Its certificate; null if a dealer made the key. */
  readonly note: string | null;
  /** The newest membership of the chain. */
  readonly membership: Membership;
}

/**
 * Verifies a cluster's chain of memberships under a key that the operator knows.
 *
 * @throws {InputError} when the chain belongs to another key, or does not verify. If a dealer made the key and
 * there is no membership yet, nothing proves the genesis.
 */
export function verifyCluster(
  chain: Pick<MembershipChain, "genesis" | "founding" | "memberships">,
  key: GroupKey,
): VerifiedCluster {
  const { genesis: note, founding, memberships } = chain;
  const genesis = parseGenesisStatement(founding);
  const isNamed = key.cluster === null || key.cluster === genesis.cluster;
  if (!isNamed || !equalBytes(genesis.publicKey, key.publicKey)) {
    throw new InputError(
      `Cannot join: the node that was asked belongs to ${genesis.cluster}, whose key is another than the ` +
        "one given. Compare the key with the cluster's operators, and ask a node of that cluster",
    );
  }
  if (note !== null && encodeGenesisStatement(verifyGenesis(note)) !== founding) {
    throw new InputError("Cannot join: the genesis certificate is of another genesis");
  }
  if (note === null && memberships.length === 0) {
    throw new InputError(
      "Cannot join: nothing proves the cluster's genesis yet, as no member changed",
    );
  }
  const membership = memberships.reduce(verifyMembership, toFirstMembership(genesis));
  return { genesis, note, membership };
}

/** The nodes of a verified cluster, as a `cluster.json` lists them; `settings` are its times and limits. */
export function toVerifiedConfig(
  { membership }: Pick<VerifiedCluster, "membership">,
  settings: Pick<ClusterConfig, "timing" | "log" | "history">,
): PinnedClusterConfig {
  return membersConfig(membership, settings);
}

/**
 * Writes what a new member knows about its cluster into its folder, where its identity already is. `floe node`
 * then runs it like any other; it gets its share from the voters.
 *
 * @throws {KeyFileError} when the folder holds keys already.
 * @throws {EnvironmentError} when the folder or the disk refuses.
 */
export function writeJoiner(folder: KeyFolder, { genesis, note }: VerifiedCluster): void {
  const { cluster, epoch, threshold, publicKey } = genesis;
  const voters = genesis.voters.map(({ id, identifier, verifyingShare }) => ({
    id,
    identifier,
    verifyingShare,
  }));
  const founding = note === null ? encodeGenesisStatement(genesis) : null;
  const group = { cluster, epoch, threshold, publicKey, voters };
  writeJoinerKeys(folder, { group, genesis: note, founding });
}
