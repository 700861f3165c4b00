import assert from "node:assert/strict";
import type { CollectedSession } from "../../lib/raft/mod.ts";
import { SignatureCollection } from "../../lib/raft/signature_collection.ts";
import type { MembershipSigner } from "../../lib/certificate/mod.ts";
import { toEpoch, toNodeId, toTerm } from "../../lib/types.ts";

const [N1, N2, N3] = ["n1", "n2", "n3"].map(toNodeId) as [
  ReturnType<typeof toNodeId>,
  ReturnType<typeof toNodeId>,
  ReturnType<typeof toNodeId>,
];

/** All three voters must sign unless fewer are enough; n1 leads. With two, N3 has not offered yet. */
function setUp(threshold = 3): SignatureCollection {
  const signer = {
    epoch: toEpoch(1),
    voters: [N1, N2, N3],
    threshold,
    combine: () => ({ kind: "signature", signature: Uint8Array.of(7) }),
  } as unknown as MembershipSigner;
  const collection = new SignatureCollection(signer, { term: toTerm(1), leader: N1, text: "text" });
  for (const voter of [N1, N2, N3].slice(0, threshold)) {
    collection.offer(voter, commitmentOf(voter));
  }
  return collection;
}

function commitmentOf(voter: string, nonce = 1): Uint8Array {
  return new TextEncoder().encode(`${voter} ${nonce}`);
}

function open(collection: SignatureCollection): CollectedSession {
  const session = collection.open(0, { withLate: true });
  assert.ok(session !== null);
  return session;
}

Deno.test("a signer that never heard of its session may offer the same commitment again", () => {
  const collection = setUp();
  const first = open(collection);
  for (const voter of [N1, N2]) collection.answer(voter, first.number, Uint8Array.of(1));
  collection.expire();
  for (const voter of [N1, N2]) collection.offer(voter, commitmentOf(voter, 2));
  // Its nonce is unused, so it has no other.
  collection.offer(N3, commitmentOf(N3));
  const second = open(collection);
  for (const voter of [N1, N2]) collection.answer(voter, second.number, Uint8Array.of(1));
  assert.deepEqual(collection.answer(N3, second.number, Uint8Array.of(1)), Uint8Array.of(7));
});

Deno.test("a doubled answer offers no commitment that was signed with", () => {
  const collection = setUp();
  const first = open(collection);
  for (const voter of [N1, N2]) collection.answer(voter, first.number, Uint8Array.of(1));
  collection.expire();
  for (const voter of [N1, N2]) collection.offer(voter, commitmentOf(voter));
  assert.deepEqual(collection.silent, [N1, N2, N3]);
  assert.equal(collection.open(0, { withLate: true }), null);
});

Deno.test("a signer that refused its commitment's session must offer another", () => {
  const collection = setUp();
  const first = open(collection);
  assert.equal(collection.answer(N3, first.number, null), null);
  assert.equal(collection.session, null);
  collection.offer(N3, commitmentOf(N3));
  assert.ok(collection.silent.includes(N3));
  collection.offer(N3, commitmentOf(N3, 2));
  assert.ok(!collection.silent.includes(N3));
});

Deno.test("a signer that never heard of a session that another declined may offer the same commitment", () => {
  const collection = setUp();
  const first = open(collection);
  collection.answer(N1, first.number, Uint8Array.of(1));
  collection.answer(N2, first.number, null);
  for (const voter of [N1, N2]) collection.offer(voter, commitmentOf(voter, 2));
  collection.offer(N3, commitmentOf(N3));
  const second = open(collection);
  for (const voter of [N1, N2]) collection.answer(voter, second.number, Uint8Array.of(1));
  assert.deepEqual(collection.answer(N3, second.number, Uint8Array.of(1)), Uint8Array.of(7));
});

Deno.test("a signer that declines is chosen again only at a tick, and the others keep their place", () => {
  const collection = setUp(2);
  for (let nonce = 1; nonce <= 5; nonce++) {
    const { number, request } = open(collection);
    assert.deepEqual(request.commitments.map(({ voter }) => voter), [N1, N2]);
    collection.answer(N1, number, null);
    collection.offer(N1, commitmentOf(N1, nonce + 1));
    assert.equal(collection.open(0, { withLate: false })?.number ?? null, null);
    collection.offer(N2, commitmentOf(N2, nonce + 1));
    if (nonce < 5) continue;
    collection.offer(N3, commitmentOf(N3));
    assert.deepEqual(
      collection.open(0, { withLate: false })?.request.commitments.map(({ voter }) => voter),
      [N2, N3],
    );
  }
});

Deno.test("of late signers, the one that was late last is chosen last", () => {
  const collection = setUp(2);
  collection.offer(N3, commitmentOf(N3));
  let nonce = 1;
  // N2 was late once, N1 declines every time.
  const first = open(collection);
  collection.answer(N1, first.number, Uint8Array.of(1));
  collection.expire();
  for (const voter of [N1, N2]) collection.offer(voter, commitmentOf(voter, ++nonce));
  const second = open(collection);
  assert.deepEqual(second.request.commitments.map(({ voter }) => voter), [N1, N3]);
  collection.answer(N1, second.number, null);
  for (const voter of [N1, N3]) collection.offer(voter, commitmentOf(voter, ++nonce));
  assert.deepEqual(open(collection).request.commitments.map(({ voter }) => voter), [N2, N3]);
});

Deno.test("a signer that offers without end is remembered with one commitment for each session", () => {
  const collection = setUp(2);
  collection.offer(N3, commitmentOf(N3));
  const offered = Array.from({ length: 100 }, (_, at) => commitmentOf(N1, at + 2));
  for (const commitment of offered) collection.offer(N1, commitment);
  const { request } = open(collection);
  assert.deepEqual(request.commitments[0]?.commitment, commitmentOf(N1));
  assert.ok(offered.every((commitment) => collection.wantsOffer(N1, commitment)));
});
