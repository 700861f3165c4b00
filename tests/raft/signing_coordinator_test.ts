import assert from "node:assert/strict";
import type { Certifier } from "../../lib/certificate/certifier.ts";
import { signingSessionsMax } from "../../lib/certificate/nonce_pool.ts";
import { type Offer, SigningCoordinator, Suspects } from "../../lib/raft/signing_coordinator.ts";
import {
  type NodeId,
  toClusterName,
  toEpoch,
  toLogIndex,
  toNodeId,
  toTerm,
} from "../../lib/types.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";
import { createCertifierDouble } from "../support/certifier_double.ts";

const VOTERS = ["a", "b", "c", "d", "e"].map(toNodeId);
const SELF = toNodeId("a");
const SHARE = Uint8Array.of(1);

const certifier: Certifier = createCertifierDouble({
  cluster: toClusterName("test"),
  epoch: toEpoch(1),
  threshold: 3,
  voters: VOTERS.map((id, at) => ({ id, identifier: at + 1 })),
  self: SELF,
  randomBytes: seededBytes(1),
});

function sessionsWith(...offers: readonly string[]): SigningCoordinator {
  const election = {
    epoch: toEpoch(1),
    term: toTerm(1),
    leader: SELF,
    lastLogIndex: toLogIndex(0),
    lastLogTerm: toTerm(0),
  };
  const first = offers.map((name): [NodeId, Offer] => [toNodeId(name), offer(`first of ${name}`)]);
  return new SigningCoordinator({
    election,
    certifier,
    offers: new Map(first),
    suspects: new Suspects(2),
  });
}

function offer(text: string, incarnation = 1): Offer {
  return { commitment: new TextEncoder().encode(text), incarnation };
}

function signersOf(session: ReturnType<SigningCoordinator["open"]>): readonly string[] | null {
  return session?.request.commitments.map(({ voter }) => voter) ?? null;
}

Deno.test("SigningCoordinator.open() takes t voters, this node among them, in the voters' order", () => {
  const sessions = sessionsWith("e", "d", "a", "b");
  assert.deepEqual(signersOf(sessions.open(0)), ["a", "d", "e"]);
});

Deno.test("SigningCoordinator.open() refuses with too few offers, or without this node's own", () => {
  assert.equal(sessionsWith("a", "b").open(0), null);
  assert.equal(sessionsWith("b", "c", "d").open(0), null);
});

Deno.test("SigningCoordinator.open() uses no commitment twice", () => {
  const sessions = sessionsWith("a", "b", "c");
  sessions.open(0);
  assert.equal(sessions.open(1), null);
  for (const name of ["a", "b", "c"]) assert.equal(sessions.hasOffer(toNodeId(name)), false);
});

Deno.test("SigningCoordinator.open() leaves out who owes a share", () => {
  const sessions = sessionsWith("a", "b", "c", "d");
  const first = sessions.open(0);
  assert.deepEqual(signersOf(first), ["a", "b", "c"]);
  for (const name of ["a", "b", "c"]) {
    sessions.offer(toNodeId(name), offer(`second of ${name}`));
  }
  sessions.addShare(SELF, 1, SHARE);
  sessions.addShare(toNodeId("b"), 1, SHARE);
  assert.deepEqual(signersOf(sessions.open(1)), ["a", "b", "d"]);
});

Deno.test("SigningCoordinator.open() leaves out cheaters for good", () => {
  const sessions = sessionsWith("a", "b", "c", "d");
  const first = sessions.open(0);
  assert.ok(first !== null);
  sessions.exclude(first, [toNodeId("b")]);
  for (const name of ["a", "b", "c"]) {
    sessions.offer(toNodeId(name), offer(`second of ${name}`));
  }
  assert.deepEqual(signersOf(sessions.open(1)), ["a", "c", "d"]);
});

