/**
 * Small clusters for tests: a dealt key, and a certifier for every voter.
 *
 * @module
 */

import { assertDefined } from "../../lib/assert.ts";
import type { Certifier, ElectionFields, Group } from "../../lib/certificate/certifier.ts";
import { createCertifier } from "../../lib/certificate/mod.ts";
import { trustedDealerKeygen } from "../../lib/frost/mod.ts";
import {
  type NodeId,
  toClusterName,
  toEpoch,
  toLogIndex,
  toNodeId,
  toTerm,
} from "../../lib/types.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";
import { createCertifierDouble } from "../support/certifier_double.ts";

/** A cluster whose voters can all be asked. */
export interface TestCluster {
  /** Its public keys. */
  readonly group: Group;
  /** Its voters' secrets. */
  readonly shares: ReadonlyMap<NodeId, Uint8Array>;
  /** Its voters' certifiers, in order. */
  readonly certifiers: readonly Certifier[];
  /** The voters, in order. */
  readonly voters: readonly NodeId[];
}

/** Deals a cluster's key and makes all its certifiers; the same for the same seed. */
export function createTestCluster(
  options: { readonly threshold: number; readonly voters: number; readonly seed?: number },
): TestCluster {
  const { threshold, seed = 1 } = options;
  const cluster = toClusterName("floe-test");
  const voters = nodeIds(options.voters);
  const randomBytes = seededBytes(seed);
  const dealt = trustedDealerKeygen({
    minParticipants: threshold,
    maxParticipants: options.voters,
    randomBytes,
  });
  const group: Group = {
    cluster,
    epoch: toEpoch(1),
    threshold,
    publicKey: dealt.group.groupPublicKey,
    voters: voters.map((id, at) => ({
      id,
      identifier: at + 1,
      verifyingShare: assertDefined(dealt.group.verifyingShares.get(at + 1), "no share"),
    })),
  };
  const shares = new Map(
    dealt.shares.map(({ identifier, secret }) => [nodeId(identifier), secret]),
  );
  const certifiers = voters.map((self) =>
    createCertifier({
      group,
      self,
      share: assertDefined(shares.get(self), "no share"),
      randomBytes,
    })
  );
  return { group, shares, certifiers, voters };
}

/** The doubles of a cluster's voters. */
export function createTestDoubles(
  options: { readonly threshold: number; readonly voters: number; readonly seed?: number },
): readonly Certifier[] {
  const voters = nodeIds(options.voters).map((id, at) => ({ id, identifier: at + 1 }));
  const randomBytes = seededBytes(options.seed ?? 1);
  const { threshold } = options;
  const [cluster, epoch] = [toClusterName("floe-test"), toEpoch(1)];
  return voters.map(({ id: self }) =>
    createCertifierDouble({ cluster, epoch, threshold, voters, self, randomBytes })
  );
}

/** `server_1`, `server_2`, ... */
export function nodeId(number: number): NodeId {
  return toNodeId(`server_${number}`);
}

/** The fields of an election of `server_1`, where not told otherwise. */
export function electionFields(
  fields: { readonly term?: number; readonly leader?: NodeId; readonly epoch?: number } = {},
): ElectionFields {
  return {
    epoch: toEpoch(fields.epoch ?? 1),
    term: toTerm(fields.term ?? 7),
    leader: fields.leader ?? nodeId(1),
    lastLogIndex: toLogIndex(42),
    lastLogTerm: toTerm(6),
  };
}

function nodeIds(count: number): NodeId[] {
  return Array.from({ length: count }, (_, at) => nodeId(at + 1));
}
