import assert from "node:assert/strict";
import { checkNonceCommitment } from "../../lib/frost/signing.ts";
import { commit, eraseNonces, isErased } from "../../lib/frost/signing.ts";
import { seededBytes } from "./seeded_bytes.ts";
import { deal } from "./signing.ts";

const [share] = deal(2, 3).shares;
assert.ok(share);

Deno.test("commit() never gives the same nonce twice", () => {
  const randomBytes = seededBytes(9);
  const seen = new Set<string>();
  for (let count = 0; count < 20; count++) {
    const { nonces, commitment } = commit(share, randomBytes);
    checkNonceCommitment(commitment);
    seen.add(nonces.hiding.toHex()).add(nonces.binding.toHex());
  }
  assert.equal(seen.size, 40);
});

Deno.test("commit() binds the nonce to the share, so that bad randomness alone repeats none", () => {
  const [, other] = deal(2, 3).shares;
  assert.ok(other);
  const zeros = (length: number) => new Uint8Array(length);
  const [one, two] = [commit(share, zeros), commit(other, zeros)];
  assert.notDeepEqual(one.nonces.hiding, two.nonces.hiding);
});

Deno.test("commit() refuses randomness of another length than it asked for", () => {
  assert.throws(() => commit(share, () => new Uint8Array(31)), { name: "InvariantError" });
  assert.throws(() => commit(share, () => new Uint8Array()), { name: "InvariantError" });
});

Deno.test("commit() refuses a participant that cannot be", () => {
  for (const identifier of [0, -1, 1.5, 65_536]) {
    assert.throws(() => commit({ ...share, identifier }, seededBytes(1)), { name: "FrostError" });
  }
});

Deno.test("eraseNonces() fills both nonces with zeros", () => {
  const { nonces } = commit(share, seededBytes(3));
  assert.ok(!isErased(nonces));
  eraseNonces(nonces);
  assert.ok(isErased(nonces));
  assert.deepEqual(nonces, { hiding: new Uint8Array(32), binding: new Uint8Array(32) });
});

Deno.test("isErased() holds when only one of the nonces is zero", () => {
  const { nonces } = commit(share, seededBytes(3));
  assert.ok(isErased({ ...nonces, hiding: new Uint8Array(32) }));
  assert.ok(isErased({ ...nonces, binding: new Uint8Array(32) }));
});
