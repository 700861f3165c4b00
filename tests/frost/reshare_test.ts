import { ed25519 } from "@noble/curves/ed25519.js";
import assert from "node:assert/strict";
import { decodeHex, encodeHex, encodeUtf8 } from "../../lib/bytes.ts";
import { assertDefined, InvariantError } from "../../lib/assert.ts";
import {
  aggregate,
  checkGroupPublicKeys,
  checkReshareCommitment,
  checkReshareParameters,
  checkSubShare,
  combineSubShares,
  commit,
  dealReshare,
  type FrostRefusal,
  type GroupPublicKeys,
  type ReshareDeal,
  type ReshareParameters,
  type SecretShare,
  signShare,
  toResharedGroup,
  trustedDealerKeygen,
} from "../../lib/frost/mod.ts";
import { seededBytes } from "./seeded_bytes.ts";
import { assertRefused } from "./signing.ts";
import { BAD_ENCODINGS } from "./weak_points.ts";

const { Fn } = ed25519.Point;

/** A key and the shares of it. */
interface Keys {
  readonly group: GroupPublicKeys;
  readonly shares: readonly SecretShare[];
}

function deal(threshold: number, count: number, seed = 1): Keys {
  const randomBytes = seededBytes(seed);
  return trustedDealerKeygen({ minParticipants: threshold, maxParticipants: count, randomBytes });
}

/** An interpolation of its own, schoolbook, that shares no code with the library. */
function interpolateAtZero(shares: readonly SecretShare[]): bigint {
  return shares.reduce((sum, { identifier: own, secret }) => {
    let weight = 1n;
    for (const { identifier: other } of shares) {
      if (other === own) continue;
      weight = Fn.mul(weight, Fn.mul(BigInt(other), Fn.inv(Fn.create(BigInt(other - own)))));
    }
    return Fn.add(sum, Fn.mul(weight, Fn.fromBytes(secret)));
  }, 0n);
}

function dealAll(parameters: ReshareParameters, shares: readonly SecretShare[]): ReshareDeal[] {
  return shares.map((share) =>
    dealReshare(parameters, share, seededBytes(1000 + share.identifier))
  );
}

/** Every receiver's side of a resharing in which nobody lies. */
function combineAll(parameters: ReshareParameters, deals: readonly ReshareDeal[]): Keys {
  const commitments = deals.map(({ commitment }) => checkReshareCommitment(parameters, commitment));
  const results = parameters.receivers.map((identifier) => {
    const subShares = commitments.map((commitment) => {
      const found = deals.flatMap((dealt) => dealt.subShares)
        .find(({ dealer, receiver }) => dealer === commitment.dealer && receiver === identifier);
      return checkSubShare(commitment, assertDefined(found, "no sub-share"));
    });
    return combineSubShares(parameters, { identifier, commitments, subShares });
  });
  const [first] = results;
  return { group: assertDefined(first, "nobody").group, shares: results.map(({ share }) => share) };
}

function sign({ group, shares }: Keys): Uint8Array | null {
  const message = encodeUtf8("resharing\n");
  const signers = shares.map((share) => {
    return { share, roundOne: commit(share, seededBytes(share.identifier)) };
  });
  const session = { group, message, commitments: signers.map((one) => one.roundOne.commitment) };
  const signatureShares = new Map(
    signers.map((one) => [one.share.identifier, signShare(session, one).signatureShare]),
  );
  const result = aggregate(session, { signatureShares });
  if (result.kind !== "signature") return null;
  assert.ok(ed25519.verify(result.signature, message, group.groupPublicKey));
  return result.signature;
}

/** A whole number from `least` to `most`. */
function pick(random: (length: number) => Uint8Array, least: number, most: number): number {
  return least + (random(1)[0] ?? 0) % (most - least + 1);
}

function shuffled<Item>(random: (length: number) => Uint8Array, items: readonly Item[]): Item[] {
  return items.map((item) => ({ item, at: encodeHex(random(8)) }))
    .toSorted((left, right) => left.at < right.at ? -1 : 1).map(({ item }) => item);
}

