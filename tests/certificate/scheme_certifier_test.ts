/**
 * The rules of a voter, for every certifier that there is: FROST and the double share them, so each
 * test runs for both.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import type { Certifier, SigningRequest } from "../../lib/certificate/certifier.ts";
import { toNodeId, toTerm } from "../../lib/types.ts";
import { createTestCluster, createTestDoubles, electionFields, nodeId } from "./cluster.ts";
import { certify, noteOf, requestOf, runRounds } from "./election.ts";
import { assertRefused } from "./refused.ts";

const SIZE = { threshold: 3, voters: 5 };
const CERTIFIERS: readonly (readonly [string, () => readonly Certifier[]])[] = [
  ["FrostCertifier", () => createTestCluster(SIZE).certifiers],
  ["CertifierDouble", () => createTestDoubles(SIZE)],
];
const SIGNERS = [0, 2, 4];

for (const [name, create] of CERTIFIERS) {
  const test = (title: string, check: (voters: readonly Certifier[], first: Certifier) => void) => {
    Deno.test(`${name}.${title}`, () => {
      const voters = create();
      check(voters, assertDefined(voters[0], "no voters"));
    });
  };

  test("combine() makes a certificate that every voter verifies", (voters) => {
    const note = certify(voters, SIGNERS);
    const { term, leader } = electionFields();
    for (const voter of voters) {
      assert.deepEqual(voter.verify(note, { term, leader }), { ...voter.verify(note) });
      assert.equal(voter.verify(note).note, note);
    }
  });

  test("combine() makes the same certificate at any of the signers and elsewhere", (voters) => {
    const { request, shares } = runRounds(voters, SIGNERS);
    const notes = voters.map((voter) => noteOf(voter.combine(request, shares)));
    assert.equal(new Set(notes).size, 1);
  });

  test("combine() leaves shares of voters outside the request aside", (voters, first) => {
    const { request, shares } = runRounds(voters, SIGNERS);
    shares.set(nodeId(2), new Uint8Array(32));
    assert.equal(first.combine(request, shares).kind, "certificate");
  });

  test("combine() names the one cheater, several, and all", (voters, first) => {
    for (
      const cheaters of [
        [nodeId(3)],
        [nodeId(1), nodeId(5)],
        SIGNERS.map((at) => nodeId(at + 1)),
      ]
    ) {
      const term = toTerm(10 + cheaters.length);
      const { request, shares } = runRounds(voters, SIGNERS, electionFields({ term }));
      cheaters.forEach((voter, at) => flipBit(shares.get(voter), at));
      assert.deepEqual(first.combine(request, shares), { kind: "cheaters", voters: cheaters });
    }
  });

  test("combine() names who sent a malformed share", (voters, first) => {
    const { request, shares } = runRounds(voters, SIGNERS);
    for (const length of [0, 1, 31, 33, 64]) {
      const changed = new Map(shares).set(nodeId(3), new Uint8Array(length));
      assert.deepEqual(first.combine(request, changed), { kind: "cheaters", voters: [nodeId(3)] });
    }
    const tooLarge = new Map(shares).set(nodeId(5), new Uint8Array(32).fill(0xff));
    assert.deepEqual(first.combine(request, tooLarge), { kind: "cheaters", voters: [nodeId(5)] });
  });

  test("combine() names who sent the share of another request", (voters, first) => {
    const { request, shares } = runRounds(voters, SIGNERS);
    const other = runRounds(voters, SIGNERS);
    shares.set(nodeId(3), assertDefined(other.shares.get(nodeId(3)), "no share"));
    assert.deepEqual(first.combine(request, shares), { kind: "cheaters", voters: [nodeId(3)] });
  });

  test("combine() stops when a signer's share is not there", (voters, first) => {
    const { request, shares } = runRounds(voters, SIGNERS);
    shares.delete(nodeId(3));
    assert.throws(() => first.combine(request, shares), { name: "InvariantError" });
  });

  test(
    "commit() repeats itself until the nonce is taken, then issues the next",
    (voters, first) => {
      const election = { term: toTerm(7), candidate: nodeId(1) };
      const commitment = first.commit(election);
      assert.deepEqual(first.commit(election), commitment);
      first.takeNonce(requestOf(voters, SIGNERS));
      const next = first.commit(election);
      assert.notDeepEqual(next, commitment);
      assert.deepEqual(first.commit(election), next);
    },
  );

  test("commit() issues one commitment for each candidate and term", (_voters, first) => {
    const commitments = [
      first.commit({ term: toTerm(7), candidate: nodeId(1) }),
      first.commit({ term: toTerm(8), candidate: nodeId(1) }),
      first.commit({ term: toTerm(7), candidate: nodeId(2) }),
    ].map((commitment) => commitment.toHex());
    assert.equal(new Set(commitments).size, 3);
  });

  test("commit() refuses a candidate that is no voter", (_voters, first) => {
    const election = { term: toTerm(7), candidate: toNodeId("stranger") };
    assert.equal(assertRefused("wrong-leader", () => first.commit(election)), "stranger");
  });

  test("commit() keeps no hold on the bytes that it returns", (voters, first) => {
    const election = { term: toTerm(7), candidate: nodeId(1) };
    first.commit(election).fill(0);
    first.takeNonce(requestOf(voters, SIGNERS));
  });

  test("checkCommitment() accepts each voter's, and refuses it changed", (voters, first) => {
    voters.forEach((voter, at) => {
      const commitment = voter.commit({ term: toTerm(7), candidate: nodeId(1) });
      first.checkCommitment(nodeId(at + 1), commitment);
      const half = commitment.slice(0, commitment.length / 2);
      const zeros = new Uint8Array(commitment.length);
      const long = new Uint8Array(commitment.length + 1);
      for (const bad of [half, zeros, long, new Uint8Array()]) {
        const check = () => first.checkCommitment(nodeId(at + 1), bad);
        assert.equal(assertRefused("bad-commitment", check), nodeId(at + 1));
      }
    });
  });

  test("checkCommitment() refuses a stranger's", (voters, first) => {
    const commitment = assertDefined(voters[1], "no voter")
      .commit({ term: toTerm(7), candidate: nodeId(1) });
    assertRefused("foreign-signer", () => first.checkCommitment(toNodeId("stranger"), commitment));
  });

  test("takeNonce() gives a ticket for the cached share to an exact repeat", (voters, first) => {
    const request = requestOf(voters, SIGNERS);
    const share = first.sign(first.takeNonce(request));
    assert.deepEqual(first.sign(first.takeNonce(copyOf(request))), share);
    const [before, after] = [first.takeNonce(request), first.takeNonce(request)];
    assert.deepEqual(first.sign(before), first.sign(after));
  });

  test("takeNonce() repeated before signing yields one share", (voters, first) => {
    const request = requestOf(voters, SIGNERS);
    const tickets = [first.takeNonce(request), first.takeNonce(copyOf(request))];
    const shares = tickets.map((ticket) => first.sign(ticket).toHex());
    assert.equal(new Set(shares).size, 1);
  });

  test("takeNonce() refuses the same nonce with anything different", (voters, first) => {
    const request = requestOf(voters, [0, 1, 2, 3]);
    first.takeNonce(request);
    const { election, commitments } = request;
    const other = assertDefined(voters[2], "no voter");
    other.takeNonce(request);
    const next = other.commit({ term: election.term, candidate: election.leader });
    for (
      const changed of [
        {
          election: { ...election, lastLogIndex: electionFields({ term: 1 }).lastLogIndex - 1 },
          commitments,
        },
        { election: { ...election, lastLogTerm: toTerm(5) }, commitments },
        { election, commitments: commitments.slice(0, 3) },
        {
          election,
          commitments: commitments.map((entry) =>
            entry.voter === nodeId(3) ? { ...entry, commitment: next } : entry
          ),
        },
      ]
    ) {
      const refused = assertRefused(
        "nonce-reused",
        () => first.takeNonce(changed as SigningRequest),
      );
      assert.equal(refused, nodeId(1));
    }
    first.sign(first.takeNonce(request));
    const shorter = { election, commitments: commitments.slice(0, 3) };
    assertRefused("nonce-reused", () => first.takeNonce(shorter));
  });

  test("takeNonce() refuses a nonce issued for another candidate or term", (voters, first) => {
    const request = requestOf(voters, SIGNERS);
    for (const change of [{ term: toTerm(8) }, { leader: nodeId(2) }]) {
      const changed = { ...request, election: { ...request.election, ...change } };
      assertRefused("unknown-nonce", () => first.takeNonce(changed));
    }
    first.takeNonce(request);
    const changed = { ...request, election: { ...request.election, leader: nodeId(2) } };
    assertRefused("unknown-nonce", () => first.takeNonce(changed));
  });

  test("takeNonce() refuses a commitment that it issued for another election", (voters, first) => {
    const request = requestOf(voters, SIGNERS);
    const foreign = requestOf(voters, SIGNERS, electionFields({ term: 99 }));
    const [own] = foreign.commitments;
    const commitments = [assertDefined(own, "no entry"), ...request.commitments.slice(1)];
    assertRefused("unknown-nonce", () => first.takeNonce({ ...request, commitments }));
  });

  test("takeNonce() refuses a list without this voter", (voters, first) => {
    assertRefused("not-a-signer", () => first.takeNonce(requestOf(voters, [1, 2, 3])));
  });

  test("takeNonce() refuses fewer signers than the threshold", (voters, first) => {
    for (const signers of [[], [0], [0, 1]]) {
      assertRefused("too-few-signers", () => first.takeNonce(requestOf(voters, signers)));
    }
  });

  test(
    "takeNonce() refuses an unsorted list and a signer twice, and names the signer",
    (voters, first) => {
      for (const [signers, named] of [[[2, 0, 4], 1], [[0, 4, 2], 3], [[0, 2, 2], 3]] as const) {
        const take = () => first.takeNonce(requestOf(voters, signers));
        assert.equal(assertRefused("unsorted-signers", take), nodeId(named));
      }
    },
  );

  test("takeNonce() refuses a foreign signer, and names it", (voters, first) => {
    const request = requestOf(voters, SIGNERS);
    const voter = toNodeId("stranger");
    const commitments = request.commitments.map((entry, at) =>
      at === 2 ? { ...entry, voter } : entry
    );
    const take = () => first.takeNonce({ ...request, commitments });
    assert.equal(assertRefused("foreign-signer", take), "stranger");
  });

  test("takeNonce() refuses a bad commitment, and names the voter", (voters, first) => {
    const request = requestOf(voters, SIGNERS);
    for (
      const commitment of [new Uint8Array(64), new Uint8Array(63), new Uint8Array(64).fill(255)]
    ) {
      const commitments = request.commitments.map((entry, at) =>
        at === 1 ? { ...entry, commitment } : entry
      );
      const take = () => first.takeNonce({ ...request, commitments });
      assert.equal(assertRefused("bad-commitment", take), nodeId(3));
    }
  });

  test("takeNonce() refuses another epoch and a leader that is no voter", (voters, first) => {
    const request = requestOf(voters, SIGNERS);
    const take = (election: SigningRequest["election"]) => () => {
      first.takeNonce({ ...request, election });
    };
    assertRefused("wrong-epoch", take(electionFields({ epoch: 2 })));
    assertRefused("wrong-leader", take(electionFields({ leader: toNodeId("stranger") })));
  });

  test("takeNonce() takes nothing when it refuses", (voters, first) => {
    const request = requestOf(voters, SIGNERS);
    const { election, commitments } = request;
    assertRefused("too-few-signers", () => {
      first.takeNonce({ election, commitments: commitments.slice(0, 2) });
    });
    first.sign(first.takeNonce(request));
  });

  test("sign() gives the same share to a ticket that is used twice", (voters, first) => {
    const ticket = first.takeNonce(requestOf(voters, SIGNERS));
    const share = first.sign(ticket);
    const copy = share.slice();
    share.fill(0);
    assert.deepEqual(first.sign(ticket), copy);
  });

  test("sign() refuses another certifier's ticket and one that was made up", (voters, first) => {
    const request = requestOf(voters, SIGNERS);
    const foreign = assertDefined(voters[2], "no voter").takeNonce(request);
    assertRefused("unknown-nonce", () => first.sign(foreign));
    const own = first.takeNonce(request);
    assertRefused("unknown-nonce", () => first.sign({ ...own }));
    first.sign(own);
  });

  test("forgetBelow() erases what belongs to earlier terms, and nothing else", (voters, first) => {
    const old = electionFields({ term: 7 });
    const current = electionFields({ term: 8 });
    const [oldRequest, request] = [
      requestOf(voters, SIGNERS, old),
      requestOf(voters, SIGNERS, current),
    ];
    const unsigned = requestOf(voters, SIGNERS, electionFields({ term: 6 }));
    const unsignedTicket = first.takeNonce(unsigned);
    const oldTicket = first.takeNonce(oldRequest);
    first.sign(oldTicket);
    const oldNext = first.commit({ term: old.term, candidate: old.leader });
    first.forgetBelow(current.term);
    assertRefused("unknown-nonce", () => first.sign(oldTicket));
    assertRefused("unknown-nonce", () => first.sign(unsignedTicket));
    assertRefused("unknown-nonce", () => first.takeNonce(oldRequest));
    assert.notDeepEqual(first.commit({ term: old.term, candidate: old.leader }), oldNext);
    const ticket = first.takeNonce(request);
    first.forgetBelow(current.term);
    first.sign(ticket);
  });

  test("verify() refuses another term and leader, and any byte changed", (voters, first) => {
    const note = certify(voters, SIGNERS);
    const { term, leader } = electionFields();
    assertRefused("wrong-term", () => first.verify(note, { term: toTerm(8), leader }));
    assertRefused("wrong-leader", () => first.verify(note, { term, leader: nodeId(2) }));
    for (let at = 0; at < note.length; at++) {
      const changed = note.slice(0, at) + (note[at] === "1" ? "2" : "1") + note.slice(at + 1);
      assert.throws(() => first.verify(changed), { name: "CertificateError" });
    }
  });

  test(
    "voters are in the order of their identifiers, with threshold and epoch",
    (_voters, first) => {
      assert.deepEqual(first.voters, [1, 2, 3, 4, 5].map(nodeId));
      assert.deepEqual([first.threshold, first.epoch], [3, 1]);
    },
  );
}

Deno.test("a FROST certifier and a double refuse each other's certificates", () => {
  const [frost, double] = CERTIFIERS.map(([, create]) => create());
  assert.ok(frost?.[0] && double?.[0]);
  const [frostNote, doubleNote] = [certify(frost, SIGNERS), certify(double, SIGNERS)];
  assertRefused("bad-signature", () => double[0]?.verify(frostNote));
  assertRefused("bad-signature", () => frost[0]?.verify(doubleNote));
});

function flipBit(bytes: Uint8Array | undefined, at: number): void {
  assert.ok(bytes);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
}

function copyOf({ election, commitments }: SigningRequest): SigningRequest {
  return {
    election: { ...election },
    commitments: commitments.map(({ voter, commitment }) => {
      return { voter, commitment: commitment.slice() };
    }),
  };
}
