/**
 * Floe's FROST against `@noble/curves`' own: the same inputs and the same randomness give the same
 * bytes, and each can stand in for the other at every step.
 *
 * @module
 */

import { ed25519_FROST as stock } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { aggregate, verifySignatureShare } from "../../lib/frost/aggregate.ts";
import { trustedDealerKeygen } from "../../lib/frost/keys.ts";
import { commit, type RoundOne, signShare } from "../../lib/frost/signing.ts";
import { seededBytes } from "./seeded_bytes.ts";

/** n from 2 to 7, t from 2 to n, and t or more of the n, in order. */
const signings = fc.integer({ min: 2, max: 7 }).chain((participants) =>
  fc.integer({ min: 2, max: participants }).chain((minParticipants) =>
    fc.record({
      participants: fc.constant(participants),
      minParticipants: fc.constant(minParticipants),
      identifiers: fc.subarray(Array.from({ length: participants }, (_, at) => at + 1), {
        minLength: minParticipants,
      }),
      message: fc.uint8Array({ maxLength: 300 }),
      seed: fc.nat(),
    })
  )
);

Deno.test("frost makes the keys, nonces, shares and signature that stock noble makes", () => {
  const check = (signing: Signing) => {
    const { identifiers, message } = signing;
    const own = runOwn(signing);
    const noble = runStock(signing);
    assert.deepEqual(own.group.groupPublicKey, noble.dealt.public.commitments[0]);
    identifiers.forEach((identifier, at) => {
      const name = stock.Identifier.fromNumber(identifier);
      const { commitment } = assertDefined(own.roundOnes[at], "no round one");
      const { hiding, binding } = assertDefined(noble.commitments[at], "no commitment");
      assert.deepEqual([commitment.hiding, commitment.binding], [hiding, binding]);
      assert.deepEqual(own.signatureShares.get(identifier), noble.signatureShares[name]);
      assert.deepEqual(
        own.group.verifyingShares.get(identifier),
        noble.dealt.public.verifyingShares[name],
      );
    });
    const result = aggregate(own.session, own);
    const { public: group } = noble.dealt;
    const expected = stock.aggregate(group, noble.commitments, message, noble.signatureShares);
    assert.deepEqual(result, { kind: "signature", signature: expected });
  };
  fc.assert(fc.property(signings, check), { numRuns: 15 });
});

Deno.test("frost and stock noble accept each other's shares, and refuse each other's wrong ones", () => {
  const check = (signing: Signing) => {
    const own = runOwn(signing);
    const noble = runStock(signing);
    const [identifier] = signing.identifiers;
    assert.ok(identifier);
    const name = stock.Identifier.fromNumber(identifier);
    const right = assertDefined(noble.signatureShares[name], "no share");
    const wrong = right.map((byte, at) => at === 0 ? byte ^ 1 : byte);
    for (const [share, expected] of [[right, true], [wrong, false]] as const) {
      const { public: group } = noble.dealt;
      const { commitments } = noble;
      assert.equal(
        stock.verifyShare(group, commitments, signing.message, name, share),
        expected,
      );
      assert.equal(
        verifySignatureShare(own.session, { identifier, signatureShare: share }),
        expected,
      );
    }
  };
  fc.assert(fc.property(signings, check), { numRuns: 5 });
});

interface Signing {
  readonly participants: number;
  readonly minParticipants: number;
  readonly identifiers: number[];
  readonly message: Uint8Array<ArrayBuffer>;
  readonly seed: number;
}

function runOwn({ participants, minParticipants, identifiers, message, seed }: Signing) {
  const randomBytes = seededBytes(seed);
  const { group, shares } = trustedDealerKeygen({
    minParticipants,
    maxParticipants: participants,
    randomBytes,
  });
  const signers = identifiers.map((identifier) => {
    const share = assertDefined(shares[identifier - 1], "no share");
    return { share, roundOne: commit(share, randomBytes) };
  });
  const roundOnes: RoundOne[] = signers.map(({ roundOne }) => roundOne);
  const commitments = roundOnes.map(({ commitment }) => commitment);
  const session = { group, message, commitments };
  const signatureShares = new Map(signers.map((signer) => {
    return [signer.share.identifier, signShare(session, signer).signatureShare];
  }));
  return { group, roundOnes, session, signatureShares };
}

function runStock({ participants, minParticipants, identifiers, message, seed }: Signing) {
  const source = seededBytes(seed);
  const randomBytes = (length = 32) => source(length);
  const dealt = stock.trustedDealer(
    { min: minParticipants, max: participants },
    undefined,
    undefined,
    randomBytes,
  );
  const signers = identifiers.map((identifier) => {
    const name = stock.Identifier.fromNumber(identifier);
    const secret = assertDefined(dealt.secretShares[name], "no share");
    return { name, secret, ...stock.commit(secret, randomBytes) };
  });
  const commitments = signers.map((signer) => signer.commitments);
  const signatureShares = Object.fromEntries(signers.map(({ name, secret, nonces }) => {
    return [name, stock.signShare(secret, dealt.public, nonces, commitments, message)];
  }));
  return { dealt, commitments, signatureShares };
}
