import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeHex } from "../../lib/bytes.ts";
import {
  encodeGenesisStatement,
  encodeMembershipNote,
  encodeMembershipStatement,
  followMembership,
  type GenesisStatement,
  hashMembership,
  type Member,
  type Membership,
  MEMBERSHIP_LENGTH_MAX,
  type MembershipStatement,
  parseMembershipStatement,
  toFirstMembership,
  toGenesisStatement,
  toGroup,
  toGroupPublicKeys,
  verifyMembership,
  verifyMembershipChain,
  verifyMembershipNote,
} from "../../lib/certificate/mod.ts";
import { type SecretShare, trustedDealerKeygen } from "../../lib/frost/mod.ts";
import { type Epoch, toClusterName, toEpoch, toNodeId } from "../../lib/types.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";
import { createFounders } from "./founders.ts";
import { reshareTo, signWith } from "./memberships.ts";
import { assertRefused } from "./refused.ts";

/** A cluster of three whose key a dealer made, two of whom sign. */
interface Cluster {
  readonly genesis: GenesisStatement;
  readonly shares: readonly SecretShare[];
}

const IDENTITIES = new Map(
  createFounders(3, 5).roster.voters.map(({ id, identityKey }) => [id as string, identityKey]),
);

function found(): Cluster {
  const { roster } = createFounders(2, 3);
  const { group, shares } = trustedDealerKeygen({
    minParticipants: 2,
    maxParticipants: 3,
    randomBytes: seededBytes(1),
  });
  return { genesis: toGenesisStatement(roster, group, seededBytes(2)(32)), shares };
}

function member(identifier: number, change: Partial<Member> = {}): Member {
  const id = `server_${identifier}`;
  return {
    id: toNodeId(id),
    role: "voter",
    identifier,
    identityKey: assertDefined(IDENTITIES.get(id), id),
    channelKey: seededBytes(100 + identifier)(32),
    peerAddress: `10.0.0.${identifier}:7101`,
    apiAddress: `10.0.0.${identifier}:7201`,
    verifyingShare: null,
    ...change,
  };
}

/** The statement that only adds keys and addresses to what the genesis says, and a learner. */
function firstStatement({ genesis }: Cluster): MembershipStatement {
  const before = toFirstMembership(genesis);
  return {
    cluster: genesis.cluster,
    sequence: 1,
    epoch: genesis.epoch,
    threshold: 2,
    previous: before.hash,
    members: [
      ...genesis.voters.map(({ identifier, verifyingShare }) =>
        member(identifier, { verifyingShare })
      ),
      member(4, { role: "learner", apiAddress: null }),
    ],
    publicKey: genesis.publicKey,
  };
}

function noteBy(statement: MembershipStatement, by: Epoch, shares: Cluster["shares"]): string {
  const group = {
    minParticipants: 2,
    groupPublicKey: statement.publicKey,
    verifyingShares: toGroupPublicKeys(found().genesis).verifyingShares,
  };
  const signature = signWith({ group, shares }, encodeMembershipStatement(statement, by));
  return encodeMembershipNote(statement, { by, signature });
}

/** The next epoch: server_3 leaves, server_4 votes, and two of the new three sign. */
function secondEpoch(cluster: Cluster, before: Membership) {
  const receivers = [1, 2, 4];
  const dealing = { group: toGroupPublicKeys(toGroup(before)), shares: cluster.shares };
  const { group, shares } = reshareTo(receivers, dealing, { threshold: 2, seed: 0 });
  const statement: MembershipStatement = {
    cluster: before.cluster,
    sequence: before.sequence + 1,
    epoch: toEpoch(before.epoch + 1),
    threshold: 2,
    previous: before.hash,
    members: receivers.map((identifier) =>
      member(identifier, {
        verifyingShare: assertDefined(group.verifyingShares.get(identifier), "none"),
      })
    ),
    publicKey: before.publicKey,
  };
  const by = statement.epoch;
  const signers = { group, shares: shares.slice(1) };
  const signature = signWith(signers, encodeMembershipStatement(statement, by));
  return {
    statement,
    byOld: noteBy(statement, before.epoch, cluster.shares),
    byNew: encodeMembershipNote(statement, { by, signature }),
  };
}

