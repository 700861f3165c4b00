/**
 * What holds a share or a nonce shows neither, whatever it is turned into: logs print objects, and so
 * does whoever looks for a bug.
 *
 * @module
 */

import assert from "node:assert/strict";
import { assertDefined } from "../../lib/assert.ts";
import { encodeUtf8 } from "../../lib/bytes.ts";
import { createCertifier, type SigningRequest } from "../../lib/certificate/mod.ts";
import { commit } from "../../lib/frost/mod.ts";
import { toPrivateKey, toRawPublicKey } from "../../lib/native_key.ts";
import { toClusterName, toEpoch, toNodeId } from "../../lib/types.ts";
import { seededBytes } from "../frost/seeded_bytes.ts";
import { SecretScanner } from "../support/secret_scanner.ts";
import { createTestCluster, electionFields } from "./cluster.ts";
import { requestOf } from "./election.ts";

Deno.test("a certifier of several voters shows neither its share nor a nonce", () => {
  const { group, shares, certifiers, voters } = createTestCluster({ threshold: 2, voters: 3 });
  const self = assertDefined(voters[0], "a voter");
  const secret = assertDefined(shares.get(self), "a share");
  const drawn: Uint8Array[] = [];
  const randomBytes = (length: number) => {
    const bytes = seededBytes(drawn.length + 100)(length);
    drawn.push(bytes.slice());
    return bytes;
  };
  const certifier = createCertifier({ group, self, share: secret, randomBytes });
  const request: SigningRequest = requestOf(certifiers.with(0, certifier), [0, 2]);
  const ticket = certifier.takeNonce(request);
  certifier.commit({ term: electionFields().term, candidate: assertDefined(voters[1], "a voter") });

  const scanner = new SecretScanner();
  scanner.add("share", secret);
  for (const random of drawn) {
    scanner.add("random number", random);
    const { nonces } = commit({ identifier: 1, secret }, () => random.slice());
    scanner.add("nonce", nonces.hiding);
  }
  assert.equal(drawn.length, 4);
  const shown = show({ certifier, ticket });
  assert.match(shown, new RegExp(ticket.candidate));
  assert.deepEqual(scanner.scan("", encodeUtf8(shown)), []);
});

Deno.test("the certifier of a single voter does not show its key", () => {
  const [secret, self] = [seededBytes(1)(32), toNodeId("alone")];
  const publicKey = toRawPublicKey(toPrivateKey("ed25519", secret));
  const voters = [{ id: self, identifier: 1, verifyingShare: publicKey }];
  const names = { cluster: toClusterName("floe-one"), epoch: toEpoch(1) };
  const group = { ...names, threshold: 1, publicKey, voters };
  const certifier = createCertifier({ group, self, share: secret, randomBytes: seededBytes(2) });
  const scanner = new SecretScanner();
  scanner.add("key", secret);
  const shown = show({ certifier });
  assert.match(shown, /alone/);
  assert.deepEqual(scanner.scan("", encodeUtf8(shown)), []);
});

function show(value: object): string {
  return [
    Deno.inspect(value, { depth: 100, showHidden: true, getters: true, iterableLimit: 10_000 }),
    JSON.stringify(value),
  ].join("\n");
}
