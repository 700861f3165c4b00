/**
 * How a node joins a cluster: it was given the group key from outside, and believes nothing of the cluster that
 * does not verify under it.
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

/** A cluster, as a chain shows it that was verified. */
export interface VerifiedCluster {
  /** What the genesis states. */
  readonly genesis: GenesisStatement;
  /** Its certificate; null where a dealer made the key. */
  readonly note: string | null;
  /** Where the chain stands. */
  readonly membership: Membership;
}

/**
 * Verifies a cluster's chain of memberships under a key that is known from outside.
 *
 * @throws {InputError} when it is of another key, or does not verify. Without any membership, nothing proves the
 * genesis of a key that a dealer made.
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

/** What a verified cluster's nodes are, as a `cluster.json` says it; `settings` are its times and limits. */
export function toVerifiedConfig(
  { membership }: Pick<VerifiedCluster, "membership">,
  settings: Pick<ClusterConfig, "timing" | "log" | "history">,
): PinnedClusterConfig {
  return membersConfig(membership, settings);
}

/**
 * Writes what a new member knows of its cluster into its folder, where its identity is already. `floe node` then
 * runs it as any other; it gets its share from the voters.
 *
 * @throws {KeyFileError} when the folder holds keys already.
 * @throws {EnvironmentError} when the disk or the folder does not let it.
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
