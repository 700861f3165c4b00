import assert from "node:assert/strict";
import { aggregate, verifySignature, verifySignatureShare } from "../../lib/frost/aggregate.ts";
import { computeBindingFactors, computeGroupCommitment } from "../../lib/frost/signing.ts";
import { PrimeOrderPoint } from "../../lib/frost/points.ts";
import { assertRefused, deal, prepareSigning, signShares, withCommitments } from "./signing.ts";

/** The group order, L, little-endian: the smallest number that is no scalar. */
const ORDER = Uint8Array.fromHex(
  "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010",
);

function prepare(identifiers?: readonly number[]) {
  const signing = prepareSigning(identifiers === undefined ? {} : { identifiers });
  return { ...signing, signatureShares: signShares(signing) };
}

Deno.test("aggregate() makes a plain Ed25519 signature, with and without the group commitment", () => {
  const { session, signatureShares } = prepare();
  const result = aggregate(session, { signatureShares });
  assert.ok(result.kind === "signature");
  assert.ok(verifySignature(session.group.groupPublicKey, session.message, result.signature));
  const factors = computeBindingFactors(session);
  const groupCommitment = computeGroupCommitment(session.commitments, factors);
  assert.deepEqual(aggregate(session, { signatureShares, groupCommitment }), result);
});

Deno.test("aggregate() takes more signers than must sign", () => {
  const { session, signatureShares } = prepare([1, 2, 3, 4, 5]);
  assert.equal(aggregate(session, { signatureShares }).kind, "signature");
});

Deno.test("aggregate() names the one cheater", () => {
  for (const cheater of [1, 3, 5]) {
    const { session, signatureShares } = prepare();
    spoil(signatureShares, cheater);
    const result = aggregate(session, { signatureShares });
    assert.deepEqual(result, { kind: "cheaters", identifiers: [cheater] });
  }
});

Deno.test("aggregate() names several cheaters, and all", () => {
  for (const cheaters of [[1, 3], [2, 5], [1, 2, 3, 4, 5]]) {
    const { session, signatureShares } = prepare([1, 2, 3, 4, 5]);
    for (const cheater of cheaters) spoil(signatureShares, cheater);
    const result = aggregate(session, { signatureShares });
    assert.deepEqual(result, { kind: "cheaters", identifiers: cheaters });
  }
});

Deno.test("aggregate() names nobody when two signers exchange their shares, for the sum is right", () => {
  const { session, signatureShares } = prepare();
  const [one, three] = [signatureShares.get(1), signatureShares.get(3)];
  assert.ok(one && three);
  signatureShares.set(1, three).set(3, one);
  assert.equal(aggregate(session, { signatureShares }).kind, "signature");
  assert.ok(!verifySignatureShare(session, { identifier: 1, signatureShare: three }));
  assert.ok(!verifySignatureShare(session, { identifier: 3, signatureShare: one }));
});

for (
  const [name, share] of [
    ["a truncated share", new Uint8Array(31)],
    ["an oversized share", new Uint8Array(33)],
    ["an empty share", new Uint8Array()],
    ["the group order", ORDER],
    ["all ones", new Uint8Array(32).fill(0xff)],
    ["zero", new Uint8Array(32)],
  ] as const
) {
  Deno.test(`aggregate() names who sent ${name} as a share`, () => {
    const { session, signatureShares } = prepare();
    signatureShares.set(3, share);
    const result = aggregate(session, { signatureShares });
    assert.deepEqual(result, { kind: "cheaters", identifiers: [3] });
    assert.ok(!verifySignatureShare(session, { identifier: 3, signatureShare: share }));
  });
}

Deno.test("aggregate() names who added the group order to a right share", () => {
  const { session, signatureShares } = prepare();
  const share = signatureShares.get(3);
  assert.ok(share);
  signatureShares.set(3, addLittleEndian(share, ORDER));
  const result = aggregate(session, { signatureShares });
  assert.deepEqual(result, { kind: "cheaters", identifiers: [3] });
});

