/**
 * The voters of a run and their certifiers: real FROST from a dealt key, or the double.
 *
 * @module
 */

import { createPublicKey } from "node:crypto";
import { assertDefined, InvariantError } from "../../lib/assert.ts";
import type { Certifier } from "../../lib/certificate/certifier.ts";
import { createCertifier, type Group, verifyCertificate } from "../../lib/certificate/mod.ts";
import { trustedDealerKeygen } from "../../lib/frost/mod.ts";
import { toPrivateKey } from "../../lib/native_key.ts";
import {
  type ClusterName,
  type Epoch,
  type NodeId,
  type Term,
  toClusterName,
  toEpoch,
  toNodeId,
} from "../../lib/types.ts";
import { createCertifierDouble } from "../support/certifier_double.ts";
import { signForeignNote } from "./foreign_note.ts";
import type { ChangingKeys } from "./members/changing_keys.ts";
import type { Random } from "./random.ts";
import type { Scenario } from "./scenario.ts";

/** A claim to lead. */
interface Claim {
  /** In which term. */
  readonly term: Term;
  /** Who. */
  readonly leader: NodeId;
}

/** Who votes, and with what. */
export interface Voters {
  /** Their names, in order. */
  readonly ids: readonly NodeId[];
  /** A certifier without a nonce, for a new life of a node. */
  readonly createCertifier: (self: NodeId, random: Random) => Certifier;
  /** A genuine note under the same key, of another cluster or another epoch. */
  readonly signElsewhere: (claim: Claim, random: Random) => string;
  /** Verifies a note as an outsider would. @throws when it is not genuine. */
  readonly verify: (note: string, expected: Claim) => unknown;
}

/** What a certifier belongs to. */
interface Place {
  readonly cluster: ClusterName;
  readonly epoch: Epoch;
}

/** Who holds a share, and draws nonces from where. */
interface Holder {
  readonly self: NodeId;
  readonly random: Random;
}

/** Certifiers of one key. */
interface KeyHolders {
  readonly create: (place: Place, holder: Holder) => Certifier;
  readonly verify: Voters["verify"];
}

/** The epoch of the voters of every run. */
export const EPOCH: Epoch = toEpoch(1);
const HOME: Place = { cluster: toClusterName("simulated"), epoch: EPOCH };
const ELSEWHERE: readonly Place[] = [
  { ...HOME, cluster: toClusterName("another") },
  { ...HOME, epoch: toEpoch(2) },
];

/** The nodes of a run whose members change; no certifier of theirs is made here. */
export function createChangingVoters(
  { size, members }: Pick<Scenario, "size" | "members">,
  keys: ChangingKeys,
): Voters {
  const ids = Array.from({ length: size + (members?.joiners ?? 0) }, (_, at) => {
    return toNodeId(`n${at + 1}`);
  });
  const outsider = keys.outsider();
  const none = (): never => {
    throw new InvariantError("Nobody lies where members change");
  };
  return {
    ids,
    createCertifier: none,
    signElsewhere: none,
    verify: (note, expected) => outsider.verify(note, expected),
  };
}

/** The voters of a run. */
export function createVoters(scenario: Scenario, random: Random): Voters {
  const ids = Array.from({ length: scenario.size }, (_, at) => toNodeId(`n${at + 1}`));
  const { threshold } = scenario;
  const dealing = { ids, threshold, random };
  const holders = scenario.realFrost ? dealKeys(dealing) : holdNothing(dealing);
  const signers = ids.slice(0, threshold);
  return rememberNotes({
    ids,
    createCertifier: (self, random) => holders.create(HOME, { self, random }),
    signElsewhere: (claim, random) => {
      const place = random.pick(ELSEWHERE);
      const certifiers = signers.map((self) => {
        return [self, holders.create(place, { self, random })] as const;
      });
      return signForeignNote(new Map(certifiers), claim);
    },
    verify: holders.verify,
  });
}

/** Besides being verified, a note must be one that shares were combined into. */
function rememberNotes(voters: Voters): Voters {
  const combined = new Set<string>();
  return {
    ...voters,
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

/** Among whom a key is dealt, or none is. */
interface Dealing {
  readonly ids: readonly NodeId[];
  readonly threshold: number;
  readonly random: Random;
}

function holdNothing({ ids, threshold, random }: Dealing): KeyHolders {
  const voters = ids.map((id, at) => ({ id, identifier: at + 1 }));
  const create: KeyHolders["create"] = (place, { self, random }) =>
    createCertifierDouble({
      ...place,
      threshold,
      voters,
      self,
      randomBytes: (length) => random.bytes(length),
    });
  const outsider = create(HOME, { self: assertDefined(ids[0], "There are voters"), random });
  return { create, verify: (note, expected) => outsider.verify(note, expected) };
}

function dealKeys(dealing: Dealing): KeyHolders {
  const { group, shares } = deal(dealing);
  const { cluster } = HOME;
  return {
    create: (place, { self, random }) =>
      createCertifier({
        group: { ...group, ...place },
        self,
        share: assertDefined(shares.get(self), `${self} has a share`),
        randomBytes: (length) => random.bytes(length),
      }),
    verify: (note, expected) =>
      verifyCertificate(note, { cluster, publicKey: group.publicKey }, expected),
  };
}

interface Dealt {
  readonly group: Group;
  readonly shares: ReadonlyMap<NodeId, Uint8Array>;
}

function deal({ ids, threshold, random }: Dealing): Dealt {
  const randomBytes = (length: number) => random.bytes(length);
  const common = { ...HOME, threshold };
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
