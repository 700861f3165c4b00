import { ed25519 } from "@noble/curves/ed25519.js";
import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { concatBytes } from "../../lib/bytes.ts";
import {
  checkPolynomialCommitment,
  evaluateCommitment,
  hashPolynomialCommitment,
  type PolynomialCommitment,
} from "../../lib/frost/dkg_commitment.ts";
import { PrimeOrderPoint } from "../../lib/frost/points.ts";
import { beginAll, dkgParameters, passCommitment } from "./key_generation.ts";
import { assertRefused } from "./signing.ts";
import { BAD_ENCODINGS, GOOD_POINT } from "./weak_points.ts";

const PARAMETERS = dkgParameters(2, 3);
const [BEGINNING, OTHER] = beginAll(PARAMETERS);
const { commitment: COMMITMENT, hash: HASH } = assertDefined(BEGINNING, "no beginning");
const [CONSTANT, LINEAR] = COMMITMENT.vssCommitment;
const PROOF = COMMITMENT.proofOfKnowledge;

Deno.test("checkPolynomialCommitment() returns a copy that shares no bytes with what came", () => {
  const came = {
    ...COMMITMENT,
    vssCommitment: COMMITMENT.vssCommitment.map((element) => element.slice()),
    proofOfKnowledge: PROOF.slice(),
  };
  const checked = checkPolynomialCommitment(PARAMETERS, came, HASH);
  came.vssCommitment[0]?.fill(0);
  came.vssCommitment.pop();
  came.proofOfKnowledge.fill(0);
  assert.deepEqual({ ...checked }, COMMITMENT);
});

for (const [what, refusal, encoding] of BAD_ENCODINGS) {
  for (const at of [0, 1]) {
    Deno.test(`checkPolynomialCommitment() refuses ${what} as coefficient ${at}`, () => {
      const vssCommitment = COMMITMENT.vssCommitment.with(at, encoding);
      assert.equal(assertRefused(refusal, () => pass({ ...COMMITMENT, vssCommitment })), 1);
    });
  }
  Deno.test(`checkPolynomialCommitment() refuses a proof whose R is ${what}`, () => {
    const proofOfKnowledge = concatBytes(encoding, PROOF.slice(32));
    assert.equal(assertRefused("bad-proof", () => pass({ ...COMMITMENT, proofOfKnowledge })), 1);
  });
}

for (const [what, count] of [["no", 0], ["one", 1], ["three", 3]] as const) {
  Deno.test(`checkPolynomialCommitment() refuses ${what} coefficients where t is two`, () => {
    const vssCommitment = [...COMMITMENT.vssCommitment, GOOD_POINT].slice(0, count);
    const named = assertRefused(
      "wrong-commitment-length",
      () => pass({ ...COMMITMENT, vssCommitment }),
    );
    assert.equal(named, 1);
  });
}

for (const identifier of [0, 4, -1, 1.5]) {
  Deno.test(`checkPolynomialCommitment() refuses participant ${identifier} of 3`, () => {
    assertRefused(
      "bad-identifier",
      () => checkPolynomialCommitment(PARAMETERS, { ...COMMITMENT, identifier }, HASH),
    );
  });
}

