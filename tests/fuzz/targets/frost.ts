/**
 * What voters send each other to sign, and what they send to make a key.
 *
 * @module
 */

import assert from "node:assert/strict";
import { concatBytes } from "../../../lib/bytes.ts";
import {
  CertificateError,
  type Certifier,
  type SignerCommitment,
  type SigningRequest,
} from "../../../lib/certificate/mod.ts";
import { checkPairwiseShare } from "../../../lib/frost/dkg.ts";
import {
  checkPolynomialCommitment,
  hashPolynomialCommitment,
  type PolynomialCommitment,
} from "../../../lib/frost/dkg_commitment.ts";
import { FrostError } from "../../../lib/frost/mod.ts";
import { type NodeId, toEpoch, toNodeId, toTerm } from "../../../lib/types.ts";
import { createTestCluster, electionFields } from "../../certificate/cluster.ts";
import { runRounds } from "../../certificate/election.ts";
import { dkgParameters, generateKeys } from "../../frost/key_generation.ts";
import { BAD_ENCODINGS, GOOD_POINT, MIXED_ORDER_POINTS } from "../../frost/weak_points.ts";
import type { Random } from "../../simulator/random.ts";
import { mutateBytes } from "../mutate_bytes.ts";
import { ACCEPTED, bytesTarget, pureTarget, refusing, type Target } from "../target.ts";

/** The order of the group, and one less, as scalars. */
const EDGE_SCALARS = ["ed", "ec", "00"].map((lowest) =>
  Uint8Array.fromHex(lowest + "d3f55c1a631258d69cf7a2def9de14".padEnd(60, "0") + "10")
);
const CLUSTER = createTestCluster({ threshold: 2, voters: 3 });
const [FIRST, SECOND, THIRD] = CLUSTER.voters as [NodeId, NodeId, NodeId];
const [CERTIFIER] = CLUSTER.certifiers as [Certifier];
const PARAMETERS = dkgParameters(2, 3);
const KEYS = generateKeys(PARAMETERS);

/** A voter's commitment, as it arrives with its vote. */
export const commitments: Target = bytesTarget({
  name: "commitments",
  share: 30,
  draw: drawCommitment,
  give: (commitment) =>
    refusing([CertificateError], () => CERTIFIER.checkCommitment(SECOND, commitment)),
});

/** A request for a share. A voter signs nothing that it does not find right in every part. */
export const signingRequests: Target = pureTarget<SigningRequest>({
  name: "signing-requests",
  share: 15,
  draw: (random) => {
    const term = toTerm(random.between(1, 9));
    const leader = random.chance(0.9) ? FIRST : random.pick([SECOND, toNodeId("nobody")]);
    const epoch = toEpoch(random.chance(0.9) ? 1 : random.between(1, 9));
    const list = [FIRST, SECOND].map((voter): SignerCommitment => ({
      voter,
      commitment: voter === FIRST
        ? CERTIFIER.commit({ term, candidate: FIRST })
        : drawCommitment(random),
    }));
    const election = { ...electionFields(), epoch, term, leader };
    return { election, commitments: random.chance(0.6) ? list : mutateList(list, random) };
  },
  show: ({ election, commitments }) => {
    const list = commitments.map(({ voter, commitment }) => `${voter} ${commitment.toHex()}`);
    return JSON.stringify({ election, commitments: list });
  },
  bytesOf: ({ commitments }) => 64 * commitments.length,
  give: (request) => {
    const outcome = refusing([CertificateError], () => {
      assert.equal(CERTIFIER.sign(CERTIFIER.takeNonce(request)).length, 32);
    });
    CERTIFIER.forgetBelow(toTerm(10));
    return outcome;
  },
});