function chain() {
  const cluster = found();
  const first = firstStatement(cluster);
  const amendment = { byOld: noteBy(first, first.epoch, cluster.shares), byNew: null };
  const before = verifyMembership(toFirstMembership(cluster.genesis), amendment);
  return { cluster, first, amendment, before, ...secondEpoch(cluster, before) };
}

const CHAIN = chain();
const { cluster: CLUSTER, first: FIRST, amendment: AMENDMENT, before: BEFORE } = CHAIN;
const SECOND = CHAIN.statement;

Deno.test("a membership statement is text, one line a member", () => {
  const [, , sequence, epoch, , previous, voter, ...rest] = encodeMembershipStatement(
    FIRST,
    toEpoch(1),
  ).split("\n");
  assert.equal(sequence, "sequence 1");
  assert.equal(epoch, "epoch 1");
  assert.equal(previous, `previous ${encodeHex(toFirstMembership(CLUSTER.genesis).hash)}`);
  const key = encodeHex(assertDefined(IDENTITIES.get("server_1"), "none"));
  assert.ok(voter?.startsWith(`voter server_1 1 ${key} `), String(voter));
  assert.ok(voter?.endsWith(" 10.0.0.1:7101 10.0.0.1:7201"), String(voter));
  assert.match(rest[2] ?? "", /^learner server_4 4 [0-9a-f]{64} [0-9a-f]{64} - 10.0.0.4:7101 -$/);
  assert.equal(rest.at(-2), "by 1");
});

Deno.test("parseMembershipStatement() reads what encodeMembershipStatement() writes", () => {
  for (const statement of [FIRST, SECOND]) {
    const read = parseMembershipStatement(encodeMembershipStatement(statement, toEpoch(7)));
    assert.deepEqual(read, { statement, by: 7 });
  }
});

Deno.test("parseMembershipStatement() refuses every second way to write a statement", () => {
  const text = encodeMembershipStatement(FIRST, toEpoch(1));
  const wrong = [
    "",
    text.slice(0, -1),
    `${text}\n`,
    text.replace("sequence 1", "sequence 01"),
    text.replace("epoch 1", "epoch 0"),
    text.replace("threshold 2", "threshold 2 "),
    text.replace("voter server_1 1 ", "voter server_1 01 "),
    text.replace("voter server_1", "voter server 1"),
    text.replace("voter server_1", "guest server_1"),
    text.replace("10.0.0.1:7101", "10.0.0.1 7101"),
    text.replace(/[a-f]/, (letter) => letter.toUpperCase()),
    text.replace("by 1", "by"),
    text.replace("membership/v1", "membership/v2"),
    text.replace("floe-test", "x".repeat(MEMBERSHIP_LENGTH_MAX)),
  ];
  for (const lie of wrong) assertRefused("malformed", () => parseMembershipStatement(lie));
});

Deno.test("parseMembershipStatement() refuses or reads exactly each text with one byte changed", () => {
  const text = encodeMembershipStatement(FIRST, toEpoch(1));
  for (let at = 0; at < text.length; at += 3) {
    const changed = text.slice(0, at) + (text[at] === "0" ? "1" : "0") + text.slice(at + 1);
    try {
      const { statement, by } = parseMembershipStatement(changed);
      assert.equal(encodeMembershipStatement(statement, by), changed);
    } catch (error) {
      assert.equal(error instanceof Error && error.name, "CertificateError");
    }
  }
});

Deno.test("hashMembership() is of the statement, whoever signs it", () => {
  const hashed = encodeHex(hashMembership(FIRST));
  const read = parseMembershipStatement(encodeMembershipStatement(FIRST, toEpoch(2))).statement;
  assert.equal(encodeHex(hashMembership(read)), hashed);
  assert.notEqual(encodeHex(hashMembership({ ...FIRST, threshold: 3 })), hashed);
});

