import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import {
  beginKeyGeneration,
  checkPairwiseShare,
  combineShares,
  dealShares,
  erasePolynomial,
} from "../../lib/frost/dkg.ts";
import { checkGroupPublicKeys, checkSecretShare } from "../../lib/frost/keys.ts";
import {
  beginAll,
  dkgParameters,
  generateKeys,
  passCommitment,
  sharesFor,
} from "./key_generation.ts";
import { seededBytes } from "./seeded_bytes.ts";
import { assertRefused } from "./signing.ts";

const PARAMETERS = dkgParameters(2, 3);

Deno.test("key generation gives all participants one group, and each its own share of it", () => {
  for (const [threshold, participants] of [[2, 2], [2, 3], [3, 3], [3, 4]] as const) {
    const { results } = generateKeys(dkgParameters(threshold, participants));
    const { group } = assertDefined(results[0], "no result");
    checkGroupPublicKeys(group);
    for (const result of results) {
      assert.deepEqual(result.group, group);
      checkSecretShare(group, result.share);
    }
    assert.equal(new Set(results.map(({ share }) => share.secret.toHex())).size, participants);
  }
});

Deno.test("key generation makes another key from other randomness of one participant", () => {
  const keyOf = (seed: number) => {
    const { results } = generateKeys(
      PARAMETERS,
      (identifier) => seededBytes(identifier === 3 ? seed : identifier),
    );
    return results[0]?.group.groupPublicKey.toHex();
  };
  assert.equal(keyOf(7), keyOf(7));
  assert.notEqual(keyOf(7), keyOf(8));
});

for (const [threshold, participants] of [[1, 3], [0, 3], [4, 3], [1, 1], [1.5, 3], [2, 65_536]]) {
  Deno.test(`beginKeyGeneration() refuses ${threshold} of ${participants}`, () => {
    const parameters = dkgParameters(threshold ?? 0, participants ?? 0);
    assertRefused(
      "bad-threshold",
      () => beginKeyGeneration(parameters, { identifier: 1, randomBytes: seededBytes(1) }),
    );
  });
}

for (const identifier of [0, -1, 4, 1.5, NaN]) {
  Deno.test(`beginKeyGeneration() refuses participant ${identifier} of 3`, () => {
    assertRefused(
      "bad-identifier",
      () => beginKeyGeneration(PARAMETERS, { identifier, randomBytes: seededBytes(1) }),
    );
  });
}

Deno.test("beginKeyGeneration() does not go on with too little randomness", () => {
  const randomBytes = () => new Uint8Array(16).fill(1);
  assert.throws(
    () => beginKeyGeneration(PARAMETERS, { identifier: 1, randomBytes }),
    { name: "InvariantError" },
  );
});

Deno.test("dealShares() erases the polynomial and refuses to deal from it again", () => {
  const [beginning] = beginAll(PARAMETERS);
  const { polynomial } = assertDefined(beginning, "no beginning");
  const shares = dealShares(PARAMETERS, polynomial);
  assert.deepEqual(shares.map(({ sender, receiver }) => [sender, receiver]), [
    [1, 1],
    [1, 2],
    [1, 3],
  ]);
  assert.ok(
    polynomial.coefficients.every((coefficient) => coefficient.every((byte) => byte === 0)),
  );
  assertRefused("polynomial-used", () => dealShares(PARAMETERS, polynomial));
});

Deno.test("dealShares() refuses a polynomial that was erased", () => {
  const [beginning] = beginAll(PARAMETERS);
  const { polynomial } = assertDefined(beginning, "no beginning");
  erasePolynomial(polynomial);
  assertRefused("polynomial-used", () => dealShares(PARAMETERS, polynomial));
});

