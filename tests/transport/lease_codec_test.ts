import fc from "fast-check";
import assert from "node:assert/strict";
import type { LeaseMessage, LeaseReply } from "../../lib/kv/mod.ts";
import { encodeSequence, type Scalar } from "../../lib/transport/field.ts";
import { isKeyGenerationPayload } from "../../lib/transport/keygen_codec.ts";
import {
  decodeLeaseMessage,
  encodeLeaseMessage,
  isLeasePayload,
} from "../../lib/transport/lease_codec.ts";
import { decodeMessage, encodeMessage, MessageError } from "../../lib/transport/message_codec.ts";
import { ALPHA, BETA, readIndexRequest } from "./harness.ts";

const route = { from: ALPHA, to: BETA };
const count = fc.maxSafeNat();
const reply: fc.Arbitrary<LeaseReply> = fc.oneof(
  fc.record({
    kind: fc.constant("lease" as const),
    ttlSeconds: count,
    ending: fc.constantFrom(null, "revoked" as const, "expired" as const),
    secondsLeft: count,
  }, { noNullPrototype: true }),
  fc.constantFrom({ kind: "leaseNotFound" as const }, { kind: "notLeader" as const }),
);
const question = {
  from: fc.constant(ALPHA),
  to: fc.constant(BETA),
  incarnation: count,
  requestId: count,
};
const messages: fc.Arbitrary<LeaseMessage> = fc.oneof(
  fc.record({
    ...question,
    kind: fc.constant("leaseRequest" as const),
    id: count,
    isKeptAlive: fc.boolean(),
  }, { noNullPrototype: true }),
  fc.record(
    { ...question, kind: fc.constant("leaseResponse" as const), reply },
    { noNullPrototype: true },
  ),
);

Deno.test("decodeLeaseMessage() reads what encodeLeaseMessage() wrote", () => {
  fc.assert(fc.property(messages, (message) => {
    const payload = encodeLeaseMessage(message).slice();
    assert.ok(isLeasePayload(payload));
    assert.deepEqual(decodeLeaseMessage(payload, route), message);
  }));
});

Deno.test("messages about leases are told apart from all others", () => {
  fc.assert(fc.property(messages, (message) => {
    const payload = encodeLeaseMessage(message).slice();
    assert.ok(!isKeyGenerationPayload(payload));
    assert.throws(() => decodeMessage(payload, route), MessageError);
  }));
  assert.ok(!isLeasePayload(encodeMessage(readIndexRequest(ALPHA, BETA, 1))));
  assert.ok(!isLeasePayload(new Uint8Array()));
});

Deno.test("decodeLeaseMessage() refuses what is cut short, or goes on", () => {
  fc.assert(fc.property(messages, (message) => {
    const payload = encodeLeaseMessage(message).slice();
    for (let length = 0; length < payload.length; length++) {
      assert.throws(() => decodeLeaseMessage(payload.slice(0, length), route), MessageError);
    }
    const longer = new Uint8Array([...payload, 0]);
    assert.throws(() => decodeLeaseMessage(longer, route), MessageError);
  }));
});

for (
  const [what, scalars] of [
    ["a negative number", [32, 1, 2, -1, true]],
    ["a number that is not whole", [32, 1, 2, 1.5, true]],
    ["a number for a yes or no", [32, 1, 2, 3, 1]],
    ["a kind of reply that there is not", [33, 1, 2, 9]],
    ["an ending that there is not", [33, 1, 2, 0, 60, 7, 1]],
    ["a text for a number", [33, 1, 2, 0, "60", null, 1]],
  ] as readonly (readonly [string, readonly Scalar[]])[]
) {
  Deno.test(`decodeLeaseMessage() refuses ${what}`, () => {
    const payload = encodeSequence(scalars).slice();
    assert.throws(() => decodeLeaseMessage(payload, route), MessageError);
  });
}
