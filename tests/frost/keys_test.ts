import { ed25519_FROST } from "@noble/curves/ed25519.js";
import assert from "node:assert/strict";
import {
  checkGroupPublicKeys,
  checkSecretShare,
  type GroupPublicKeys,
  trustedDealerKeygen,
} from "../../lib/frost/keys.ts";
import { seededBytes } from "./seeded_bytes.ts";
import { assertRefused, deal } from "./signing.ts";
import { BAD_ENCODINGS, GOOD_POINT } from "./weak_points.ts";

const { group, shares } = deal(3, 5);
const [first, second] = shares;
assert.ok(first && second);

Deno.test("trustedDealerKeygen() deals what checkGroupPublicKeys() and checkSecretShare() accept", () => {
  for (const [minParticipants, participants] of [[2, 2], [2, 3], [3, 3], [4, 7]] as const) {
    const dealt = deal(minParticipants, participants);
    checkGroupPublicKeys(dealt.group);
    assert.equal(dealt.shares.length, participants);
    for (const share of dealt.shares) checkSecretShare(dealt.group, share);
  }
});

Deno.test("trustedDealerKeygen() deals the secret key that it is given", () => {
  const groupSecretKey = new Uint8Array(32);
  groupSecretKey[0] = 77;
  const dealt = trustedDealerKeygen({
    minParticipants: 2,
    maxParticipants: 3,
    groupSecretKey,
    randomBytes: seededBytes(4),
  });
  const secretShares = dealt.shares.slice(1).map(({ identifier, secret }) => ({
    identifier: ed25519_FROST.Identifier.fromNumber(identifier),
    signingShare: new Uint8Array(secret),
  }));
  const combined = ed25519_FROST.combineSecret(secretShares, { min: 2, max: 3 });
  assert.deepEqual(combined, groupSecretKey);
});

for (
  const [minParticipants, maxParticipants] of [
    [1, 1],
    [1, 3],
    [0, 3],
    [4, 3],
    [2.5, 3],
    [2, Number.NaN],
    [2, 65_536],
  ] as const
) {
  Deno.test(`trustedDealerKeygen() refuses ${minParticipants} of ${maxParticipants}`, () => {
    const randomBytes = seededBytes(1);
    assertRefused("bad-threshold", () => {
      trustedDealerKeygen({ minParticipants, maxParticipants, randomBytes });
    });
  });
}

Deno.test("trustedDealerKeygen() refuses randomness of another length than it asked for", () => {
  assert.throws(() => {
    const randomBytes = () => new Uint8Array(8);
    trustedDealerKeygen({ minParticipants: 2, maxParticipants: 3, randomBytes });
  }, { name: "InvariantError" });
});

Deno.test("checkSecretShare() refuses another participant's share", () => {
  const swapped = { identifier: first.identifier, secret: second.secret };
  assert.equal(assertRefused("bad-share", () => checkSecretShare(group, swapped)), 1);
});

Deno.test("checkSecretShare() refuses a share with any one byte changed", () => {
  for (let at = 0; at < first.secret.length; at++) {
    const secret = first.secret.slice();
    secret[at] = (secret[at] ?? 0) ^ 1;
    assertRefused("bad-share", () => checkSecretShare(group, { identifier: 1, secret }));
  }
});

Deno.test("checkSecretShare() refuses a share of zero", () => {
  const secret = new Uint8Array(32);
  assertRefused("bad-share", () => checkSecretShare(group, { identifier: 1, secret }));
});

Deno.test("checkSecretShare() refuses a truncated, an oversized and a too large share", () => {
  const tooLarge = new Uint8Array(32).fill(0xff);
  for (const secret of [first.secret.slice(1), new Uint8Array(33), new Uint8Array(), tooLarge]) {
    assertRefused("malformed-scalar", () => checkSecretShare(group, { identifier: 1, secret }));
  }
});

Deno.test("checkSecretShare() refuses a share of another dealing and of a stranger", () => {
  const [other] = deal(3, 5, 2).shares;
  assert.ok(other);
  assertRefused("bad-share", () => checkSecretShare(group, other));
  const stranger = { identifier: 6, secret: first.secret };
  assert.equal(assertRefused("foreign-signer", () => checkSecretShare(group, stranger)), 6);
});

for (const [name, refusal, encoding] of BAD_ENCODINGS) {
  Deno.test(`checkGroupPublicKeys() refuses ${name} as a key`, () => {
    assertRefused(refusal, () => checkGroupPublicKeys({ ...group, groupPublicKey: encoding }));
    assertRefused(refusal, () => checkGroupPublicKeys(withVerifyingShare(4, encoding)));
  });
}

Deno.test("checkGroupPublicKeys() refuses a group key that its shares do not make", () => {
  const changed = { ...group, groupPublicKey: GOOD_POINT };
  assertRefused("bad-share", () => checkGroupPublicKeys(changed));
});

Deno.test("checkGroupPublicKeys() refuses any one verifying share that does not belong", () => {
  for (const identifier of group.verifyingShares.keys()) {
    const changed = withVerifyingShare(identifier, GOOD_POINT);
    assertRefused("bad-share", () => checkGroupPublicKeys(changed));
  }
});

Deno.test("checkGroupPublicKeys() refuses two verifying shares exchanged", () => {
  const verifyingShares = new Map(group.verifyingShares);
  verifyingShares.set(1, shareOf(2)).set(2, shareOf(1));
  assertRefused("bad-share", () => checkGroupPublicKeys({ ...group, verifyingShares }));
});

Deno.test("checkGroupPublicKeys() refuses a threshold other than the dealt one, where it shows", () => {
  assertRefused("bad-share", () => checkGroupPublicKeys({ ...group, minParticipants: 2 }));
  assertRefused("bad-threshold", () => checkGroupPublicKeys({ ...group, minParticipants: 6 }));
  assertRefused("bad-threshold", () => checkGroupPublicKeys({ ...group, minParticipants: 1 }));
});

Deno.test("checkGroupPublicKeys() refuses identifiers that are none", () => {
  for (const identifier of [0, -1, 1.5, 65_536]) {
    const verifyingShares = new Map(group.verifyingShares).set(identifier, GOOD_POINT);
    assertRefused("bad-identifier", () => checkGroupPublicKeys({ ...group, verifyingShares }));
  }
});

function withVerifyingShare(identifier: number, encoding: Uint8Array): GroupPublicKeys {
  const verifyingShares = new Map(group.verifyingShares).set(identifier, encoding);
  return { ...group, verifyingShares };
}

function shareOf(identifier: number): Uint8Array {
  return group.verifyingShares.get(identifier) ?? new Uint8Array();
}
