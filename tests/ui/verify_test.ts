/**
 * The verifier that browsers and other programs use, held to the same cases as `lib/certificate`, which nodes use.
 * The modules run in Deno as they are.
 *
 * @module
 */

import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { encodeHex } from "../../lib/bytes.ts";
import {
  CertificateError,
  encodeGenesisStatement,
  encodePem,
  encodeSignedNote,
  encodeVerifierKey,
  type MembershipStatement,
  parseGenesisStatement,
  parseGroupKey as parseReferenceKey,
  parseSignedNote as parseReferenceNote,
  verifyCertificate as verifyReference,
  verifyMembershipChain as verifyReferenceChain,
} from "../../lib/certificate/mod.ts";
import { InputError } from "../../lib/errors.ts";
import { toClusterName, toEpoch } from "../../lib/types.ts";
import * as verifier from "../../lib/ui/verify/mod.js";
import type { MembershipChain } from "../../lib/ui/verify/mod.d.ts";
import { TestMemberships } from "../certificate/memberships.ts";
import { nodeId } from "../certificate/cluster.ts";

const { judgeSignature, parseGroupKey, parseSignedNote, verifyCertificate, verifyMembershipChain } =
  verifier;

/** Three voters, then a learner, then another three, then one more address. */
function grow(): TestMemberships {
  const grown = new TestMemberships();
  grown.amend(
    grown.member(1),
    grown.member(2),
    grown.member(3),
    grown.member(4, {
      role: "learner",
      apiAddress: null,
    }),
  );
  grown.reshare({ voters: [1, 2, 4] });
  grown.amend(grown.member(2, { peerAddress: "10.0.0.9:7101" }));
  return grown;
}

const GROWN = grow();
const OTHER = new TestMemberships(2);
const { publicKey, cluster } = GROWN.membership;
const KEY = encodeHex(publicKey);
const NOTE = GROWN.elect(7, 2);
const SIGNED = parseReferenceNote(NOTE);
const CHAIN: MembershipChain = {
  founding: encodeGenesisStatement(GROWN.statement),
  memberships: GROWN.certificates,
};

/** What became of a check: its result, or the reason that it was refused for. */
async function outcomeOf<Value>(check: () => Value | Promise<Value>): Promise<Value | string> {
  try {
    return await check();
  } catch (error) {
    if (error instanceof verifier.VerificationError) return `refused: ${error.refusal}`;
    if (error instanceof CertificateError) return `refused: ${error.refusal}`;
    if (error instanceof InputError) return "refused: malformed";
    throw error;
  }
}

/** Holds both to one outcome, and returns it. */
async function agree(note: string, key: string, what: string): Promise<unknown> {
  const own = await outcomeOf(() => verifyCertificate(note, parseGroupKey(key)));
  const reference = await outcomeOf(() => {
    const { note: _note, ...stated } = verifyReference(note, parseReferenceKey(key));
    return stated;
  });
  deepEqual(own, reference, what);
  return own;
}

Deno.test("verifyCertificate() returns what a certificate states, under a key in each of its forms", async () => {
  for (const key of [KEY, ` ${encodeVerifierKey(cluster, publicKey)}\n`, encodePem(publicKey)]) {
    const stated = await agree(NOTE, key, key);
    equal(typeof stated === "object", true, String(stated));
  }
  const { leader, term } = await verifyCertificate(NOTE, parseGroupKey(KEY));
  deepEqual([leader, term], ["server_2", 7]);
});

Deno.test("verifyCertificate() refuses what lib/certificate refuses, for the same reason", async () => {
  const forged = [
    ...[...NOTE].map((character, at) => replaceAt(NOTE, at, character === "1" ? "2" : "1")),
    ...Array.from({ length: 20 }, (_, cut) => NOTE.slice(0, -1 - 8 * cut)),
    `${NOTE}\n`,
    `\n${NOTE}`,
    NOTE + NOTE.slice(NOTE.indexOf("\u2014")),
    NOTE.replaceAll("\n", "\r\n"),
    NOTE.replace("\n\n", "\n"),
    encodeSignedNote({ ...SIGNED, name: toClusterName("floe-other") }),
    encodeSignedNote({ ...SIGNED, signature: Uint8Array.of(1, ...new Uint8Array(63)) }),
    OTHER.elect(7, 2),
    GROWN.propose({}),
    GROWN.genesis,
    "",
  ];
  for (const [at, note] of forged.entries()) {
    if (note === NOTE) continue;
    const outcome = await agree(note, KEY, `case ${at}`);
    equal(typeof outcome, "string", `case ${at} is accepted`);
  }
});