/** Some old key, and parameters for a resharing to 3 of 4, of whom two are new. */
function setUp(): Keys & { readonly parameters: ReshareParameters } {
  const keys = deal(2, 3);
  const parameters = { group: keys.group, minParticipants: 3, receivers: [1, 2, 7, 9] };
  return { ...keys, parameters };
}

function firstDeal(): { readonly parameters: ReshareParameters; readonly dealt: ReshareDeal } {
  const { parameters, shares: [share] } = setUp();
  return {
    parameters,
    dealt: dealReshare(parameters, assertDefined(share, "none"), seededBytes(5)),
  };
}

Deno.test("resharing keeps the secret, over random old and new groups and sets of dealers", () => {
  for (let seed = 1; seed <= 25; seed++) {
    const random = seededBytes(seed);
    const count = pick(random, 2, 7);
    const old = deal(pick(random, 2, count), count, seed);
    const secret = interpolateAtZero(old.shares);
    const identifiers = shuffled(random, Array.from({ length: 20 }, (_, at) => at + 1));
    const receivers = identifiers.slice(0, pick(random, 2, 8)).toSorted((a, b) => a - b);
    const minParticipants = pick(random, 2, receivers.length);
    const dealers = shuffled(random, old.shares)
      .slice(0, pick(random, old.group.minParticipants, count));
    const parameters = { group: old.group, minParticipants, receivers };

    const { group, shares } = combineAll(parameters, dealAll(parameters, dealers));

    checkGroupPublicKeys(group);
    assert.deepEqual(group.groupPublicKey, old.group.groupPublicKey);
    const some = shuffled(random, shares).slice(0, minParticipants);
    assert.equal(interpolateAtZero(some), secret, `seed ${seed}`);
    assert.notEqual(interpolateAtZero(some.slice(1)), secret);
    const signers = some.toSorted((left, right) => left.identifier - right.identifier);
    assert.ok(sign({ group, shares: signers }) !== null, `seed ${seed}`);
  }
});

Deno.test("resharing twice keeps the key, and shares of two epochs do not combine", () => {
  const first = deal(3, 5);
  const parameters = { group: first.group, minParticipants: 3, receivers: [1, 2, 3, 4, 5] };
  const second = combineAll(parameters, dealAll(parameters, first.shares.slice(0, 3)));
  const third = combineAll(
    { ...parameters, group: second.group },
    dealAll({ ...parameters, group: second.group }, second.shares.slice(2)),
  );
  const secret = interpolateAtZero(first.shares.slice(0, 3));
  assert.equal(interpolateAtZero(third.shares.slice(1, 4)), secret);
  for (const [left, right] of [[first, second], [second, third], [first, third]] as const) {
    const mixed = [...left.shares.slice(0, 2), ...right.shares.slice(2, 3)];
    assert.notEqual(interpolateAtZero(mixed), secret);
  }
});

Deno.test("resharing takes more dealers than the threshold, all of them weighed together", () => {
  const old = deal(2, 5);
  const parameters = { group: old.group, minParticipants: 3, receivers: [2, 4, 6] };
  const { group, shares } = combineAll(parameters, dealAll(parameters, old.shares));
  assert.equal(interpolateAtZero(shares), interpolateAtZero(old.shares.slice(3)));
  assert.deepEqual([...group.verifyingShares.keys()], [2, 4, 6]);
});

Deno.test("toResharedGroup() computes for everybody what each receiver computes", () => {
  const { parameters, shares } = setUp();
  const deals = dealAll(parameters, shares.slice(1));
  const commitments = deals.map(({ commitment }) => checkReshareCommitment(parameters, commitment));
  assert.deepEqual(
    toResharedGroup(parameters, commitments),
    combineAll(parameters, deals).group,
  );
});