/** Shares of a session: they make a certificate, or whoever spoilt it is named. */
export const signatureShares: Target = pureTarget<ReadonlyMap<NodeId, Uint8Array>>({
  name: "signature-shares",
  share: 10,
  draw: (random) => {
    const spoilt = [...SIGNED.shares].map(([voter, share]) =>
      [voter, random.chance(0.4) ? share : drawScalar(share, random)] as const
    );
    return new Map(spoilt);
  },
  show: (shares) => JSON.stringify([...shares].map(([voter, share]) => [voter, share.toHex()])),
  bytesOf: () => 64,
  give: (shares) => {
    const wrong = [...shares].filter(([voter, share]) =>
      share.toHex() !== SIGNED.shares.get(voter)?.toHex()
    ).map(([voter]) => voter);
    const result = CERTIFIER.combine(SIGNED.request, shares);
    assert.deepEqual(result.kind === "cheaters" ? result.voters : [], wrong);
    return result.kind === "certificate" ? ACCEPTED : `${result.voters.length} cheaters`;
  },
});

const SIGNED = runRounds(CLUSTER.certifiers, [0, 2], electionFields({ leader: FIRST }));
assert.ok(SIGNED.shares.has(THIRD));

/** What a participant reveals of its polynomial. */
export const polynomials: Target = pureTarget<PolynomialCommitment>({
  name: "polynomials",
  share: 20,
  draw: (random) => {
    const { commitment } = random.pick(KEYS.beginnings);
    const element = (bytes: Uint8Array) => random.chance(0.7) ? bytes : drawPoint(random);
    const vssCommitment = commitment.vssCommitment.map(element);
    if (random.chance(0.1)) vssCommitment.push(GOOD_POINT);
    const proof = commitment.proofOfKnowledge;
    return {
      identifier: random.chance(0.8) ? commitment.identifier : random.between(-1, 5),
      vssCommitment,
      proofOfKnowledge: random.chance(0.7) ? proof : mutateBytes(proof, random),
    };
  },
  show: ({ identifier, vssCommitment, proofOfKnowledge }) =>
    JSON.stringify([identifier, vssCommitment.map((e) => e.toHex()), proofOfKnowledge.toHex()]),
  bytesOf: ({ vssCommitment }) => 32 * vssCommitment.length,
  give: (commitment) =>
    refusing([FrostError], () => {
      // The hash that the sender would have sent before; one it could not have made is refused too.
      const hash = Number.isSafeInteger(commitment.identifier) && commitment.identifier >= 0
        ? hashPolynomialCommitment(PARAMETERS, commitment)
        : new Uint8Array(64);
      checkPolynomialCommitment(PARAMETERS, commitment, hash);
    }),
});

/** A share from one participant for another. */
export const pairwiseShares: Target = bytesTarget({
  name: "pairwise-shares",
  share: 20,
  draw: (random) => {
    const { secret } = KEYS.dealt[0] ?? { secret: new Uint8Array(32) };
    return random.chance(0.1) ? secret : drawScalar(secret, random);
  },
  give: (secret) =>
    refusing([FrostError], () => {
      const [commitment] = KEYS.commitments;
      assert.ok(commitment !== undefined);
      checkPairwiseShare(commitment, { receiver: 1, secret });
    }),
});

function drawCommitment(random: Random): Uint8Array {
  const commitment = random.chance(0.4)
    ? concatBytes(GOOD_POINT, GOOD_POINT)
    : concatBytes(drawPoint(random), drawPoint(random));
  return random.chance(0.2) ? mutateBytes(commitment, random) : commitment;
}

/** An encoding of a point, most often of one that is to be refused. */
function drawPoint(random: Random): Uint8Array {
  switch (random.below(4)) {
    case 0:
      return random.bytes(32);
    case 1:
      return random.pick(BAD_ENCODINGS)[2];
    case 2:
      return random.pick(MIXED_ORDER_POINTS);
    default:
      return mutateBytes(GOOD_POINT, random);
  }
}

function drawScalar(scalar: Uint8Array, random: Random): Uint8Array {
  return random.chance(0.4) ? random.pick(EDGE_SCALARS) : mutateBytes(scalar, random);
}

function mutateList(list: readonly SignerCommitment[], random: Random): SignerCommitment[] {
  switch (random.below(4)) {
    case 0:
      return list.slice(1);
    case 1:
      return list.toReversed();
    case 2:
      return [...list, ...list];
    default:
      return list.map((entry) => ({ ...entry, voter: random.pick([THIRD, toNodeId("nobody")]) }));
  }
}