Deno.test("verifyMembershipChain() leads from the genesis to today's members, under one key", () => {
  const end = verifyMembershipChain(CLUSTER.genesis, [AMENDMENT, CHAIN]);
  assert.deepEqual(end.members.map(({ id }) => id), ["server_1", "server_2", "server_4"]);
  assert.equal(end.epoch, 2);
  assert.deepEqual(end.publicKey, CLUSTER.genesis.publicKey);
  assert.deepEqual([...end.formerIds], ["server_3"]);
  assert.equal(end.identifierMax, 4);
  assert.deepEqual(toGroup(end).voters.map(({ identifier }) => identifier), [1, 2, 4]);
});

Deno.test("verifyMembershipChain() refuses a gap, a swap and a repetition", () => {
  for (const wrong of [[CHAIN], [CHAIN, AMENDMENT], [AMENDMENT, AMENDMENT]]) {
    assertRefused("wrong-chain", () => verifyMembershipChain(CLUSTER.genesis, wrong));
  }
});

Deno.test("verifyMembershipChain() refuses a chain that begins at another genesis", () => {
  const other = { ...CLUSTER.genesis, transcriptHash: seededBytes(9)(32) };
  assert.notEqual(encodeGenesisStatement(other), encodeGenesisStatement(CLUSTER.genesis));
  assertRefused("wrong-chain", () => verifyMembershipChain(other, [AMENDMENT]));
});

Deno.test("verifyMembership() refuses a new epoch that its own shares did not sign", () => {
  const { byOld, byNew } = CHAIN;
  assertRefused("wrong-chain", () => verifyMembership(BEFORE, { byOld, byNew: null }));
  assertRefused("wrong-epoch", () => verifyMembership(BEFORE, { byOld, byNew: byOld }));
  assertRefused("wrong-epoch", () => verifyMembership(BEFORE, { byOld: byNew, byNew }));
});

Deno.test("verifyMembership() refuses a proof of another statement", () => {
  const other = { ...SECOND, members: SECOND.members.map(swapAddress) };
  const byNew = noteBy(other, other.epoch, CLUSTER.shares);
  assertRefused("wrong-chain", () => verifyMembership(BEFORE, { byOld: CHAIN.byOld, byNew }));
});

Deno.test("verifyMembership() refuses a second note within an epoch", () => {
  const first = toFirstMembership(CLUSTER.genesis);
  const { byOld } = AMENDMENT;
  assertRefused("wrong-chain", () => verifyMembership(first, { byOld, byNew: byOld }));
});

Deno.test("verifyMembershipNote() refuses a flipped byte, another key and another cluster", () => {
  const { genesis } = CLUSTER;
  const changed = AMENDMENT.byOld.replace("10.0.0.1:7101", "10.0.0.1:7102");
  assertRefused("bad-signature", () => verifyMembershipNote(changed, genesis));
  const publicKey = seededBytes(1)(32);
  assertRefused("bad-signature", () => {
    verifyMembershipNote(AMENDMENT.byOld, { ...genesis, publicKey });
  });
  const cluster = toClusterName("another");
  assertRefused("wrong-cluster", () => {
    verifyMembershipNote(AMENDMENT.byOld, { ...genesis, cluster });
  });
  assertRefused("malformed", () => verifyMembershipNote(`${AMENDMENT.byOld}x`, genesis));
  assertRefused("malformed", () => {
    verifyMembershipNote("x".repeat(MEMBERSHIP_LENGTH_MAX + 1), genesis);
  });
});

function swapAddress(one: Member): Member {
  return { ...one, peerAddress: "10.9.9.9:1" };
}

/** Refuses the second statement after a change to it. */
function refuses(
  refusal: Parameters<typeof assertRefused>[0],
  change: Partial<MembershipStatement>,
): void {
  assertRefused(refusal, () => followMembership(BEFORE, { ...SECOND, ...change }));
}

