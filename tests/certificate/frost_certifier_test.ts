import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { concatBytes } from "../../lib/bytes.ts";
import { COMMITMENT_BYTES } from "../../lib/certificate/frost_certifier.ts";
import { createCertifier } from "../../lib/certificate/mod.ts";
import { toNodeId, toTerm } from "../../lib/types.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";
import { BAD_ENCODINGS, GOOD_POINT } from "../frost/weak_points.ts";
import { createTestCluster, electionFields, nodeId } from "./cluster.ts";
import { certify, requestOf } from "./election.ts";
import { assertRefused } from "./refused.ts";

const { group, shares, certifiers } = createTestCluster({ threshold: 3, voters: 5 });
const randomBytes = seededBytes(5);
const share = assertDefined(shares.get(nodeId(1)), "no share");

Deno.test("createCertifier() makes certifiers that elect in clusters of every size", () => {
  for (const [threshold, voters] of [[2, 2], [2, 3], [3, 4], [4, 5], [5, 7]] as const) {
    const cluster = createTestCluster({ threshold, voters });
    const signers = Array.from({ length: threshold }, (_, at) => voters - threshold + at);
    const election = electionFields({ leader: nodeId(voters) });
    const note = certify(cluster.certifiers, signers, election);
    assert.equal(cluster.certifiers[0]?.verify(note).leader, nodeId(voters));
  }
});

Deno.test("createCertifier() keeps a copy of the share, so that the caller may erase its own", () => {
  const cluster = createTestCluster({ threshold: 2, voters: 3 });
  for (const secret of cluster.shares.values()) secret.fill(0);
  certify(cluster.certifiers, [0, 2]);
});

Deno.test("a certifier without a share checks what others sign, and signs nothing", () => {
  const certifier = createCertifier({ group, self: toNodeId("learner"), share: null, randomBytes });
  assert.equal(certifier.canSign, false);
  assert.equal(certifier.verify(certify(certifiers, [0, 1, 2])).leader, nodeId(1));
  certifier.prepare();
  const election = { term: toTerm(7), candidate: nodeId(1) };
  assert.throws(() => certifier.commit(election), { name: "InvariantError" });
});

Deno.test("a certifier whose epoch is over has neither share nor nonces, and still checks", () => {
  const cluster = createTestCluster({ threshold: 2, voters: 3 });
  const note = certify(cluster.certifiers, [0, 1]);
  const [certifier] = cluster.certifiers;
  assert.ok(certifier !== undefined);
  const request = requestOf(cluster.certifiers, [0, 1]);
  const ticket = certifier.takeNonce(request);
  certifier.erase();
  assert.equal(certifier.canSign, false);
  assertRefused("unknown-nonce", () => certifier.sign(ticket));
  assertRefused("unknown-nonce", () => certifier.takeNonce(request));
  assert.equal(certifier.verify(note).leader, nodeId(1));
});

Deno.test("createCertifier() refuses another voter's share", () => {
  assert.throws(() => createCertifier({ group, self: nodeId(2), share, randomBytes }), {
    name: "FrostError",
  });
});

Deno.test("createCertifier() refuses a share of another cluster, and a malformed one", () => {
  const other = createTestCluster({ threshold: 3, voters: 5, seed: 9 });
  const [foreign] = other.shares.values();
  for (const bad of [assertDefined(foreign, "none"), share.slice(1), new Uint8Array(32)]) {
    assert.throws(() => createCertifier({ group, self: nodeId(1), share: bad, randomBytes }), {
      name: "FrostError",
    });
  }
});

Deno.test("createCertifier() refuses a node that is no voter", () => {
  assertRefused("not-a-signer", () => {
    createCertifier({ group, self: toNodeId("stranger"), share, randomBytes });
  });
});

for (const [name, , encoding] of BAD_ENCODINGS) {
  Deno.test(`FrostCertifier.checkCommitment() refuses ${name} in either half`, () => {
    const [first] = certifiers;
    assert.ok(first);
    for (const halves of [[encoding, GOOD_POINT], [GOOD_POINT, encoding]]) {
      const check = () => first.checkCommitment(nodeId(2), concatBytes(...halves));
      assert.equal(assertRefused("bad-commitment", check), nodeId(2));
    }
  });
}

Deno.test("FrostCertifier.checkCommitment() refuses every length but 64 bytes", () => {
  const [first] = certifiers;
  assert.ok(first);
  const good = concatBytes(GOOD_POINT, GOOD_POINT, GOOD_POINT);
  first.checkCommitment(nodeId(2), good.slice(0, COMMITMENT_BYTES));
  for (const length of [0, 32, 63, 65, 96]) {
    assertRefused("bad-commitment", () => first.checkCommitment(nodeId(2), good.slice(0, length)));
  }
});

Deno.test("prepare() leaves an election nothing to draw, and draws no more than that", () => {
  let drawn = 0;
  const random = seededBytes(9);
  const counting = (length: number) => {
    drawn += length;
    return random(length);
  };
  const certifier = createCertifier({ group, self: nodeId(1), share, randomBytes: counting });
  for (let call = 0; call < 20; call++) certifier.prepare();
  const prepared = drawn;
  assert.ok(prepared > 0);
  certifier.prepare();
  certifier.commit({ term: electionFields().term, candidate: nodeId(2) });
  assert.equal(drawn, prepared);
});

Deno.test("certifiers that prepared elect as well", () => {
  const cluster = createTestCluster({ threshold: 3, voters: 5 });
  for (const certifier of cluster.certifiers) {
    for (let call = 0; call < 20; call++) certifier.prepare();
  }
  certify(cluster.certifiers, [0, 2, 4]);
});