Deno.test("verifyCertificate() refuses another key and another cluster", async () => {
  const renamed = encodeVerifierKey("floe-other", publicKey);
  equal(await agree(NOTE, encodeHex(OTHER.membership.publicKey), "key"), "refused: bad-signature");
  equal(await agree(NOTE, renamed, "cluster"), "refused: wrong-cluster");
});

Deno.test("verifyCertificate() refuses another term or leader than expected", async () => {
  const key = parseGroupKey(KEY);
  await verifyCertificate(NOTE, key, { term: 7, leader: "server_2" });
  for (
    const [expected, refusal] of [
      [{ term: 8, leader: "server_2" }, "wrong-term"],
      [{ term: 7, leader: "server_1" }, "wrong-leader"],
    ] as const
  ) {
    await rejects(verifyCertificate(NOTE, key, expected), { refusal });
  }
});

Deno.test("parseGroupKey() takes and refuses the same keys as lib/certificate", async () => {
  const verifierKey = encodeVerifierKey(cluster, publicKey);
  const pem = encodePem(publicKey);
  const small = ["00".repeat(32), `01${"00".repeat(31)}`, `ec${"ff".repeat(30)}7f`];
  const noncanonical = ["ed", "ee", "ff"].map((low) => `${low}${"ff".repeat(30)}7f`);
  const order8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
  const bad = [
    "",
    "ab",
    KEY.slice(1),
    `${verifierKey}AAAA`,
    verifierKey.replace("+", " "),
    pem.slice(3),
  ];
  for (const text of [...bad, ...small, ...noncanonical, order8, `${order8.slice(0, -2)}85`]) {
    throws(() => parseGroupKey(text), { refusal: "malformed" }, text);
    throws(() => parseReferenceKey(text), InputError, text);
  }
  for (const text of [KEY, KEY.toUpperCase(), pem, pem.replaceAll("\n", "\r\n"), verifierKey]) {
    deepEqual([...parseGroupKey(text).publicKey], [...parseReferenceKey(text).publicKey]);
  }
  // A wrong id in a verifier key is found with the first signature: hashing takes a promise here.
  const wrongId = verifierKey.replace(/\+[0-9a-f]{8}\+/, "+00000000+");
  throws(() => parseReferenceKey(wrongId), InputError);
  await rejects(verifyCertificate(NOTE, parseGroupKey(wrongId)), { refusal: "bad-signature" });
});

Deno.test("judgeSignature() tells a changed text from another key, and knows nothing of meaning", async () => {
  const [key, signed] = [parseGroupKey(KEY), parseSignedNote(NOTE)];
  equal(await judgeSignature(signed, key), "valid");
  equal(await judgeSignature({ ...signed, text: `${signed.text}.` }, key), "invalid");
  const other = parseGroupKey(encodeHex(OTHER.membership.publicKey));
  equal(await judgeSignature(signed, other), "otherKey");
});

/** Holds both to one outcome of a chain: who belongs at its end, or the reason. */
async function agreeOnChain(chain: MembershipChain, what: string): Promise<unknown> {
  const own = await outcomeOf(async () => {
    const last = (await verifyMembershipChain(chain, parseGroupKey(KEY))).at(-1);
    return [last?.sequence, last?.epoch, last?.threshold, last?.members.map(({ id }) => id)];
  });
  const reference = await outcomeOf(() => {
    const founding = parseGenesisStatement(chain.founding);
    const [first] = chain.memberships;
    if (first === undefined) throw new CertificateError("wrong-chain", "nothing is signed");
    const { sequence, epoch, threshold, members } = verifyReferenceChain(
      founding,
      chain.memberships,
    );
    return [sequence, epoch, threshold, members.map(({ id }) => id)];
  });
  deepEqual(own, reference, what);
  return own;
}

Deno.test("verifyMembershipChain() follows the members from the founding text to today", async () => {
  const ids = ["server_1", "server_2", "server_4"];
  deepEqual(await agreeOnChain(CHAIN, "chain"), [3, 2, 2, ids]);
  const steps = await verifyMembershipChain(CHAIN, parseGroupKey(KEY));
  deepEqual(steps.map(({ sequence, epoch }) => [sequence, epoch]), [[0, 1], [1, 1], [2, 2], [
    3,
    2,
  ]]);
  equal(steps.at(-1)?.members[1]?.peerAddress, "10.0.0.9:7101");
});