function withMember(at: number, change: Partial<Member>): Partial<MembershipStatement> {
  const members = SECOND.members.map((one, index) => index === at ? { ...one, ...change } : one);
  return { members };
}

Deno.test("followMembership() refuses another cluster, key, position and epoch", () => {
  refuses("wrong-cluster", { cluster: toClusterName("another") });
  refuses("wrong-cluster", { publicKey: seededBytes(3)(32) });
  refuses("wrong-chain", { sequence: 1 });
  refuses("wrong-chain", { sequence: 3 });
  refuses("wrong-chain", { previous: seededBytes(3)(32) });
  refuses("wrong-epoch", { epoch: toEpoch(3) });
});

Deno.test("followMembership() refuses other voters, shares or a threshold within an epoch", () => {
  refuses("wrong-epoch", { epoch: toEpoch(1) });
  const first = toFirstMembership(CLUSTER.genesis);
  const changed = (change: Partial<MembershipStatement>) => () =>
    followMembership(first, { ...FIRST, ...change });
  assertRefused("wrong-epoch", changed({ threshold: 3 }));
  const [one, two, ...others] = FIRST.members.map((known) => known.verifyingShare);
  const swapped = [two, one, ...others];
  const members = FIRST.members.map((known, at) => {
    return { ...known, verifyingShare: swapped[at] ?? null };
  });
  assertRefused("bad-group", changed({ members }));
});

Deno.test("followMembership() refuses identifiers and ids that were another's", () => {
  refuses("bad-roster", withMember(2, { identifier: 5 }));
  refuses("bad-roster", withMember(2, { id: toNodeId("server_5") }));
  refuses("bad-roster", withMember(0, { id: toNodeId("server_9"), identifier: 3 }));
  refuses("bad-roster", withMember(2, { identifier: 65_536, id: toNodeId("server_9") }));
  const after = followMembership(BEFORE, SECOND);
  const back = member(3, { identifier: 5, role: "learner" });
  const statement = {
    ...SECOND,
    sequence: 3,
    previous: after.hash,
    members: [...SECOND.members, back],
  };
  assert.equal(
    assertRefused("bad-roster", () => followMembership(after, statement)),
    "server_3",
  );
});

Deno.test("followMembership() refuses members twice, out of order, and with each other's keys", () => {
  const [first, second, third] = SECOND.members;
  assert.ok(first && second && third);
  refuses("bad-roster", { members: [first, first, second, third] });
  refuses("bad-roster", { members: [second, first, third] });
  refuses("bad-roster", withMember(1, { identityKey: first.identityKey }));
  refuses("bad-roster", withMember(1, { channelKey: first.channelKey }));
  refuses("bad-roster", withMember(1, { identityKey: new Uint8Array(32) }));
  for (const peerAddress of ["", "-", "a b", "a\nb", "x".repeat(300)]) {
    refuses("bad-roster", withMember(1, { peerAddress }));
  }
});

Deno.test("followMembership() refuses thresholds of half and less, and shares that make no group", () => {
  refuses("bad-roster", { threshold: 1 });
  refuses("bad-roster", { threshold: 4 });
  refuses(
    "bad-group",
    withMember(0, { verifyingShare: SECOND.members[1]?.verifyingShare ?? null }),
  );
  refuses("bad-group", withMember(0, { verifyingShare: new Uint8Array(32) }));
  const withoutShares = SECOND.members.map((one, at) => {
    return at === 0 ? one : { ...one, verifyingShare: null };
  });
  refuses("bad-group", { members: withoutShares });
  refuses("bad-group", {
    members: [
      ...SECOND.members,
      member(5, { role: "learner", verifyingShare: SECOND.members[0]?.verifyingShare ?? null }),
    ],
  });
});

Deno.test("followMembership() takes a voter that holds no share in this epoch", () => {
  const members = SECOND.members.map((one, at) =>
    at === 2 ? { ...one, verifyingShare: null } : one
  );
  const after = followMembership(BEFORE, { ...SECOND, members });
  assert.deepEqual(toGroup(after).voters.map(({ identifier }) => identifier), [1, 2]);
});
