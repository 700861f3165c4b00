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

/** All three voters must sign; n1 leads. */
function setUp(): SignatureCollection {
  const signer = {
    epoch: toEpoch(1),
    voters: [N1, N2, N3],
    threshold: 3,
    combine: () => ({ kind: "signature", signature: Uint8Array.of(7) }),
  } as unknown as MembershipSigner;
  const collection = new SignatureCollection(signer, { term: toTerm(1), leader: N1, text: "text" });
  for (const voter of [N1, N2, N3]) collection.offer(voter, commitmentOf(voter));
  return collection;
}

function commitmentOf(voter: string, nonce = 1): Uint8Array {
  return new TextEncoder().encode(`${voter} ${nonce}`);
}

function open(collection: SignatureCollection): CollectedSession {
  const session = collection.open(0);
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
  assert.equal(collection.open(0), null);
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
