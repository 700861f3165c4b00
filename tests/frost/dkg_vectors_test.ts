/**
 * The published key generation of FROST(Ed25519, SHA-512): the Zcash Foundation's frost-core test
 * vectors for frost-ed25519 (`vectors_dkg.json`, as corrected in April 2025 by pull request 875), 2 of
 * 3. Their proofs have no context, so they are checked with an empty one.
 *
 * The vectors name each proof but not the nonce behind it, so proofs are verified, not made anew; that
 * Floe makes the proofs that noble makes is in `dkg_noble_test.ts`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { decodeHex, encodeHex } from "../../lib/bytes.ts";
import { combineShares, dealShares } from "../../lib/frost/dkg.ts";
import { commitToShare } from "../../lib/frost/polynomial.ts";
import { dkgParameters, passCommitment, sharesFor } from "./key_generation.ts";
import { assertRefused } from "./signing.ts";

const PARAMETERS = dkgParameters(2, 3, new Uint8Array());

const VERIFYING_KEY = "3d9a67b93cec3acad2d32349cf7bdffaa23ae031a81174ddadae1c96bb455f4d";

const PARTICIPANTS = [
  {
    identifier: 1,
    coefficients: [
      "fc36bff380c95d607cd78080f493dd382df50f7007ec1b150b9bfbd8041fd208",
      "2d2c3e2b558e555b1608838e0ded66cd36d8aaa9ed1e39ce8474855d0825b20e",
    ],
    vssCommitment: [
      "db67948a73033b0c886ed757d97352428df05ad5803aff256bc388c9a0772bfe",
      "6a25b55a80a287826fbc3ef4d978d15f98f4f573f4d96e798a970780c644f14c",
    ],
    proofOfKnowledge: "64c41c1d0417aef33576c23a5150de2921d6249d7086b10012f942405fc08ed5" +
      "1a872dd021db2ac01e9f4182e950324c5f563421bd835f3f514a60c975cab70c",
    received: {
      2: "ebb85acf4d46173f519a8680eac89f567d3f4a568843b741b251cc2f3d112b05",
      3: "f088e2c4b3a7f81836968c642721031ed8828d2e3d532fecaa85c481e445000c",
    },
    signingShare: "2afd4ef9a27f9e636dd627ae56772951b98f929ebaa13b11ede611e82e9baf08",
    verifyingShare: "f6b5e87c902796d8dab6369cbd6d342a32e46c136e9f1f5af2fc385aed804de3",
  },
  {
    identifier: 2,
    coefficients: [
      "2b76dcb99b75fbada4ffdc213b1ae4ec7c1b2a5da25d9ea85741a3ab376ca307",
      "ad167472cc332ee98237a1018ea89a7e002420f9e5e518995a10298405a5870d",
    ],
    vssCommitment: [
      "17194e192408980956a9cfc388d38456b2e9619c42a57196facd7feaf980a3bd",
      "0b560ce2f1130dc7066fc47f6e3f1858ef553faf6bbc19d3cd2a502052f95ae5",
    ],
    proofOfKnowledge: "4062dc7fc11144e636f4eddd7f2d8d3e02761671ae913674314a12b91f50bf98" +
      "e9c410d651c45c3a1766c88524fccb7670de191e12686324c59333e74fc93402",
    received: {
      1: "7ce74f90f61fe466fcad9757527aeda99aa565c3e2298eb11484069415693606",
      3: "7fde55b354d5d8dddc940fe932de5d1a6110b9bc4edeba2db7b32c34074d3a0a",
    },
    signingShare: "b9ed88cb30a9ddbc00dbdf7c40d6c76f791989cf9f3119bad899287c5f6c2303",
    verifyingShare: "f326b756ed38b43a94bdac698e044d9e3f3a08a40e7c9d2e5346dd5bfaadf2f5",
  },
  {
    identifier: 3,
    coefficients: [
      "61336fd6127a18548f9709e01b64a8214ff561a02bc8a3aa9e575ccfc13ec60d",
      "7c29694bbb90f21c7d9b7a27eab63911898d2b8e118b8b410c2e68b222073a0e",
    ],
    vssCommitment: [
      "0e9c22b9edbcd06757eee5ba3cfeb74e4fa6470932aa1ab689c86f1fe3dde70c",
      "0ae6e3e6ff1d612adb5cabb425ee51f2be9952467ce9b6d83095322909a42dd7",
    ],
    proofOfKnowledge: "37df5a836ceaaf9f5e3b9ae6a485bad5c15788f3883386fe43f2921bbe2cb987" +
      "d23683ca18973065a00d69bbf74f7961889b820e64f98878df7844a4e4785907",
    received: {
      1: "bc3f985e314b276a3c192343816d7562d17d106dd048c77f99f88bf11d8ee804",
      2: "6b3e57fab1e74e61aacfd93d4926172a7e878a48540fe97367721e38485b3a00",
    },
    signingShare: "35b2b8fad8352f6e6a7c8fee082f45a339a37f0085c1f662c44c3f10903d970d",
    verifyingShare: "6bc91a2755902d955ce220ad0df6fbf57162260949d40bcf5a69cfffec9c085a",
  },
];

type Participant = typeof PARTICIPANTS[number];

Deno.test("frost-core's DKG vectors: each coefficient makes its commitment", () => {
  for (const { coefficients, vssCommitment } of PARTICIPANTS) {
    const made = coefficients.map((coefficient) =>
      assertDefined(commitToShare(decodeHex(coefficient)), "a coefficient of zero").toHex()
    );
    assert.deepEqual(made, vssCommitment);
  }
});

Deno.test("frost-core's DKG vectors: each proof of knowledge verifies without a context", () => {
  for (const participant of PARTICIPANTS) passCommitment(PARAMETERS, toCommitment(participant));
});

Deno.test("frost-core's DKG vectors: no proof of knowledge verifies under a context", () => {
  for (const context of [Uint8Array.of(0), new Uint8Array(32)]) {
    for (const participant of PARTICIPANTS) {
      const named = assertRefused(
        "bad-proof",
        () => passCommitment({ ...PARAMETERS, context }, toCommitment(participant)),
      );
      assert.equal(named, participant.identifier);
    }
  }
});

Deno.test("frost-core's DKG vectors: each polynomial makes the shares that the others received", () => {
  for (const participant of PARTICIPANTS) {
    for (const { receiver, secret } of deal(participant)) {
      const { received } = assertDefined(PARTICIPANTS[receiver - 1], "no receiver");
      if (receiver === participant.identifier) continue;
      const expected = (received as Record<number, string>)[participant.identifier];
      assert.equal(encodeHex(secret), expected);
    }
  }
});

Deno.test("frost-core's DKG vectors: each participant ends with its share, and all with the group", () => {
  const commitments = PARTICIPANTS.map((participant) =>
    passCommitment(PARAMETERS, toCommitment(participant))
  );
  const dealt = PARTICIPANTS.flatMap(deal);
  for (const { identifier, signingShare, verifyingShare } of PARTICIPANTS) {
    const shares = sharesFor(identifier, commitments, dealt);
    const { group, share } = combineShares(PARAMETERS, { identifier, commitments, shares });
    assert.equal(encodeHex(share.secret), signingShare);
    assert.equal(commitToShare(share.secret)?.toHex(), verifyingShare);
    assert.equal(encodeHex(group.groupPublicKey), VERIFYING_KEY);
    assert.deepEqual(
      [...group.verifyingShares].map(([of, key]) => [of, encodeHex(key)]),
      PARTICIPANTS.map((participant) => [participant.identifier, participant.verifyingShare]),
    );
  }
});

function toCommitment({ identifier, vssCommitment, proofOfKnowledge }: Participant) {
  return {
    identifier,
    vssCommitment: vssCommitment.map(decodeHex),
    proofOfKnowledge: decodeHex(proofOfKnowledge),
  };
}

function deal({ identifier, coefficients }: Participant) {
  return dealShares(PARAMETERS, { identifier, coefficients: coefficients.map(decodeHex) });
}