Deno.test("SigningCoordinator.open() stops after n - t + 1 sessions", () => {
  const sessions = sessionsWith();
  for (let count = 1; count <= 4; count++) {
    for (const voter of VOTERS) {
      sessions.offer(voter, offer(`${count} ${voter}`));
    }
    const session = sessions.open(count);
    assert.equal(session === null, count === 4, `session ${count}`);
    if (session !== null) sessions.exclude(session, []);
  }
});

Deno.test("SigningCoordinator.open() never opens more than a voter signs in", () => {
  const sessions = sessionsWith();
  const declining = VOTERS.filter((voter) => voter !== SELF);
  let count = 0;
  for (;; count++) {
    for (const voter of VOTERS) {
      sessions.offer(voter, offer(`${count} ${voter}`));
    }
    const session = sessions.open(count);
    if (session === null) break;
    // The worst for the candidate: each voter declines once, in a session of its own.
    const voter = declining.find((id) => session.request.commitments.some((at) => at.voter === id));
    if (voter === undefined) sessions.exclude(session, []);
    else {
      sessions.decline(voter, { session: session.number, incarnation: 2 });
      declining.splice(declining.indexOf(voter), 1);
    }
  }
  assert.ok(count > VOTERS.length - certifier.threshold + 1);
  assert.ok(count <= signingSessionsMax({ voters: VOTERS.length, threshold: 3 }), `${count}`);
});

Deno.test("SigningCoordinator.addShare() completes a session with the last signer's share", () => {
  const sessions = sessionsWith("a", "b", "c");
  const session = sessions.open(0);
  assert.equal(sessions.addShare(toNodeId("a"), 1, SHARE), null);
  assert.equal(sessions.addShare(toNodeId("b"), 1, SHARE), null);
  assert.equal(sessions.addShare(toNodeId("c"), 1, SHARE), session);
});

Deno.test("SigningCoordinator.addShare() takes each signer's first share only", () => {
  const sessions = sessionsWith("a", "b", "c");
  const session = sessions.open(0);
  sessions.addShare(toNodeId("b"), 1, SHARE);
  assert.equal(sessions.addShare(toNodeId("b"), 1, Uint8Array.of(2)), null);
  assert.deepEqual(session?.shares.get(toNodeId("b")), SHARE);
});

Deno.test("SigningCoordinator.addShare() refuses who does not sign, and sessions that are not open", () => {
  const sessions = sessionsWith("a", "b", "c", "d");
  const session = sessions.open(0);
  assert.ok(session !== null);
  for (const [voter, number] of [["d", 1], ["b", 0], ["b", 2], ["b", 0.5]] as const) {
    assert.equal(sessions.addShare(toNodeId(voter), number, SHARE), null);
  }
  assert.equal(session.shares.size, 0);
  sessions.exclude(session, []);
  sessions.addShare(toNodeId("b"), 1, SHARE);
  assert.equal(session.shares.size, 0);
});

Deno.test("SigningCoordinator.decline() ends a session, but not after the share was given", () => {
  const sessions = sessionsWith("a", "b", "c");
  const session = sessions.open(0);
  sessions.addShare(toNodeId("b"), 1, SHARE);
  sessions.decline(toNodeId("b"), { session: 1, incarnation: 1 });
  assert.equal(session?.status, "open");
  sessions.decline(toNodeId("c"), { session: 1, incarnation: 1 });
  assert.equal(session?.status, "failed");
  assert.deepEqual([...sessions.owing()], []);
});

Deno.test("SigningCoordinator.sessionOwedBy() gives a failed session, until its signer offers a nonce", () => {
  const sessions = sessionsWith("a", "b", "c");
  const first = sessions.open(0);
  const [b, c, d] = ["b", "c", "d"].map(toNodeId) as [NodeId, NodeId, NodeId];
  assert.equal(sessions.sessionOwedBy(c), first);
  sessions.decline(b, { session: 1, incarnation: 1 });
  assert.equal(sessions.sessionOwedBy(c), first);
  sessions.offer(c, offer("second of c"));
  assert.equal(sessions.sessionOwedBy(c), null);
  assert.equal(sessions.sessionOwedBy(d), null);
});