Deno.test("RFC 9591 Appendix E.1: the published shares, reshared, are shares of the published key", () => {
  const published = [
    "929dcc590407aae7d388761cddb0c0db6f5627aea8e217f4a033f2ec83d93509",
    "a91e66e012e4364ac9aaa405fcafd370402d9859f7b6685c07eed76bf409e80d",
    "d3cb090a075eb154e82fdb4b3cb507f110040905468bb9c46da8bdea643a9a02",
  ].map((secret, at) => ({ identifier: at + 1, secret: decodeHex(secret) }));
  const group: GroupPublicKeys = {
    minParticipants: 2,
    groupPublicKey: decodeHex("15d21ccd7ee42959562fc8aa63224c8851fb3ec85a3faf66040d380fb9738673"),
    verifyingShares: new Map(published.map(({ identifier, secret }) => {
      return [identifier, ed25519.Point.BASE.multiply(Fn.fromBytes(secret)).toBytes()];
    })),
  };
  checkGroupPublicKeys(group);
  const parameters = { group, minParticipants: 3, receivers: [2, 3, 4, 5] };
  const reshared = combineAll(
    parameters,
    dealAll(parameters, published.filter(({ identifier }) => identifier !== 2)),
  );
  assert.equal(
    encodeHex(Fn.toBytes(interpolateAtZero(reshared.shares.slice(1)))),
    "7b1c33d3f5291d85de664833beb1ad469f7fb6025a0ec78b3a790c6e13a98304",
  );
  assert.ok(sign({ group: reshared.group, shares: reshared.shares.slice(0, 3) }) !== null);
});

Deno.test("dealReshare() draws a fresh polynomial each time, through the same share", () => {
  const { parameters, shares: [share] } = setUp();
  const random = seededBytes(3);
  const own = assertDefined(share, "none");
  const [first, second] = [0, 1].map(() => dealReshare(parameters, own, random));
  assert.deepEqual(first?.commitment.elements[0], second?.commitment.elements[0]);
  assert.notDeepEqual(first?.commitment.elements[1], second?.commitment.elements[1]);
  assert.notDeepEqual(first?.subShares[0]?.secret, second?.subShares[0]?.secret);
});

Deno.test("dealReshare() refuses a share that is not of the old group", () => {
  const { parameters } = setUp();
  const [stranger] = deal(2, 3, 9).shares;
  const foreign = assertDefined(stranger, "none");
  assertRefused("bad-share", () => dealReshare(parameters, foreign, seededBytes(1)));
  assertRefused("foreign-signer", () => {
    dealReshare(parameters, { ...foreign, identifier: 4 }, seededBytes(1));
  });
});

Deno.test("checkReshareParameters() refuses numbers that make no group", () => {
  const refuse = (refusal: FrostRefusal, minParticipants: number, receivers: readonly number[]) =>
    assertRefused(refusal, () => checkReshareParameters({ minParticipants, receivers }));
  refuse("bad-threshold", 1, [1, 2]);
  refuse("bad-threshold", 3, [1, 2]);
  refuse("bad-threshold", 2.5, [1, 2, 3]);
  refuse("bad-identifier", 2, [0, 1]);
  refuse("bad-identifier", 2, [1, 1]);
  refuse("bad-identifier", 2, [2, 1]);
  refuse("bad-identifier", 2, [1, 65_536]);
});

Deno.test("checkReshareCommitment() refuses a dealer outside the old group", () => {
  const { parameters, dealt: { commitment } } = firstDeal();
  assert.equal(
    assertRefused("foreign-signer", () => {
      checkReshareCommitment(parameters, { ...commitment, dealer: 4 });
    }),
    4,
  );
});

Deno.test("checkReshareCommitment() refuses another constant term than the verifying share", () => {
  const { parameters, shares } = setUp();
  const [first, second] = dealAll(parameters, shares);
  const elements = assertDefined(second, "none").commitment.elements;
  const lie = { dealer: assertDefined(first, "none").commitment.dealer, elements };
  assert.equal(
    assertRefused("wrong-commitment", () => checkReshareCommitment(parameters, lie)),
    1,
  );
});

Deno.test("checkReshareCommitment() refuses another degree", () => {
  const { parameters, dealt: { commitment } } = firstDeal();
  const { elements } = commitment;
  for (const wrong of [[], elements.slice(0, 2), [...elements, ...elements.slice(1, 2)]]) {
    const lie = { ...commitment, elements: wrong };
    assert.equal(
      assertRefused("wrong-commitment-length", () => checkReshareCommitment(parameters, lie)),
      1,
    );
  }
});

