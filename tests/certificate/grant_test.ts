/** The pre-vote grant: what a voter signs with its identity, and what is refused. */

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import {
  createGrantKeys,
  encodeGrantStatement,
  type GrantKeys,
} from "../../lib/certificate/mod.ts";
import { toRawPublicKey } from "../../lib/native_key.ts";
import {
  type Epoch,
  type NodeId,
  toClusterName,
  toEpoch,
  toNodeId,
  toTerm,
} from "../../lib/types.ts";

const IDS = ["a", "b", "c"].map(toNodeId);
const [A, B, C] = ["a", "b", "c"].map(toNodeId) as [NodeId, NodeId, NodeId];
const PAIRS = IDS.map((id) => ({ id, ...generateKeyPairSync("ed25519") }));
const GRANT = { term: toTerm(7), candidate: B };

function keysOf(
  self: NodeId,
  { cluster = "test", epoch = toEpoch(1) }: { readonly cluster?: string; readonly epoch?: Epoch } =
    {},
): GrantKeys {
  const own = PAIRS.find(({ id }) => id === self);
  assert.ok(own !== undefined);
  const voters = PAIRS.map(({ id, publicKey }) => ({ id, identityKey: toRawPublicKey(publicKey) }));
  return createGrantKeys({
    cluster: toClusterName(cluster),
    epoch,
    self,
    signingKey: own.privateKey,
    voters,
  });
}

Deno.test("encodeGrantStatement() writes the six lines of floe/prevote/v1", () => {
  const cluster = toClusterName("test");
  assert.equal(
    encodeGrantStatement({ cluster, epoch: toEpoch(1), ...GRANT, voter: A }),
    "floe/prevote/v1\ncluster test\nepoch 1\nterm 7\ncandidate b\nvoter a\n",
  );
});

Deno.test("a grant is verified by every voter as its voter's", () => {
  const signature = keysOf(A).sign(GRANT);
  assert.equal(signature.length, 64);
  for (const id of IDS) assert.ok(keysOf(id).verify(A, GRANT, signature));
});

const OTHERS: Readonly<Record<string, () => boolean>> = {
  "another voter": () => keysOf(C).verify(B, GRANT, keysOf(A).sign(GRANT)),
  "another term": () => keysOf(C).verify(A, { ...GRANT, term: toTerm(8) }, keysOf(A).sign(GRANT)),
  "another candidate": () => keysOf(C).verify(A, { ...GRANT, candidate: C }, keysOf(A).sign(GRANT)),
  "another cluster": () => keysOf(C, { cluster: "other" }).verify(A, GRANT, keysOf(A).sign(GRANT)),
  "another epoch": () => keysOf(C, { epoch: toEpoch(2) }).verify(A, GRANT, keysOf(A).sign(GRANT)),
  "nobody": () => keysOf(C).verify(toNodeId("d"), GRANT, keysOf(A).sign(GRANT)),
};

for (const [what, verify] of Object.entries(OTHERS)) {
  Deno.test(`a grant is refused as that of ${what}`, () => assert.equal(verify(), false));
}

Deno.test("a signature with a flipped bit, too short or too long is refused", () => {
  const signature = keysOf(A).sign(GRANT);
  for (const at of [0, 31, 32, 63]) {
    const flipped = signature.slice();
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    assert.equal(keysOf(B).verify(A, GRANT, flipped), false, `${at}`);
  }
  assert.equal(keysOf(B).verify(A, GRANT, signature.slice(1)), false);
  assert.equal(keysOf(B).verify(A, GRANT, new Uint8Array([...signature, 0])), false);
  assert.equal(keysOf(B).verify(A, GRANT, new Uint8Array()), false);
});
