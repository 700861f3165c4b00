import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeUtf8 } from "../../lib/bytes.ts";
import {
  createMembershipSigner,
  type MembershipRequest,
  type MembershipSigner,
} from "../../lib/certificate/mod.ts";
import { verifySignature } from "../../lib/frost/mod.ts";
import { type NodeId, toNodeId, toTerm } from "../../lib/types.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";
import { createTestCluster, nodeId } from "./cluster.ts";
import { assertRefused } from "./refused.ts";

const { group, shares } = createTestCluster({ threshold: 3, voters: 5 });
const SESSION = { term: toTerm(7), leader: toNodeId("leaver") };
const TEXT = "floe/membership/v1\nwhat the log came to\n";

function signers(): Map<NodeId, MembershipSigner> {
  return new Map(
    [1, 2, 3].map(nodeId).map((self, at) => {
      const share = assertDefined(shares.get(self), "no share");
      return [self, createMembershipSigner({ group, self, share, randomBytes: seededBytes(at) })];
    }),
  );
}

function requestOf(from: ReadonlyMap<NodeId, MembershipSigner>): MembershipRequest {
  const commitments = [...from].map(([voter, signer]) => {
    return { voter, commitment: signer.commit(SESSION) };
  });
  return { ...SESSION, text: TEXT, commitments };
}

function sharesOf(from: ReadonlyMap<NodeId, MembershipSigner>, request: MembershipRequest) {
  return new Map([...from].map(([voter, signer]) => [voter, signer.sign(request)]));
}

/** Whoever holds no share brings the others together. */
const outsider = createMembershipSigner({
  group,
  self: SESSION.leader,
  share: null,
  randomBytes: seededBytes(9),
});

Deno.test("t voters sign a membership for a leader that need not be one of them", () => {
  const voters = signers();
  const request = requestOf(voters);
  for (const { voter, commitment } of request.commitments) {
    outsider.checkCommitment(voter, commitment);
  }
  const result = outsider.combine(request, sharesOf(voters, request));
  assert.ok(result.kind === "signature");
  assert.ok(verifySignature(group.publicKey, encodeUtf8(TEXT), result.signature));
  assert.equal(outsider.canSign, false);
});

Deno.test("a request that is repeated gets the same share, another one with its nonce gets none", () => {
  const voters = signers();
  const request = requestOf(voters);
  const first = assertDefined(voters.get(nodeId(1)), "none");
  const share = first.sign(request);
  assert.deepEqual(first.sign(request), share);
  assertRefused("nonce-reused", () => first.sign({ ...request, text: `${TEXT}more\n` }));
});

Deno.test("a request of another term, another leader or too few signers is refused", () => {
  const voters = signers();
  const request = requestOf(voters);
  const first = assertDefined(voters.get(nodeId(1)), "none");
  assertRefused("unknown-nonce", () => first.sign({ ...request, term: toTerm(8) }));
  assertRefused("unknown-nonce", () => first.sign({ ...request, leader: nodeId(2) }));
  const commitments = request.commitments.slice(0, 2);
  assertRefused("too-few-signers", () => first.sign({ ...request, commitments }));
  const turned = request.commitments.toReversed();
  assertRefused("unsorted-signers", () => first.sign({ ...request, commitments: turned }));
  const others = createMembershipSigner({
    group,
    self: nodeId(5),
    share: assertDefined(shares.get(nodeId(5)), "none"),
    randomBytes: seededBytes(5),
  });
  assertRefused("not-a-signer", () => others.sign(request));
});

Deno.test("a wrong share is its signer's", () => {
  const voters = signers();
  const request = requestOf(voters);
  const wrong = sharesOf(voters, request).set(nodeId(2), new Uint8Array(32));
  assert.deepEqual(outsider.combine(request, wrong), { kind: "cheaters", voters: [nodeId(2)] });
});

Deno.test("a wrong commitment is refused as it comes", () => {
  assertRefused("bad-commitment", () => outsider.checkCommitment(nodeId(1), new Uint8Array(64)));
  assertRefused("foreign-signer", () => {
    outsider.checkCommitment(toNodeId("stranger"), new Uint8Array(64));
  });
});

Deno.test("an epoch that is over leaves nothing to sign with", () => {
  const voters = signers();
  const request = requestOf(voters);
  const first = assertDefined(voters.get(nodeId(1)), "none");
  first.forgetBelow(toTerm(8));
  assertRefused("unknown-nonce", () => first.sign(request));
  first.erase();
  assert.equal(first.canSign, false);
  assert.throws(() => first.commit(SESSION), { name: "InvariantError" });
});