Deno.test("checkPairwiseShare() refuses a share with any one bit changed, naming its sender", () => {
  const { commitments, dealt } = generateKeys(PARAMETERS);
  const [, commitment] = commitments;
  const share = dealt.find(({ sender, receiver }) => sender === 2 && receiver === 3);
  assert.ok(commitment && share);
  checkPairwiseShare(commitment, share);
  for (let bit = 0; bit < 256; bit += 5) {
    const secret = share.secret.slice();
    secret[bit >> 3] = (secret[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.throws(
      () => checkPairwiseShare(commitment, { receiver: 3, secret }),
      { name: "FrostError", identifier: 2 },
    );
  }
});

Deno.test("checkPairwiseShare() refuses a share for somebody else, from somebody else, and of zero", () => {
  const { commitments, dealt } = generateKeys(PARAMETERS);
  const [first, second] = commitments;
  const share = dealt.find(({ sender, receiver }) => sender === 2 && receiver === 3);
  assert.ok(first && second && share);
  const { secret } = share;
  for (
    const [commitment, wrong] of [
      [second, { receiver: 1, secret }],
      [first, { receiver: 3, secret }],
      [second, { receiver: 3, secret: new Uint8Array(32) }],
    ] as const
  ) {
    const named = assertRefused("bad-share", () => checkPairwiseShare(commitment, wrong));
    assert.equal(named, commitment.identifier);
  }
});

for (
  const [what, secret] of [
    ["31 bytes", new Uint8Array(31).fill(1)],
    ["33 bytes", new Uint8Array(33).fill(1)],
    ["no bytes", new Uint8Array()],
    ["a number above the group order", new Uint8Array(32).fill(0xff)],
  ] as const
) {
  Deno.test(`checkPairwiseShare() refuses ${what} as malformed, naming the sender`, () => {
    const { commitments: [commitment] } = generateKeys(PARAMETERS);
    assert.ok(commitment);
    const named = assertRefused(
      "malformed-scalar",
      () => checkPairwiseShare(commitment, { receiver: 2, secret }),
    );
    assert.equal(named, 1);
  });
}

Deno.test("checkPairwiseShare() never quotes the share", () => {
  const { commitments: [commitment] } = generateKeys(PARAMETERS);
  assert.ok(commitment);
  for (const secret of [new Uint8Array(32).fill(0xab), new Uint8Array(32).fill(0x0b)]) {
    try {
      checkPairwiseShare(commitment, { receiver: 2, secret });
      assert.fail("nothing was refused");
    } catch (error) {
      const told = `${error} ${(error as Error).stack} ${(error as Error).cause}`;
      assert.ok(!told.includes(secret.toHex().slice(0, 16)) && !told.includes("abab"));
    }
  }
});

Deno.test("combineShares() erases the pairwise shares that it was given, also when it fails", () => {
  const beginnings = beginAll(PARAMETERS);
  const commitments = beginnings.map(({ commitment }) => passCommitment(PARAMETERS, commitment));
  const dealt = beginnings.flatMap(({ polynomial }) => dealShares(PARAMETERS, polynomial));
  for (const given of [commitments, commitments.slice(1)]) {
    const shares = sharesFor(1, commitments, dealt);
    const combine = () => combineShares(PARAMETERS, { identifier: 1, commitments: given, shares });
    if (given === commitments) combine();
    else assert.throws(combine, { name: "InvariantError" });
    assert.ok(shares.every(({ secret }) => secret.every((byte) => byte === 0)));
  }
});

Deno.test("combineShares() asserts one commitment and one share of each participant", () => {
  const { commitments, dealt } = generateKeys(PARAMETERS);
  const shares = () => sharesFor(1, commitments, dealt);
  const [first, second, third] = commitments;
  assert.ok(first && second && third);
  for (
    const contributions of [
      { identifier: 1, commitments: [first, second], shares: shares() },
      { identifier: 1, commitments: [first, second, second], shares: shares() },
      { identifier: 1, commitments, shares: shares().slice(1) },
      { identifier: 1, commitments, shares: [...shares().slice(1), ...shares().slice(2)] },
      { identifier: 2, commitments, shares: shares() },
    ]
  ) {
    assert.throws(
      () => combineShares(PARAMETERS, contributions),
      { name: "InvariantError" },
    );
  }
});