Deno.test("verifyMembershipChain() refuses a chain with a part missing, moved or changed", async () => {
  const [first, second, third] = CHAIN.memberships;
  ok(first !== undefined && second !== undefined && third !== undefined);
  const { byOld, byNew } = second;
  const chains = {
    "no first": [second, third],
    "no second": [first, third],
    "two in the wrong order": [second, first, third],
    "one twice": [first, first, second, third],
    "none": [],
    "no note of the new epoch": [first, { byOld, byNew: null }, third],
    "a second note within an epoch": [first, second, { ...third, byNew: third.byOld }],
    "the notes in each other's place": [first, { byOld: byNew ?? "", byNew: byOld }, third],
    "a note of another statement": [first, { byOld, byNew: third.byOld }],
    "an election in a membership's place": [first, { byOld: NOTE, byNew: null }],
    "another cluster's": [{ byOld: OTHER.propose({}), byNew: null }],
  };
  for (const [what, memberships] of Object.entries(chains)) {
    equal(typeof await agreeOnChain({ ...CHAIN, memberships }, what), "string", what);
  }
  for (const founding of [CHAIN.founding.replace("epoch 1", "epoch 2"), "", GROWN.genesis]) {
    equal(typeof await agreeOnChain({ ...CHAIN, founding }, founding), "string");
  }
  for (let at = 0; at < first.byOld.length; at += 5) {
    const changed = replaceAt(first.byOld, at, first.byOld[at] === "1" ? "2" : "1");
    const memberships = [{ byOld: changed, byNew: null }];
    equal(typeof await agreeOnChain({ ...CHAIN, memberships }, `byte ${at}`), "string");
  }
});

Deno.test("verifyMembershipChain() refuses what the shares signed and may not follow", async () => {
  const grown = grow();
  const present = [1, 2, 4].map((identifier) => grown.member(identifier));
  const [one, two, four] = present;
  ok(one !== undefined && two !== undefined && four !== undefined);
  const learner = { role: "learner", verifyingShare: null } as const;
  const changes: Record<string, Partial<MembershipStatement>> = {
    "a place is skipped": { sequence: 5 },
    "it follows another statement": { previous: new Uint8Array(32) },
    "the threshold changes": { threshold: 3 },
    "a threshold that is too low": { threshold: 1 },
    "the epoch goes back": { epoch: toEpoch(1) },
    "the epoch jumps": { epoch: toEpoch(4) },
    "a voter leaves within an epoch": { members: [one, two] },
    "an identifier changes": { members: [one, two, { ...four, identifier: 5 }] },
    "a number is used again": {
      members: [...present, grown.member(3, { ...learner, id: nodeId(9) })],
    },
    "a removed node comes back": {
      members: [...present, grown.member(5, { ...learner, id: nodeId(3) })],
    },
    "one identity twice": {
      members: [...present, grown.member(5, { ...learner, identityKey: one.identityKey })],
    },
    "one channel twice": {
      members: [...present, grown.member(5, { ...learner, channelKey: one.channelKey })],
    },
    "a share within an epoch": {
      members: [one, two, { ...four, verifyingShare: one.verifyingShare }],
    },
    "a learner with a share": {
      members: [
        ...present,
        grown.member(5, { role: "learner", verifyingShare: one.verifyingShare }),
      ],
    },
    "no address": { members: [one, two, { ...four, peerAddress: "-" }] },
    "another group key": { publicKey: OTHER.membership.publicKey },
  };
  for (const [what, change] of Object.entries(changes)) {
    const next = { byOld: grown.propose(change), byNew: null };
    const memberships = [...grown.certificates, next];
    equal(typeof await agreeOnChain({ ...CHAIN, memberships }, what), "string", what);
  }
  const joined = {
    byOld: grown.propose({ members: [...present, grown.member(5, learner)] }),
    byNew: null,
  };
  const memberships = [...grown.certificates, joined];
  equal(typeof await agreeOnChain({ ...CHAIN, memberships }, "a learner joins"), "object");
});

Deno.test("the verifier's types name what its module exports", () => {
  const told = Deno.readTextFileSync(new URL("../../lib/ui/verify/mod.d.ts", import.meta.url));
  const named = [...told.matchAll(/^export (?:function|class) (\w+)/gm)].map(([, name]) => name);
  deepEqual(Object.keys(verifier).toSorted(), named.toSorted());
});

Deno.test("without Ed25519 in WebCrypto, @noble/curves verifies", async () => {
  const { subtle } = crypto;
  const original = subtle.importKey;
  subtle.importKey = () => Promise.reject(new DOMException("none", "NotSupportedError"));
  try {
    const [key, signed] = [parseGroupKey(KEY), parseSignedNote(NOTE)];
    equal(await judgeSignature(signed, key), "valid");
    equal(await judgeSignature({ ...signed, text: `${signed.text}.` }, key), "invalid");
  } finally {
    subtle.importKey = original;
  }
});

function replaceAt(text: string, at: number, character: string): string {
  return text.slice(0, at) + character + text.slice(at + 1);
}
