import assert from "node:assert/strict";
import {
  checkCommitmentList,
  checkNonceCommitment,
  encodeGroupCommitmentList,
  type NonceCommitment,
} from "../../lib/frost/signing.ts";
import { assertRefused, deal, prepareSigning, withCommitments } from "./signing.ts";
import { BAD_ENCODINGS } from "./weak_points.ts";

const { session } = prepareSigning();
const [first, second, third] = session.commitments;
assert.ok(first && second && third);

Deno.test("checkCommitmentList() accepts every list of enough signers in order", () => {
  const dealing = deal(3, 5);
  for (const identifiers of [[1, 2, 3], [2, 4, 5], [1, 2, 4, 5], [1, 2, 3, 4, 5]]) {
    checkCommitmentList(prepareSigning({ dealing, identifiers }).session);
  }
});

Deno.test("checkCommitmentList() refuses fewer signers than must sign", () => {
  for (const count of [0, 1, 2]) {
    const few = withCommitments(session, (list) => list.slice(0, count));
    assertRefused("too-few-signers", () => checkCommitmentList(few));
  }
});

Deno.test("checkCommitmentList() refuses a duplicate signer, and names it", () => {
  const twice = withCommitments(session, () => [first, second, second]);
  assert.equal(assertRefused("unsorted-signers", () => checkCommitmentList(twice)), 3);
  const threeAndOne = withCommitments(session, () => [first, second, third, third]);
  assert.equal(assertRefused("unsorted-signers", () => checkCommitmentList(threeAndOne)), 5);
});

Deno.test("checkCommitmentList() refuses an unsorted list, and names who stands wrong", () => {
  const unsorted = withCommitments(session, () => [first, third, second]);
  assert.equal(assertRefused("unsorted-signers", () => checkCommitmentList(unsorted)), 3);
});

Deno.test("checkCommitmentList() refuses a foreign signer, and names it", () => {
  for (const identifier of [6, 0, -1, 1.5, Number.NaN]) {
    const foreign = withCommitments(session, () => [first, second, { ...third, identifier }]);
    assert.equal(assertRefused("foreign-signer", () => checkCommitmentList(foreign)), identifier);
  }
});

for (const [name, refusal, encoding] of BAD_ENCODINGS) {
  Deno.test(`checkCommitmentList() refuses ${name} in a commitment, and names the signer`, () => {
    for (const bad of [{ ...second, hiding: encoding }, { ...second, binding: encoding }]) {
      const changed = withCommitments(session, () => [first, bad, third]);
      assert.equal(assertRefused(refusal, () => checkCommitmentList(changed)), 3);
      assert.equal(assertRefused(refusal, () => checkNonceCommitment(bad)), 3);
    }
  });
}

Deno.test("encodeGroupCommitmentList() writes 96 bytes a signer", () => {
  const encoded = encodeGroupCommitmentList(session.commitments);
  assert.equal(encoded.length, 3 * 96);
  assert.deepEqual(decodeEntry(encoded.subarray(96)), second);
});

function decodeEntry(encoded: Uint8Array): NonceCommitment {
  return {
    identifier: encoded[0] ?? 0,
    hiding: encoded.slice(32, 64),
    binding: encoded.slice(64, 96),
  };
}