Deno.test("checkReshareCommitment() refuses every point that is not of prime order", () => {
  const { parameters, dealt: { commitment } } = firstDeal();
  for (const [, refusal, bytes] of BAD_ENCODINGS) {
    for (const at of [1, 2]) {
      const elements = commitment.elements.map((element, index) => index === at ? bytes : element);
      const lie = { ...commitment, elements };
      assert.equal(assertRefused(refusal, () => checkReshareCommitment(parameters, lie)), 1);
    }
  }
});

Deno.test("checkReshareCommitment() keeps a copy that its caller cannot change", () => {
  const { parameters, dealt: { commitment } } = firstDeal();
  const checked = checkReshareCommitment(parameters, commitment);
  const before = checked.elements.map((element) => encodeHex(element));
  for (const element of commitment.elements) element.fill(7);
  assert.deepEqual(checked.elements.map((element) => encodeHex(element)), before);
});

Deno.test("checkSubShare() refuses a flipped bit, another's value, and no scalar, naming the dealer", () => {
  const { parameters, dealt } = firstDeal();
  const commitment = checkReshareCommitment(parameters, dealt.commitment);
  const [own, other] = dealt.subShares;
  const { receiver, secret } = assertDefined(own, "none");
  const flipped = secret.slice();
  flipped[0] = (flipped[0] ?? 0) ^ 1;
  const wrong = [flipped, assertDefined(other, "none").secret, new Uint8Array(32)];
  for (const value of wrong) {
    assert.equal(
      assertRefused("bad-share", () => checkSubShare(commitment, { receiver, secret: value })),
      1,
    );
  }
  for (const value of [secret.subarray(1), new Uint8Array(32).fill(255), new Uint8Array(0)]) {
    assert.equal(
      assertRefused(
        "malformed-scalar",
        () => checkSubShare(commitment, { receiver, secret: value }),
      ),
      1,
    );
  }
});

Deno.test("combineSubShares() refuses fewer dealers than the old threshold, and erases", () => {
  const { parameters, dealt } = firstDeal();
  const commitment = checkReshareCommitment(parameters, dealt.commitment);
  const subShare = checkSubShare(commitment, assertDefined(dealt.subShares[0], "none"));
  assertRefused("too-few-signers", () => {
    combineSubShares(parameters, {
      identifier: 1,
      commitments: [commitment],
      subShares: [subShare],
    });
  });
  assert.ok(subShare.secret.every((byte) => byte === 0));
});

Deno.test("combineSubShares() erases the sub-shares when it succeeds, and takes no others'", () => {
  const { parameters, shares } = setUp();
  const deals = dealAll(parameters, shares.slice(0, 2));
  const commitments = deals.map(({ commitment }) => checkReshareCommitment(parameters, commitment));
  const subSharesFor = (at: number) =>
    commitments.map((commitment, dealer) =>
      checkSubShare(commitment, assertDefined(deals[dealer]?.subShares[at], "none"))
    );
  const subShares = subSharesFor(0);
  combineSubShares(parameters, { identifier: 1, commitments, subShares });
  assert.ok(subShares.every(({ secret }) => secret.every((byte) => byte === 0)));
  assert.throws(
    () => combineSubShares(parameters, { identifier: 1, commitments, subShares: subSharesFor(1) }),
    InvariantError,
  );
  const [only] = subSharesFor(0);
  const twice = [assertDefined(only, "none"), assertDefined(only, "none")];
  assert.throws(
    () => combineSubShares(parameters, { identifier: 1, commitments, subShares: twice }),
    InvariantError,
  );
});

Deno.test("toResharedGroup() refuses dealers whose verifying shares do not make the group key", () => {
  const { shares } = setUp();
  const other = deal(2, 3, 4).group;
  const group = { ...setUp().group, groupPublicKey: other.groupPublicKey };
  const parameters = { ...setUp().parameters, group };
  const commitments = dealAll(setUp().parameters, shares)
    .map(({ commitment }) => checkReshareCommitment(parameters, commitment));
  assertRefused("bad-share", () => toResharedGroup(parameters, commitments));
});