Deno.test("aggregate() names who signed another message or another session", () => {
  const { session, signatureShares } = prepare();
  const other = prepareSigning();
  const message = new Uint8Array([1, 2, 3]);
  const shares = signShares({ ...other, session: { ...other.session, message } });
  signatureShares.set(5, shares.get(5) ?? new Uint8Array());
  const result = aggregate(session, { signatureShares });
  assert.deepEqual(result, { kind: "cheaters", identifiers: [5] });
});

Deno.test("aggregate() stops at a group commitment that is not the session's, and blames nobody", () => {
  const { session, signatureShares } = prepare();
  const groupCommitment = PrimeOrderPoint.BASE;
  assert.throws(() => aggregate(session, { signatureShares, groupCommitment }), {
    name: "InvariantError",
  });
});

Deno.test("aggregate() refuses a missing share, and one too many", () => {
  const { session, signatureShares } = prepare();
  const missing = new Map([...signatureShares].slice(1));
  assertRefused("wrong-shares", () => aggregate(session, { signatureShares: missing }));
  const extra = new Map(signatureShares).set(4, new Uint8Array(32));
  assertRefused("wrong-shares", () => aggregate(session, { signatureShares: extra }));
  const replaced = new Map(missing).set(4, new Uint8Array(32));
  assertRefused("wrong-shares", () => aggregate(session, { signatureShares: replaced }));
});

Deno.test("aggregate() refuses too few, duplicate and unsorted signers", () => {
  const { session, signatureShares } = prepare();
  const [one, two, three] = session.commitments;
  assert.ok(one && two && three);
  const refuse = (refusal: Parameters<typeof assertRefused>[0], list: readonly typeof one[]) => {
    assertRefused(refusal, () => {
      aggregate(withCommitments(session, () => list), { signatureShares });
    });
  };
  refuse("too-few-signers", [one, two]);
  refuse("unsorted-signers", [one, two, two]);
  refuse("unsorted-signers", [three, two, one]);
});

Deno.test("verifySignatureShare() refuses a participant outside the session", () => {
  const { session } = prepare();
  const share = { identifier: 2, signatureShare: new Uint8Array(32) };
  assert.equal(assertRefused("not-a-signer", () => verifySignatureShare(session, share)), 2);
});

Deno.test("verifySignatureShare() refuses a right share with any one byte changed", () => {
  const { session, signatureShares } = prepare();
  const share = signatureShares.get(1);
  assert.ok(share);
  assert.ok(verifySignatureShare(session, { identifier: 1, signatureShare: share }));
  for (let at = 0; at < share.length; at++) {
    const signatureShare = share.slice();
    signatureShare[at] = (signatureShare[at] ?? 0) ^ 1;
    assert.ok(!verifySignatureShare(session, { identifier: 1, signatureShare }));
  }
});

Deno.test("verifySignatureShare() refuses a share under another group", () => {
  const { session, signatureShares } = prepare();
  const signatureShare = signatureShares.get(1);
  assert.ok(signatureShare);
  const other = { ...session, group: deal(3, 5, 8).group };
  assert.ok(!verifySignatureShare(other, { identifier: 1, signatureShare }));
});

/** Changes one bit, for each signer another one, so that two changes never add up to nothing. */
function spoil(signatureShares: ReadonlyMap<number, Uint8Array>, identifier: number): void {
  const share = signatureShares.get(identifier);
  assert.ok(share);
  share[identifier] = (share[identifier] ?? 0) ^ 1;
}

function addLittleEndian(left: Uint8Array, right: Uint8Array): Uint8Array {
  let carry = 0;
  return left.map((byte, at) => {
    const sum = byte + (right[at] ?? 0) + carry;
    carry = sum >> 8;
    return sum & 0xff;
  });
}
