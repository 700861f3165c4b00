/**
 * The voters of a run and their certifiers: real FROST from a dealt key, or the double.
 *
 * @module
 */

import { createPublicKey } from "node:crypto";
import { assertDefined } from "../../lib/assert.ts";
import type { Certifier } from "../../lib/certificate/certifier.ts";
import { createCertifierDouble } from "../../lib/certificate/certifier_double.ts";
import { createCertifier, type Group, verifyCertificate } from "../../lib/certificate/mod.ts";
import { toPrivateKey, trustedDealerKeygen } from "../../lib/frost/mod.ts";
import {
  type ClusterName,
  type NodeId,
  type Term,
  toClusterName,
  toEpoch,
  toNodeId,
} from "../../lib/types.ts";
import type { Random } from "./random.ts";
import type { Scenario } from "./scenario.ts";

/** Who votes, and with what. */
export interface Voters {
  /** Their names, in order. */
  readonly ids: readonly NodeId[];
  /** A certifier without a nonce, for a new life of a node. */
  readonly createCertifier: (self: NodeId, random: Random) => Certifier;
  /** Verifies a note as an outsider would. @throws when it is not genuine. */
  readonly verify: (note: string, expected: { term: Term; leader: NodeId }) => unknown;
}

const CLUSTER: ClusterName = toClusterName("simulated");
const EPOCH = toEpoch(1);

/** The voters of a run. */
export function createVoters(scenario: Scenario, random: Random): Voters {
  const ids = Array.from({ length: scenario.size }, (_, at) => toNodeId(`n${at + 1}`));
  const voters = scenario.realFrost
    ? dealVoters(ids, scenario.threshold, random)
    : doubleVoters(ids, scenario.threshold, random);
  return rememberNotes(voters);
}

/** Besides being verified, a note must be one that shares were combined into. */
function rememberNotes(voters: Voters): Voters {
  const combined = new Set<string>();
  return {
    ids: voters.ids,
    createCertifier: (self, random) => {
      const certifier = voters.createCertifier(self, random);
      const combine = certifier.combine.bind(certifier);
      certifier.combine = (request, shares) => {
        const result = combine(request, shares);
        if (result.kind === "certificate") combined.add(result.certificate.note);
        return result;
      };
      return certifier;
    },
    verify: (note, expected) => {
      if (!combined.has(note)) throw new Error("no shares were ever combined into it");
      return voters.verify(note, expected);
    },
  };
}

function doubleVoters(ids: readonly NodeId[], threshold: number, random: Random): Voters {
  const voters = ids.map((id, at) => ({ id, identifier: at + 1 }));
  const create = (self: NodeId, random: Random) =>
    createCertifierDouble({
      cluster: CLUSTER,
      epoch: EPOCH,
      threshold,
      voters,
      self,
      randomBytes: (length) => random.bytes(length),
    });
  const outsider = create(assertDefined(ids[0], "There are voters"), random);
  const verify: Voters["verify"] = (note, expected) => outsider.verify(note, expected);
  return { ids, createCertifier: create, verify };
}

function dealVoters(ids: readonly NodeId[], threshold: number, random: Random): Voters {
  const { group, shares } = deal(ids, threshold, (length) => random.bytes(length));
  return {
    ids,
    createCertifier: (self, random) =>
      createCertifier({
        group,
        self,
        share: assertDefined(shares.get(self), `${self} has a share`),
        randomBytes: (length) => random.bytes(length),
      }),
    verify: (note, expected) =>
      verifyCertificate(note, { cluster: CLUSTER, publicKey: group.publicKey }, expected),
  };
}

interface Dealt {
  readonly group: Group;
  readonly shares: ReadonlyMap<NodeId, Uint8Array>;
}

function deal(
  ids: readonly NodeId[],
  threshold: number,
  randomBytes: (length: number) => Uint8Array,
): Dealt {
  const common = { cluster: CLUSTER, epoch: EPOCH, threshold };
  const [only] = ids;
  if (ids.length === 1 && only !== undefined) {
    const seed = randomBytes(32);
    const publicKey = publicKeyOf(seed);
    const voters = [{ id: only, identifier: 1, verifyingShare: publicKey }];
    return { group: { ...common, publicKey, voters }, shares: new Map([[only, seed]]) };
  }
  const dealt = trustedDealerKeygen({
    minParticipants: threshold,
    maxParticipants: ids.length,
    randomBytes,
  });
  const voters = ids.map((id, at) => ({
    id,
    identifier: at + 1,
    verifyingShare: assertDefined(dealt.group.verifyingShares.get(at + 1), "Everyone has one"),
  }));
  const shares = new Map(dealt.shares.map(({ identifier, secret }) => {
    return [assertDefined(ids[identifier - 1], "Identifiers count from 1"), secret];
  }));
  return { group: { ...common, publicKey: dealt.group.groupPublicKey, voters }, shares };
}

/** SubjectPublicKeyInfo ends with the raw key (RFC 8410 §4). */
function publicKeyOf(seed: Uint8Array): Uint8Array {
  const der = createPublicKey(toPrivateKey("ed25519", seed)).export({
    format: "der",
    type: "spki",
  });
  return new Uint8Array(der).slice(-32);
}
