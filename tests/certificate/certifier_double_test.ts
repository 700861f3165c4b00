import assert from "node:assert/strict";
import { toClusterName, toEpoch, toNodeId } from "../../lib/types.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";
import { createCertifierDouble } from "../support/certifier_double.ts";
import { createTestDoubles, electionFields, nodeId } from "./cluster.ts";
import { certify, runRounds } from "./election.ts";
import { assertRefused } from "./refused.ts";

const SIZE = { threshold: 3, voters: 5 };

Deno.test("CertifierDouble does the same for the same seed, and elects with any signers", () => {
  const [left, right] = [createTestDoubles(SIZE), createTestDoubles(SIZE)];
  for (const signers of [[0, 1, 2], [1, 3, 4], [0, 1, 2, 3, 4]]) {
    const [one, two] = [runRounds(left, signers), runRounds(right, signers)];
    assert.deepEqual(one, two);
  }
});

Deno.test("CertifierDouble issues other commitments for another seed", () => {
  const [one] = createTestDoubles(SIZE);
  const [two] = createTestDoubles({ ...SIZE, seed: 2 });
  const { term, leader: candidate } = electionFields();
  assert.notDeepEqual(one?.commit({ term, candidate }), two?.commit({ term, candidate }));
});

Deno.test("CertifierDouble.checkCommitment() refuses one voter's commitment as another's", () => {
  const [first, second] = createTestDoubles(SIZE);
  const { term, leader: candidate } = electionFields();
  const commitment = second?.commit({ term, candidate });
  assert.ok(first && commitment);
  first.checkCommitment(nodeId(2), commitment);
  assertRefused("bad-commitment", () => first.checkCommitment(nodeId(3), commitment));
});

Deno.test("CertifierDouble.verify() refuses another cluster's certificate", () => {
  const voters = [1, 2].map((identifier) => ({ id: nodeId(identifier), identifier }));
  const other = createCertifierDouble({
    cluster: toClusterName("floe-other"),
    epoch: toEpoch(1),
    threshold: 2,
    voters,
    self: nodeId(1),
    randomBytes: seededBytes(1),
  });
  assertRefused("wrong-cluster", () => other.verify(certify(createTestDoubles(SIZE), [0, 1, 2])));
});

Deno.test("createCertifierDouble() refuses a node that is no voter", () => {
  assertRefused("not-a-signer", () => {
    createCertifierDouble({
      cluster: toClusterName("floe-test"),
      epoch: toEpoch(1),
      threshold: 1,
      voters: [{ id: nodeId(1), identifier: 1 }],
      self: toNodeId("stranger"),
      randomBytes: seededBytes(1),
    });
  });
});
