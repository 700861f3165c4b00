import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { verifySignatureShare } from "../../lib/frost/aggregate.ts";
import {
  computeBindingFactors,
  computeGroupCommitment,
  type SigningSession,
} from "../../lib/frost/signing.ts";
import { isErased, signShare } from "../../lib/frost/signing.ts";
import { assertRefused, prepareSigning, withCommitments } from "./signing.ts";
import { BAD_ENCODINGS } from "./weak_points.ts";

function prepare() {
  const { session, signers } = prepareSigning();
  return { session, signer: assertDefined(signers[0], "no signer") };
}

Deno.test("signShare() makes a share that verifies, and tells the group commitment", () => {
  const { session, signer } = prepare();
  const { signatureShare, groupCommitment } = signShare(session, signer);
  assert.ok(verifySignatureShare(session, { identifier: 1, signatureShare }));
  const expected = computeGroupCommitment(session.commitments, computeBindingFactors(session));
  assert.ok(groupCommitment.equals(expected));
});

Deno.test("signShare() erases the nonces and refuses them when they come again", () => {
  const { session, signer } = prepare();
  signShare(session, signer);
  assert.ok(isErased(signer.roundOne.nonces));
  assertRefused("nonce-used", () => signShare(session, signer));
  assertRefused("nonce-used", () => signShare({ ...session, message: new Uint8Array(3) }, signer));
});

Deno.test("signShare() refuses nonces of which either is zero", () => {
  for (const which of ["hiding", "binding"] as const) {
    const { session, signer } = prepare();
    signer.roundOne.nonces[which].fill(0);
    assertRefused("nonce-used", () => signShare(session, signer));
    assert.ok(signer.roundOne.nonces.hiding.every((byte) => byte === 0));
    assert.ok(signer.roundOne.nonces.binding.every((byte) => byte === 0));
  }
});

Deno.test("signShare() refuses a session without the signer", () => {
  const { session } = prepareSigning({ identifiers: [2, 3, 5] });
  assertRefusedAndErased("not-a-signer", session);
});

Deno.test("signShare() refuses an own entry that is not its commitment", () => {
  const { session } = prepare();
  for (const which of ["hiding", "binding"] as const) {
    const replaced = withCommitments(session, ([own, other, ...rest]) => {
      assert.ok(own && other);
      return [{ ...own, [which]: other[which] }, other, ...rest];
    });
    assertRefusedAndErased("wrong-commitment", replaced);
  }
});

Deno.test("signShare() refuses its own entry with hiding and binding exchanged", () => {
  const { session } = prepare();
  const exchanged = withCommitments(session, ([own, ...rest]) => {
    assert.ok(own);
    return [{ ...own, hiding: own.binding, binding: own.hiding }, ...rest];
  });
  assertRefusedAndErased("wrong-commitment", exchanged);
});

Deno.test("signShare() refuses too few, duplicate, unsorted and foreign signers", () => {
  const { session } = prepare();
  const [one, two, three] = session.commitments;
  assert.ok(one && two && three);
  const foreign = { ...three, identifier: 9 };
  assertRefusedAndErased("too-few-signers", withCommitments(session, () => [one, two]));
  assertRefusedAndErased("unsorted-signers", withCommitments(session, () => [one, two, two]));
  assertRefusedAndErased("unsorted-signers", withCommitments(session, () => [one, three, two]));
  assertRefusedAndErased("foreign-signer", withCommitments(session, () => [one, two, foreign]));
});

for (const [name, refusal, encoding] of BAD_ENCODINGS) {
  Deno.test(`signShare() refuses ${name} from another signer`, () => {
    const { session } = prepare();
    for (const which of ["hiding", "binding"] as const) {
      const changed = withCommitments(session, ([own, other, ...rest]) => {
        assert.ok(own && other);
        return [own, { ...other, [which]: encoding }, ...rest];
      });
      assertRefusedAndErased(refusal, changed);
    }
  });
}

/** Refused, and yet the nonces are gone: a second try with them is never safe. */
function assertRefusedAndErased(
  refusal: Parameters<typeof assertRefused>[0],
  session: SigningSession,
): void {
  const { signer } = prepare();
  assertRefused(refusal, () => signShare(session, signer));
  assert.ok(isErased(signer.roundOne.nonces));
  assertRefused("nonce-used", () => signShare(prepare().session, signer));
}