Deno.test("checkPolynomialCommitment() refuses a proof with any one bit changed", () => {
  for (let bit = 0; bit < 8 * PROOF.length; bit += 3) {
    const proofOfKnowledge = PROOF.slice();
    proofOfKnowledge[bit >> 3] = (proofOfKnowledge[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(assertRefused("bad-proof", () => pass({ ...COMMITMENT, proofOfKnowledge })), 1);
  }
});

for (
  const [what, proofOfKnowledge] of [
    ["63 bytes", PROOF.slice(0, 63)],
    ["65 bytes", concatBytes(PROOF, Uint8Array.of(0))],
    ["no bytes", new Uint8Array()],
    ["mu of zero", concatBytes(PROOF.slice(0, 32), new Uint8Array(32))],
    ["mu above the group order", concatBytes(PROOF.slice(0, 32), new Uint8Array(32).fill(0xff))],
    ["mu plus the group order", concatBytes(PROOF.slice(0, 32), plusOrder(PROOF.slice(32)))],
  ] as const
) {
  Deno.test(`checkPolynomialCommitment() refuses a proof with ${what}`, () => {
    assert.equal(assertRefused("bad-proof", () => pass({ ...COMMITMENT, proofOfKnowledge })), 1);
  });
}

Deno.test("checkPolynomialCommitment() refuses another participant's commitment as one's own", () => {
  const { commitment } = assertDefined(OTHER, "no other");
  assert.equal(assertRefused("bad-proof", () => pass({ ...commitment, identifier: 1 })), 1);
});

Deno.test("checkPolynomialCommitment() refuses a rogue key: one without knowledge of its secret", () => {
  // The classic attack: choose phi_i0 as what is wanted minus what the others have.
  const theirs = PrimeOrderPoint.fromBytes(assertDefined(CONSTANT, "no constant"));
  const rogue = PrimeOrderPoint.fromBytes(GOOD_POINT).subtract(theirs).toBytes();
  const vssCommitment = [rogue, assertDefined(LINEAR, "no linear term")];
  const attack = { identifier: 2, vssCommitment, proofOfKnowledge: PROOF };
  assert.equal(assertRefused("bad-proof", () => pass(attack)), 2);
});

for (
  const [what, context] of [
    ["no context", new Uint8Array()],
    ["another context", Uint8Array.of(1, 2, 4)],
    ["a longer context", Uint8Array.of(1, 2, 3, 0)],
    ["a shorter context", Uint8Array.of(1, 2)],
  ] as const
) {
  Deno.test(`checkPolynomialCommitment() refuses a proof made under ${what}`, () => {
    const [made] = beginAll({ ...PARAMETERS, context });
    const { commitment } = assertDefined(made, "no beginning");
    assert.equal(assertRefused("bad-proof", () => pass(commitment)), 1);
    passCommitment({ ...PARAMETERS, context }, commitment);
  });
}

Deno.test("checkPolynomialCommitment() refuses everything but what was hashed", () => {
  const { commitment, hash } = assertDefined(OTHER, "no other");
  assert.equal(refuseHash(commitment, HASH), 2);
  assert.equal(refuseHash(COMMITMENT, hash), 1);
  assert.equal(refuseHash(COMMITMENT, HASH.slice(0, 63)), 1);
  assert.equal(refuseHash(COMMITMENT, new Uint8Array()), 1);
  // Right in itself, only later than the hash.
  const [late] = beginAll(PARAMETERS, () => (length) => new Uint8Array(length).fill(9));
  assert.equal(refuseHash(assertDefined(late, "no beginning").commitment, HASH), 1);
});

Deno.test("hashPolynomialCommitment() tells every field and the context from every other", () => {
  const element = GOOD_POINT;
  const hashes = [
    hashPolynomialCommitment(PARAMETERS, COMMITMENT),
    hashPolynomialCommitment({ ...PARAMETERS, context: new Uint8Array() }, COMMITMENT),
    hashPolynomialCommitment(PARAMETERS, { ...COMMITMENT, identifier: 2 }),
    hashPolynomialCommitment(PARAMETERS, {
      ...COMMITMENT,
      vssCommitment: COMMITMENT.vssCommitment.with(1, element),
    }),
    hashPolynomialCommitment(PARAMETERS, {
      ...COMMITMENT,
      vssCommitment: COMMITMENT.vssCommitment.toReversed(),
    }),
    hashPolynomialCommitment(PARAMETERS, {
      ...COMMITMENT,
      vssCommitment: COMMITMENT.vssCommitment.slice(0, 1),
      proofOfKnowledge: concatBytes(assertDefined(LINEAR, "no linear term"), PROOF),
    }),
    hashPolynomialCommitment(PARAMETERS, { ...COMMITMENT, proofOfKnowledge: PROOF.slice(1) }),
  ].map((hash) => hash.toHex());
  assert.equal(new Set(hashes).size, hashes.length);
});

Deno.test("evaluateCommitment() is the sum of each coefficient times a power of the identifier", () => {
  const scalars = [3n, 5n, 7n, 11n];
  const points = scalars.map((scalar) => PrimeOrderPoint.BASE.multiply(scalar));
  for (const identifier of [1, 2, 5, 101, 65_535]) {
    const x = BigInt(identifier);
    const value = 3n + 5n * x + 7n * x ** 2n + 11n * x ** 3n;
    const expected = PrimeOrderPoint.BASE.multiply(PrimeOrderPoint.Fn.create(value));
    assert.ok(evaluateCommitment(points, identifier).equals(expected));
  }
});

function pass(commitment: PolynomialCommitment) {
  return passCommitment(PARAMETERS, commitment);
}

function refuseHash(commitment: PolynomialCommitment, hash: Uint8Array): number | null {
  return assertRefused(
    "wrong-commitment-hash",
    () => checkPolynomialCommitment(PARAMETERS, commitment, hash),
  );
}

/** The same number modulo the group order, in the encoding that is not canonical. */
function plusOrder(scalar: Uint8Array): Uint8Array {
  const number = BigInt(`0x${scalar.toReversed().toHex()}`) + ed25519.Point.Fn.ORDER;
  return Uint8Array.fromHex(number.toString(16).padStart(64, "0")).reverse();
}
