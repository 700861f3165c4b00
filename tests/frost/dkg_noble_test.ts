/**
 * Floe's key generation against `@noble/curves`' own: the same randomness gives the same commitments,
 * proofs, shares and group, and each accepts the other's.
 *
 * @module
 */

import { ed25519_FROST as stock } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeHex } from "../../lib/bytes.ts";
import { aggregate } from "../../lib/frost/aggregate.ts";
import { commit, signShare } from "../../lib/frost/signing.ts";
import { dkgParameters, generateKeys, passCommitment } from "./key_generation.ts";
import { seededBytes } from "./seeded_bytes.ts";

const groups = fc.integer({ min: 2, max: 5 }).chain((participants) =>
  fc.record({
    participants: fc.constant(participants),
    threshold: fc.integer({ min: 2, max: participants }),
    seed: fc.nat(),
  })
);

interface Group {
  readonly participants: number;
  readonly threshold: number;
  readonly seed: number;
}

Deno.test("key generation makes the commitments, proofs, shares and keys that stock noble makes", () => {
  const check = (sizes: Group) => {
    const own = generateOwn(sizes);
    const noble = generateStock(sizes);
    noble.forEach(({ name, beginning, dealt, key }, at) => {
      const { commitment } = assertDefined(own.beginnings[at], "no beginning");
      assert.deepEqual(commitment.vssCommitment, beginning.commitment);
      assert.deepEqual(commitment.proofOfKnowledge, beginning.proofOfKnowledge);
      for (const { receiver, secret } of own.dealt.filter(({ sender }) => sender === at + 1)) {
        if (receiver !== at + 1) assert.deepEqual(secret, dealt[nameOf(receiver)]?.signingShare);
      }
      const { group, share } = assertDefined(own.results[at], "no result");
      assert.deepEqual(share.secret, key.secret.signingShare);
      assert.deepEqual(group.groupPublicKey, key.public.commitments[0]);
      assert.deepEqual(group.verifyingShares.get(at + 1), key.public.verifyingShares[name]);
    });
  };
  fc.assert(fc.property(groups, check), { numRuns: 8 });
});

Deno.test("key generation and stock noble accept each other's proofs", () => {
  const parameters = { ...dkgParameters(2, 3), context: new Uint8Array() };
  for (const { beginning } of generateStock({ participants: 3, threshold: 2, seed: 5 })) {
    const identifier = Number.parseInt(beginning.identifier.slice(0, 2), 16);
    const { commitment: vssCommitment, proofOfKnowledge } = beginning;
    passCommitment(parameters, { identifier, vssCommitment, proofOfKnowledge });
  }
});

Deno.test("the shares of a key generation sign together, in Floe and in stock noble", () => {
  const { results } = generateKeys(dkgParameters(3, 5));
  const { group } = assertDefined(results[0], "no result");
  const message = Uint8Array.of(1, 2, 3);
  const signers = [1, 3, 4].map((at) => {
    const { share } = assertDefined(results[at], "no result");
    return { share, roundOne: commit(share, seededBytes(at)) };
  });
  const commitments = signers.map(({ roundOne }) => roundOne.commitment);
  const session = { group, message, commitments };
  const signatureShares = new Map(signers.map((signer) => {
    return [signer.share.identifier, signShare(session, signer).signatureShare];
  }));
  const result = aggregate(session, { signatureShares });
  assert.equal(result.kind, "signature");
  if (result.kind !== "signature") return;
  assert.ok(stock.verify(result.signature, message, group.groupPublicKey));
});

function generateOwn({ participants, threshold, seed }: Group) {
  const parameters = dkgParameters(threshold, participants, new Uint8Array());
  return generateKeys(parameters, (identifier) => seededBytes(seed + identifier));
}

function generateStock({ participants, threshold, seed }: Group) {
  const signers = { min: threshold, max: participants };
  const begun = Array.from({ length: participants }, (_, at) => {
    const source = seededBytes(seed + at + 1);
    const name = nameOf(at + 1);
    const randomBytes = (length = 32) => source(length);
    const round1 = stock.DKG.round1(name, signers, undefined, randomBytes);
    return { name, beginning: round1.public, secret: round1.secret };
  });
  const others = (name: string) => begun.filter((other) => other.name !== name);
  const dealt = begun.map(({ name, beginning, secret }) => {
    const packages = others(name).map((other) => other.beginning);
    return { name, beginning, secret, packages, dealt: stock.DKG.round2(secret, packages) };
  });
  return dealt.map((participant) => {
    const { name, secret, packages } = participant;
    const shares = dealt.filter((other) => other.name !== name)
      .map((other) => assertDefined(other.dealt[name], "no share"));
    return { ...participant, key: stock.DKG.round3(secret, packages, shares) };
  });
}

function nameOf(identifier: number): string {
  const name = stock.Identifier.fromNumber(identifier);
  assert.equal(encodeHex(Uint8Array.of(identifier)), name.slice(0, 2));
  return name;
}
